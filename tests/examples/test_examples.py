"""The example programs, one after the other as their README tells: each uses what those before it left."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.records.history import find_runs
from serving.bundle.version_folders import find_versions
from serving.server import Server
from tests.serving.running_server import POLL

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = ("training.max_steps=20", "training.evaluate_every=10", "training.num_negatives=50", "training.batch_size=32",
         "model.dimension=16", "model.temperature=0.1", "transform.max_history=10", "index.kind=exact",
         "serving.validation_users=4", "evaluation.baseline=false")  # fmt: skip
PROGRAMS = ("train_on_csv.py", "add_a_model.py")
IN_ONE_PROCESS = """
import runpy, sys
folder, *programs = sys.argv[1:]
for program in programs:
    sys.argv = [program, *{small!r}]
    runpy.run_path(f"{{folder}}/{{program}}", run_name="__main__")
"""
"""As a notebook would: TensorFlow and TFX are imported once, which takes as long as the training."""
USER = ["i0", "i5", "i1", "i6"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clone")


@pytest.fixture(scope="module")
def trained(folder):
    """What the programs that train print."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, "-c", IN_ONE_PROCESS.format(small=SMALL), str(EXAMPLES), *PROGRAMS]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(folder, trained):
    with Server(folder / "served", poll_seconds=POLL, model_config_poll_seconds=POLL) as running:
        running.wait_until_available()
        yield f"127.0.0.1:{running.port}"


def _program(name):
    return importlib.import_module(f"examples.{name}")


def _versions(folder):
    return sorted(find_versions(folder / "served" / "example"))


def test_train_on_a_csv(trained, folder):
    record, _ = find_runs(folder / "runs").runs.values()
    recall = record.metrics["recall_at_50"]
    assert f"shrinkage: Recall@50 {recall.value:.4f}, popularity {recall.popularity:.4f}" in trained
    assert record.data["InteractionExampleGen"].rows["interactions"] == 8_000
    version, _ = _versions(folder)
    assert f"(version {version})" in trained


def test_add_a_model(trained, folder):
    first, second = find_runs(folder / "runs").runs.values()
    assert (second.model, second.outcome, second.config["model"]["num_interests"]) == ("gru4rec", "pushed", 1)
    assert f"gru4rec: Recall@50 {second.metrics['recall_at_50'].value:.4f}" in trained
    states = {step.name: step.state for step in second.steps}
    assert states["Transform"] == "cached" and states["Trainer"] == "done"
    keys = first.code.components, second.code.components
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"Trainer"}
    assert len(_versions(folder)) == 2


def test_ask_a_server(server, capsys):
    _program("ask_a_server").main(server)
    said = capsys.readouterr().out
    assert f"After {', '.join(USER)}:" in said and "(popular items: True)" in said
    assert said.count("because of") == 5


def test_filters_and_diversity(server, capsys):
    found = _program("filters_and_diversity").main(server)
    assert all(len(set(items)) == 5 and not set(items) & set(USER) for items in found.values())

    def category(item):
        return int(item[1:]) % 5

    assert {category(item) for item in found["only category=interest1"]} == {1}
    assert 1 not in {category(item) for item in found["no category=interest1"]}
    best, rest = found["best scores"], found["without the best item"]
    assert rest[:4] == best[1:] and best[0] not in rest
    assert {category(item) for item in found["as varied as possible"]} == {0, 1, 2, 3, 4}
    _program("filters_and_diversity").main(server, "example", "nothing")
    assert "no item has category=nothing" in capsys.readouterr().out


def test_roll_out(server, folder, capsys):
    older, newer = _versions(folder)
    _program("roll_out").main(server, "example", str(folder / "served"))
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "of 10 items" not in line and "loading" not in line] == [
        f"example: version {older} is stable; from now on what is pushed becomes the canary.",
        f"example: version {newer} is the canary; {older} is stable.",
        f"example: version {newer} is stable; before it was {older}.",
        f"example: version {older} is stable again; {newer} is not.",
    ]


def test_of_one_version_there_is_nothing_to_roll_out(tmp_path):
    with pytest.raises(ValueError, match="needs two versions and has 0: push"):
        _program("roll_out").main("127.0.0.1:1", "example", str(tmp_path))
