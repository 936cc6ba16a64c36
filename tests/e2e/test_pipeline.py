"""The command line on a small made-up log: the real components, gates and pusher, one after the other.

The tests share one folder and build on each other in order, as the runs of a user do.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.data_sources.synthetic import write
from pipeline.records.history import find_runs
from serving.bundle.manifest import verify

CONFIG = {
    "data": {"directory": "log", "interactions": "interactions.parquet", "items": "items.parquet",
             "item_columns": {"category": "category", "title": "title"}, "users": "people.parquet",
             "user_columns": {"features": {"Home town": "categorical", "größe (cm)": "numeric"}}},
    "transform": {"max_history": 20},
    "model": {"name": "comirec_sa", "dimension": 16},
    "training": {"max_steps": 60, "evaluate_every": 30, "num_negatives": 100, "batch_size": 32},
    "serving": {"model_name": "shop", "validation_users": 16},
    "pipeline": {"name": "shop"},
}  # fmt: skip
EXACT = ("--set", "index.kind=exact")
"""For runs that are not about what is pushed: half as much to build, to load and to validate."""
SCHEMA_WITH_A_COUNTRY = """
feature { name: "user_country" type: BYTES presence { min_fraction: 1.0 } }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write(folder / "log", users=500, items=120, interests=6, interactions=10_000)
    people = range(500)
    columns = {"Home town": ["Kyoto" if user % 3 else "Łódź" for user in people], "größe (cm)": [*people]}
    pq.write_table(pa.table({"user_id": [f"u{user}" for user in people], **columns}), folder / "log" / "people.parquet")
    (folder / "shop.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", "run", "shop.yaml", *arguments]


def environment() -> dict[str, str]:
    checkout = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "120"}


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def _versions(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "served" / "shop").iterdir())


def _last_record(folder: Path, runs: int):
    """The record of the last of so many runs."""
    found = find_runs(folder / "runs")
    assert len(found.runs) == runs and not found.unreadable
    return list(found.runs.values())[-1]


def test_a_first_run_trains_both_models_and_pushes(folder):
    done = _run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for words in ("comirec_sa", "two_tower", "popularity", "Recall@20", "seen items removed", "010-019",
                  "no earlier model to compare with", "Serving validation: blessed", "valid Recall@50"):  # fmt: skip
        assert words in done.stdout
    (version,) = _versions(folder)
    assert f"Pushed to served/shop/{version}" in done.stdout
    stated = verify(folder / "served" / "shop" / version)
    assert stated.inputs.user_features == {"Home town": "categorical", "größe (cm)": "numeric"}
    assert len(done.stdout.splitlines()) < 140
    (log,) = (folder / "runs" / "shop" / "logs").iterdir()
    assert str(log.relative_to(folder)) in done.stdout
    record = _last_record(folder, runs=1)
    assert f"Record: runs/shop/records/{record.id}/run.json" in done.stdout
    assert (record.outcome, record.exit_code) == ("pushed", 0)
    assert record.pushed == str(folder / "served" / "shop" / version) and record.log == str(log)
    data = record.data["InteractionExampleGen"]
    assert data.rows["interactions"] == 10_000 and data.rows["users"] == 500
    assert data.fingerprint is not None and data.fingerprint.startswith("interactions:")
    recall = record.metrics[record.headline]
    assert (recall.title, record.baseline) == ("Recall@50", "two_tower")
    assert recall.difference == pytest.approx(recall.value - recall.baseline, abs=1e-6)
    assert recall.error > 0 and 0 < recall.popularity < 1 and recall.blessed_before is None
    assert {"010-019", "diverse", "focused"} <= record.slices.keys()
    assert [gate.name for gate in record.gates if gate.passed] == ["DataGate", "Evaluator", "ServingValidator"]
    assert {step.state for step in record.steps} == {"done"}
    assert {step.name for step in record.steps} >= record.code.components.keys() - {"TextEncoder"}
    trainer = next(step for step in record.steps if step.name == "Trainer")
    assert trainer.cpu_seconds > record.trainings[0]["training_cpu_seconds"] > 0
    assert trainer.peak_memory_bytes > 100_000_000
    assert sum(step.cpu_seconds for step in record.steps) < record.cpu_seconds
    assert record.findings and record.findings[0] in " ".join(done.stdout.split())


def test_the_same_again_comes_from_the_cache_and_is_compared_with_the_blessed_model(folder):
    done = _run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for component in ("InteractionExampleGen", "Transform", "Trainer", "TwoTowerTrainer", "IndexBuilder"):
        assert any(component in line and line.endswith("cached") for line in done.stdout.splitlines())
    assert "those against the model blessed last as well" in done.stdout
    (version,) = _versions(folder)
    assert f"Unchanged: version {version} stays" in done.stdout
    record = _last_record(folder, runs=2)
    assert (record.outcome, record.exit_code) == ("unchanged", 0)
    assert {step.name for step in record.steps if step.state == "cached"} >= {"InteractionExampleGen", "Trainer"}
    recall = record.metrics["recall_at_50"]
    assert recall.value == recall.blessed_before


def test_a_missed_threshold_pushes_nothing_and_exits_with_4(folder):
    before = _versions(folder)
    done = _run(folder, "--set", "evaluation.thresholds.recall_at_20=0.999")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "evaluation.thresholds wants at least 0.999" in done.stderr
    assert "Nothing was pushed" in done.stdout
    assert _versions(folder) == before
    record = _last_record(folder, runs=3)
    assert (record.outcome, record.exit_code, record.pushed) == ("refused", 4, None)
    (gate,) = [gate for gate in record.gates if not gate.passed]
    assert gate.name == "Evaluator" and gate.reasons == [record.reason] and "0.999" in record.reason
    assert 0 < record.metrics["recall_at_20"].value < 0.999


def test_an_anomaly_ends_the_run_before_anything_is_trained(folder):
    (folder / "schema.pbtxt").write_text(SCHEMA_WITH_A_COUNTRY)
    before = _versions(folder)
    done = _run(folder, "--set", "validation.schema_path=schema.pbtxt", "--set", "training.seed=7")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "split train, feature user_country: Column dropped" in done.stderr
    assert "Transform" not in done.stdout
    assert _versions(folder) == before
    record = _last_record(folder, runs=4)
    assert (record.outcome, record.metrics) == ("refused", {})
    (gate,) = record.gates
    assert gate.name == "DataGate" and "user_country" in gate.reasons[0] and not gate.passed
    assert record.steps[-1].name == "DataGate" and record.steps[-1].state == "failed"


def test_a_killed_run_is_taken_up_again_and_meanwhile_nobody_else_may_run(folder):
    changed = ("--set", "training.seed=2", "--set", "evaluation.baseline=false", *EXACT)
    first = subprocess.Popen(_command(*changed), cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    shown = []
    for line in first.stdout:
        shown.append(line)
        if "step 30/60" in line:
            break
    # It goes no further while the second starts, which takes long.
    first.send_signal(signal.SIGSTOP)
    assert first.poll() is None, "".join(shown)
    second = _run(folder)
    assert second.returncode == 2
    assert f"process {first.pid} is running this pipeline" in second.stderr
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    done = _run(folder, *changed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert any("Transform" in line and line.endswith("cached") for line in done.stdout.splitlines())


def test_a_missing_file_is_wrong_input(folder):
    done = _run(folder, "--set", "data.interactions=nothing.parquet")
    assert done.returncode == 2
    assert "nothing.parquet" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    # Of the killed run and of the one that found the folder in use there is none.
    record = _last_record(folder, runs=6)
    assert (record.outcome, record.exit_code) == ("wrong input", 2)
    assert "nothing.parquet" in record.reason and record.steps == []


def test_tfx_own_command_line_runs_the_same_pipeline(folder):
    checkout = Path(__file__).resolve().parents[2]
    config = {**CONFIG, "data": {**CONFIG["data"], "directory": str(folder / "log")}}
    config["pipeline"] = {"name": "shop", "root": str(folder / "runs")}
    config["serving"] = {**CONFIG["serving"], "directory": str(folder / "served"), "model_name": "other"}
    # The test before may have left a better model as the one to compare with.
    config["evaluation"] = {"max_regression": None}
    config["index"] = {"kind": "exact"}
    (folder / "absolute.yaml").write_text(yaml.safe_dump(config))
    variables = {
        **environment(),
        "HOME": str(folder),
        "POLYREC_CONFIG": str(folder / "absolute.yaml"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for command in (
        ["pipeline", "create", "--engine=local", f"--pipeline_path={checkout / 'pipeline' / 'local_runner.py'}"],
        ["run", "create", "--engine=local", "--pipeline_name=shop"],
    ):
        done = subprocess.run(
            ["tfx", *command], cwd=checkout, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (version,) = (folder / "served" / "other").iterdir()
    verify(version)
