"""Runs of made-up components, however they end."""

import io
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from components.ingestion.files.report import Report, TableReport, write_report
from pipeline.config.run import load
from pipeline.engines.local import Output
from pipeline.records import environment, recorder
from pipeline.records.record import Gate, Metric, read
from pipeline.records.recorder import Recorder
from trainer.errors import GateRefused, InputError

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def config():
    return load("comirec_sa", ["training.seed=7", "pipeline.name=shop"])


class Run:
    """A run whose components are calls."""

    def __init__(self, config, folder: Path) -> None:
        self.recorder, self.said = Recorder(config, folder), io.StringIO()

    def __call__(self, *steps) -> None:
        with self.recorder.recording(Console(file=self.said, width=300)):
            for number, (name, work) in enumerate(steps, 1):
                self.recorder.started(name, number, len(steps))
                outputs = work() or {}
                self.recorder.finished(name, 1.0, name == "Cached", outputs)
            self.recorder.add(pushed="/served/1", metrics={"recall_at_50": Metric(title="Recall@50", value=0.5)})

    def record(self):
        return read(self.recorder.file)


def fail(error):
    def work():
        raise error

    return work


def test_a_run_to_the_end(config, tmp_path):
    def ingest():
        report = Report(tables={"interactions": TableReport(rows=10)})
        report.counts["rows_that_repeat"] = 3
        report.examples["train"], report.targets["train"] = 4, 5
        write_report(report, str(tmp_path))
        return {"examples": Output(str(tmp_path), {"input_fingerprint": "interactions:a"})}

    held = []
    run = Run(config, tmp_path)
    run.recorder.add_code({"Trainer": "ab"})
    run(
        ("InteractionExampleGen", ingest),
        ("DataGate", lambda: None),
        ("Trainer", lambda: held.append(np.ones(400 * MEGABYTE // 8))),
        ("Cached", held.clear),
        ("Pusher", lambda: None),
    )
    record = run.record()
    assert record == run.recorder.record
    assert (record.outcome, record.exit_code, record.reason, record.pushed) == ("pushed", 0, "", "/served/1")
    assert (record.pipeline, record.model, record.seed) == ("shop", "comirec_sa", 7)
    assert record.config["training"]["seed"] == 7
    assert record.metrics["recall_at_50"].value == 0.5
    data = record.data["InteractionExampleGen"]
    assert (data.fingerprint, data.rows, data.used) == ("interactions:a", {"interactions": 10}, {"interactions": 7})
    assert (data.examples, data.targets) == ({"train": 4}, {"train": 5})
    assert record.gates == [Gate(name="DataGate", passed=True)]
    assert [(step.name, step.state) for step in record.steps] == [
        ("InteractionExampleGen", "done"),
        ("DataGate", "done"),
        ("Trainer", "done"),
        ("Cached", "cached"),
        ("Pusher", "done"),
    ]
    assert record.code.components == {"Trainer": "ab"}
    assert record.packages["tensorflow"] == metadata.version("tensorflow")
    assert {"scann", "numpy", "tfx", "tf-keras", "apache-beam"} <= record.packages.keys()
    assert f"Record: {run.recorder.file}" in run.said.getvalue()
    assert run.recorder.log.stem == record.id == run.recorder.file.parent.name


def test_the_memory_of_a_step_is_that_of_the_step(config, tmp_path):
    held = []
    run = Run(config, tmp_path)
    # Filled with ones: memory that was never written to is not held.
    run(("Before", lambda: None), ("Large", lambda: held.append(np.ones(400 * MEGABYTE // 8))),
        ("Cached", held.clear), ("After", lambda: None))  # fmt: skip
    before, large, _, after = (step.peak_memory_bytes for step in run.record().steps)
    assert before is not None
    assert 380 * MEGABYTE < large - before < 600 * MEGABYTE
    assert large - after > 300 * MEGABYTE
    # A run may hold a little more between its steps.
    assert large <= run.record().peak_memory_bytes < large + 50 * MEGABYTE


@pytest.mark.parametrize(
    ("error", "outcome", "code", "reason"),
    [
        (GateRefused("anomalies"), "refused", 4, "anomalies"),
        (InputError("no such column"), "wrong input", 2, "no such column"),
        (KeyError("bug"), "failed", 1, "KeyError: 'bug'"),
        (KeyboardInterrupt(), "interrupted", 130, ""),
    ],
)
def test_a_run_that_ends_early_leaves_a_record_and_its_error(config, tmp_path, error, outcome, code, reason):
    run = Run(config, tmp_path)
    with pytest.raises(type(error)):
        run(("SchemaGen", lambda: None), ("DataGate", fail(error)), ("Transform", lambda: None))
    record = run.record()
    assert (record.outcome, record.exit_code, record.reason) == (outcome, code, reason)
    assert [(step.name, step.state) for step in record.steps] == [("SchemaGen", "done"), ("DataGate", "failed")]
    assert record.gates == ([Gate(name="DataGate", passed=False, reasons=[reason])] if outcome == "refused" else [])
    assert record.pushed is None and record.metrics == {}


def test_a_record_that_cannot_be_written_is_told_and_changes_nothing(config, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "write", full)
    run = Run(config, tmp_path)
    run(("Pusher", lambda: None))
    assert "could not be written: No space left on device" in run.said.getvalue()
    run = Run(config, tmp_path)
    with pytest.raises(GateRefused, match="too low"):
        run(("DataGate", fail(GateRefused("too low"))))


def test_the_commit_is_that_of_the_checkout(tmp_path):
    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", "-C", tmp_path, *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "model.py").write_text("A = 1\n")
    code = environment.code(tmp_path)
    assert (code.commit, code.modified) == (None, None)
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    code = environment.code(tmp_path)
    assert (code.commit, code.modified, code.version) == (git("rev-parse", "HEAD"), False, metadata.version("polyrec"))
    (tmp_path / "trainer" / "model.py").write_text("A = 2\n")
    assert environment.code(tmp_path).modified is True
    # A repository around an installed package says nothing of it.
    (tmp_path / "site-packages").mkdir()
    assert environment.code(tmp_path / "site-packages").commit is None
