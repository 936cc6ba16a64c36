"""The record of a run: ROOT/NAME/records/ID/run.json."""

import datetime
import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from pipeline.records.outcome import Outcome
from trainer.settings import first_problem

FORMAT = 1
RECORDS = "records"
FILE = "run.json"

_ID = re.compile(r"\d{8}-\d{6}(-\d+)?")


class _Part(BaseModel):
    """Read leniently: what a later version of the same format adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Code(_Part):
    """The code of a run.

    Attributes:
      version: of the package polyrec.
      commit: of the checkout the code lies in; None without one.
      modified: whether tracked files of the packages differ from that commit.
      components: component -> key of the code it runs (:mod:`pipeline.graph.component_code`).
    """

    version: str
    commit: str | None = None
    modified: bool | None = None
    components: dict[str, str] = {}


class Data(_Part):
    """What a component read.

    Attributes:
      fingerprint: of the content of the tables, ``table:hash`` each.
      rows: table -> rows read.
      used: table -> rows read and not dropped.
      counts: users, items and interactions by what became of them.
      examples: split -> examples written.
      targets: split -> items to predict in them.
    """

    fingerprint: str | None = None
    rows: dict[str, int]
    used: dict[str, int]
    counts: dict[str, int]
    examples: dict[str, int]
    targets: dict[str, int]


class Metric(_Part):
    """A metric on the test split: a mean over users or, without an error, a number of all of them together.

    Attributes:
      title: as tables print it.
      value: of the model.
      popularity: of the popularity ranking.
      baseline: of the baseline trained on the same data.
      difference: model minus baseline, paired by user where it is a mean.
      error: standard error of the difference.
      users: who have a value, or are measured together.
      blessed_before: of the model that was blessed last.
    """

    title: str
    value: float | None = None
    popularity: float | None = None
    baseline: float | None = None
    difference: float | None = None
    error: float | None = None
    users: int | None = None
    blessed_before: float | None = None


class Gate(_Part):
    """The verdict of a gate.

    Attributes:
      name: component.
      passed: whether it let the run go on, or the model be pushed.
      reasons: why not.
    """

    name: str
    passed: bool
    reasons: list[str] = []


class Step(_Part):
    """A component of a run.

    Attributes:
      name: component.
      state: ``cached``: an earlier result was taken.
      seconds: by the clock.
      cpu_seconds: of this process and of those it waited for; None on a cluster.
      peak_memory_bytes: the most memory that this process held during the step; None where the system does not tell.
    """

    name: str
    state: Literal["done", "cached", "failed"]
    seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None


class RunRecord(_Part):
    """A run, however it ended.

    Attributes:
      format: number of this schema.
      id: when the run began, local time; name of its folder and of its log.
      pipeline: ``pipeline.name``.
      model: ``model.name``.
      started, ended: with time zone.
      outcome: how it ended.
      exit_code: of the command.
      reason: why nothing was pushed; empty if something was.
      config: all settings, paths absolute.
      seed: ``training.seed``.
      code: what ran.
      packages: distribution -> version, of those that polyrec asks for.
      python, machine: what it ran on.
      cluster_run: id of the run on Kubeflow; None on this machine. Packages and Python are then those of the image, and
        not known here.
      data: component -> what it read.
      test_examples: users, or impressions, that metrics are means over.
      baseline: name of the baseline, if one was trained.
      headline: the metric to look at first.
      metrics: name -> metric.
      slices: users of a kind -> name -> metric.
      gates: in the order of the run, as far as it came.
      findings: in words.
      warnings: in words.
      trainings: reports of the trainings.
      pushed: version folder.
      examples: folder of the raw examples.
      log: log file.
      seconds, cpu_seconds, peak_memory_bytes: of the whole run; on a cluster, its time only.
      steps: in the order of the run, as far as it came.
    """

    format: Literal[1] = 1
    id: str
    pipeline: str
    model: str
    started: datetime.datetime
    ended: datetime.datetime
    outcome: Outcome
    exit_code: int
    reason: str = ""
    config: dict[str, Any]
    seed: int
    code: Code
    packages: dict[str, str]
    python: str
    machine: str
    cluster_run: str | None = None
    data: dict[str, Data] = {}
    test_examples: int | None = None
    baseline: str | None = None
    headline: str | None = None
    metrics: dict[str, Metric] = {}
    slices: dict[str, dict[str, Metric]] = {}
    gates: list[Gate] = []
    findings: list[str] = []
    warnings: list[str] = []
    trainings: list[dict[str, Any]] = []
    pushed: str | None = None
    examples: str | None = None
    log: str
    seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    steps: list[Step] = []

    @field_validator("config", "trainings", mode="before")
    @classmethod
    def _only_json(cls, value: Any) -> Any:
        return _finite(value)


class UnreadableRecord(ValueError):
    """A record that this version cannot read; the message says why."""


def free_id(folder: Path, begun: datetime.datetime) -> str:
    """An id that no run of the pipeline has: the local time, with a number behind it if that second is taken.

    Args:
      folder: of the pipeline, ROOT/NAME.
      begun: when the run began.
    """
    base = f"{begun:%Y%m%d-%H%M%S}"
    taken = [_order(path)[1] for path in (folder / RECORDS).glob(f"{base}*") if _ID.fullmatch(path.name)]
    return f"{base}-{max(taken) + 1}" if taken else base


def write(record: RunRecord, folder: Path, keep: int) -> Path:
    """Writes a record, whole or not at all, and removes the oldest ones beyond ``keep``.

    Args:
      record: of a run of the pipeline.
      folder: of the pipeline, ROOT/NAME.
      keep: number of records that stay, at least 1.

    Returns:
      the file.

    Raises:
      OSError: it cannot be written.
    """
    records = folder / RECORDS
    records.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=records) as scratch:
        new = Path(scratch) / record.id
        new.mkdir()
        (new / FILE).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.rename(new, records / record.id)
    known = sorted((path for path in records.iterdir() if _ID.fullmatch(path.name)), key=_order)
    for old in known[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return records / record.id / FILE


def read(path: Path) -> RunRecord:
    """Reads a record.

    Args:
      path: of ``run.json``.

    Raises:
      UnreadableRecord: the file cannot be read, is no record, or one of a later format.
    """
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UnreadableRecord(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise UnreadableRecord(f"{path}: not a record of format {FORMAT}: {first_problem(error)}") from error


def _finite(value: Any) -> Any:
    """The same value with words, such as ``inf``, for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _order(path: Path) -> tuple[str, int]:
    second, number = path.name[:15], path.name[16:]
    return second, int(number or 1)
