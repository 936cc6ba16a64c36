"""A run on a cluster from submission to record, against a fake of its API that runs nothing (fake_api.py)."""

import json
import shutil
import socket

import pytest
import yaml

from pipeline.cli import cli, run_command
from pipeline.records.history import find_runs
from tests.pipeline.kubeflow.fake_api import FakeApi, task

STEPS = ("InteractionExampleGen", "Trainer", "Pusher")
TOKEN = "the-secret-of-the-cluster"

GATE_LOG = """\
I1130 12:00:00.000001      17 launcher_v2.go:188] command
Traceback (most recent call last):
  File "components/nodes/data_gate.py", line 70, in DataGate
trainer.errors.GateRefused: Data validation found anomalies:
  train: user_id: too many missing values.
F1130 12:00:09.000001      17 main.go:55] failed to execute component: exit status 1
"""
INPUT_LOG = """\
RuntimeError: something before
trainer.errors.InputError: log.csv: no column item_id. Name it in data.columns.item. [while running 'Read/Map']
"""


@pytest.fixture
def package(tmp_path):
    dag = {"tasks": {name: {"componentRef": {"name": name}} for name in (*STEPS, "BaseModel")}}
    path = tmp_path / "pipeline.yaml"
    executors = {f"{name}_executor": {"container": {"image": "polyrec:1"}} for name in STEPS}
    specification = {
        "root": {"dag": dag},
        "components": {name: {"executorLabel": f"{name}_executor"} for name in (*STEPS, "BaseModel")},
        "deploymentSpec": {"executors": {**executors, "BaseModel_executor": {"importer": {}}}},
    }
    path.write_text(yaml.safe_dump_all([specification, {"platforms": {}}]))
    return path


@pytest.fixture
def polyrec(tmp_path, package, monkeypatch, capfd):
    """``polyrec run --engine kubeflow``, compiled already: the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def compiled(_, output, image):
        assert image == "polyrec:latest"
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(package, output)

    monkeypatch.setattr("pipeline.cli._compile", compiled)

    def running(*overrides):
        settings = ["pipeline.name=shop", f"kubeflow.volumes={{work: {tmp_path}}}", "kubeflow.poll_seconds=0.001"]
        options = [part for override in (*settings, *overrides) for part in ("--set", override)]
        code = run_command(cli, ["run", "comirec_sa", "--engine", "kubeflow", *options])
        printed = capfd.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return running


@pytest.fixture
def follow(tmp_path, polyrec):
    """Runs against a fake; the exit code, what was printed, and the record."""

    def following(api, *overrides):
        with api.serving():
            found = polyrec(f"kubeflow.host={api.host}", *overrides)
        history = find_runs(tmp_path / "runs")
        (record,) = history.runs.values()
        assert not history.unreadable
        return *found, record

    return following


def done(name, seconds, *attempts):
    return task(name, "SUCCEEDED", seconds, attempts or [("SUCCEEDED", f"{name}-1")])


PUSHED = [("SUCCEEDED", [*done(STEPS[0], 5), *done("Trainer", 90), *done("Pusher", 2, ("SUCCEEDED", 77))])]


def test_a_run_that_pushes(follow, package, tmp_path):
    looks = [
        ("PENDING", None),
        503,
        ("RUNNING", [*done(STEPS[0], 5), *task("Trainer", "RUNNING")]),
        ("RUNNING", [*done(STEPS[0], 5), *done("Trainer", 90)]),
        *PUSHED,
    ]
    api = FakeApi(looks, {"shop-x-system-container-impl-77": "I1130 x\npolyrec pushed: /served/shop/17\n"}, TOKEN)
    (tmp_path / "token").write_text(TOKEN)
    code, printed, record = follow(api, f"kubeflow.token_file={tmp_path / 'token'}", "kubeflow.service_account=bot")
    assert code == 0
    for words in (
        "run run-1",
        "1/3 InteractionExampleGen 5.0 s 2/3 Trainer 90.0 s 3/3 Pusher 2.0 s",
        "/served/shop/17",
    ):
        assert words in printed
    assert (record.outcome, record.pushed, record.cluster_run) == ("pushed", "/served/shop/17", "run-1")
    assert [(step.name, step.state, step.seconds, step.cpu_seconds) for step in record.steps] == [
        ("InteractionExampleGen", "done", 5.0, None),
        ("Trainer", "done", 90.0, None),
        ("Pusher", "done", 2.0, None),
    ]
    assert (record.cpu_seconds, record.peak_memory_bytes, record.packages) == (None, None, {})
    uploaded, content = api.bodies["POST /apis/v2beta1/pipelines/upload"]
    assert uploaded["name"] == ["shop"]
    assert package.read_bytes() in content
    _, body = api.bodies["POST /apis/v2beta1/runs"]
    submitted = json.loads(body)
    reference = {"pipeline_id": "pipeline-1", "pipeline_version_id": "version-1"}
    assert submitted["pipeline_version_reference"] == reference
    assert (submitted["experiment_id"], submitted["service_account"]) == ("experiment-1", "bot")
    assert submitted["display_name"] == f"shop-{record.id}"
    written = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(written) == 3  # the specification, the log and the record
    assert not [path for path in written if TOKEN in path.read_text()]
    assert TOKEN not in printed


def test_polyrec_runs_lists_it(follow, tmp_path, capfd):
    _, _, record = follow(FakeApi(PUSHED))
    assert run_command(cli, ["runs", str(tmp_path / "runs")]) == 0
    listed = capfd.readouterr().out
    assert record.id in listed
    assert "pushed" in listed


def test_a_pipeline_that_is_there_gets_another_version(follow):
    api = FakeApi(PUSHED, pipelines=["shop"])
    assert follow(api)[0] == 0
    assert "POST /apis/v2beta1/pipelines/upload" not in api.requests
    query, _ = api.bodies["POST /apis/v2beta1/pipelines/upload_version"]
    assert query["pipelineid"] == ["pipeline-1"]


@pytest.mark.parametrize(
    ("log", "code", "outcome", "words"),
    [
        (GATE_LOG, 4, "refused", "anomalies: train: user_id: too many missing values."),
        (INPUT_LOG, 2, "wrong input", "Error: log.csv: no column item_id. Name it in data.columns.item."),
        ("Killed\n", 1, "failed", "Run run-1 failed in Trainer, and its log names no reason"),
        (None, 1, "failed", "Run run-1 failed in Trainer, and its log names no reason"),
    ],
    ids=["gate", "input", "killed", "no log"],
)
def test_a_step_that_fails_says_why_in_its_last_attempt(follow, log, code, outcome, words):
    failed = task("Trainer", "FAILED", 30, [("FAILED", 8), ("FAILED", 9)])
    logs = {"shop-x-system-container-impl-8": "trainer.errors.InputError: of the first attempt\n" if log else None}
    logs["shop-x-system-container-impl-9"] = log
    if log == "Killed\n":
        logs["shop-x-system-container-impl-8"] = log
    found, printed, record = follow(FakeApi([("FAILED", [*done(STEPS[0], 5), *failed])], logs))
    assert (found, record.outcome, record.exit_code) == (code, outcome, code)
    assert words in printed
    assert printed.count("[while running") == printed.count("main.go") == printed.count("first attempt") == 0
    assert [(step.name, step.state) for step in record.steps] == [(STEPS[0], "done"), ("Trainer", "failed")]
    assert [gate.name for gate in record.gates] == (["Trainer"] if code == 4 else [])


def test_a_green_run_that_pushed_nothing_is_refused(follow):
    logs = {"shop-x-system-container-impl-77": "polyrec pushed nothing.\n"}
    code, printed, record = follow(FakeApi(PUSHED, logs), "kubeflow.fail_when_refused=false")
    assert (code, record.outcome, record.pushed) == (4, "refused", None)
    assert "nothing was pushed" in printed


def test_a_green_run_without_a_log_is_pushed_only_where_a_refusal_would_have_failed_it(follow):
    code, printed, record = follow(FakeApi(PUSHED), "kubeflow.fail_when_refused=false")
    assert (code, record.outcome) == (1, "failed")
    assert "whether it pushed a model cannot be told" in printed


@pytest.mark.parametrize(
    ("state", "words"), [("CANCELED", "Run run-1 was cancelled."), ("FAILED", "Run run-1 failed,")]
)
def test_a_run_that_ends_before_a_step_does(follow, state, words):
    code, printed, record = follow(FakeApi([(state, [])]))
    assert (code, record.outcome) == (1, "failed")
    assert words in printed


def test_an_api_that_falls_silent_is_left(follow):
    code, printed, record = follow(FakeApi([("RUNNING", []), 503]))
    assert (code, record.cluster_run) == (1, "run-1")
    assert "does not answer any more: 503 Service Unavailable" in printed
    assert "goes on there" in printed


def test_a_cluster_that_refuses_us_is_wrong_input(follow, tmp_path):
    (tmp_path / "token").write_text("of another cluster")
    code, printed, record = follow(
        FakeApi(PUSHED, token=TOKEN), f"kubeflow.token_file={tmp_path / 'token'}", "kubeflow.namespace=team"
    )
    assert (code, record.outcome) == (2, "wrong input")
    assert "access refused (401" in printed


def test_no_cluster_no_token_and_no_place_for_the_record_are_wrong_input(polyrec):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for overrides, words in (
        ([f"kubeflow.host=http://127.0.0.1:{port}", "kubeflow.namespace=team"], f"http://127.0.0.1:{port}: no answer"),
        (["kubeflow.token_file=/nowhere/token"], "kubeflow.token_file: /nowhere/token cannot be read"),
        (["pipeline.root=gs://shop/runs"], "pipeline.root: gs://shop/runs is a URL"),
    ):
        code, printed = polyrec(*overrides)
        assert code == 2
        assert words in printed
