"""Finds the records below a folder and compares two runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.records.record import FILE, RECORDS, Data, RunRecord, UnreadableRecord, read
from trainer.errors import InputError

Difference = tuple[str, Any, Any]
"""Name, and the value in either run; None where there is none."""


@dataclass(frozen=True)
class History:
    """Records below a folder.

    Attributes:
      runs: file -> record, the oldest first.
      unreadable: why others could not be read.
    """

    runs: Mapping[Path, RunRecord]
    unreadable: list[str]


def find_runs(root: Path) -> History:
    """Reads the records below a folder.

    Args:
      root: ``pipeline.root``, or the folder of one pipeline.

    Raises:
      InputError: there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder. Give the folder of runs (pipeline.root), or of one pipeline.")
    runs, unreadable = {}, []
    for file in _files(root):
        try:
            runs[file] = read(file)
        except UnreadableRecord as error:
            unreadable.append(str(error))
    return History(dict(sorted(runs.items(), key=lambda run: run[1].started)), unreadable)


def find_run(root: Path, wanted: str) -> RunRecord:
    """The record of one run.

    Args:
      root: see :func:`find_runs`.
      wanted: the run's id, NAME/ID where several pipelines have it, or the path of its record or folder.

    Raises:
      InputError: there is no such run, or more than one.
    """
    path = Path(wanted)
    if path.exists():
        try:
            return read(path / FILE if path.is_dir() else path)
        except UnreadableRecord as error:
            raise InputError(f"{error}. Give a run of polyrec runs {root}.") from error
    history = find_runs(root)
    found = [run for run in history.runs.values() if wanted in (run.id, f"{run.pipeline}/{run.id}")]
    if len(found) > 1:
        names = ", ".join(f"{run.pipeline}/{run.id}" for run in found)
        raise InputError(f"{wanted} is the id of several runs. Give one of: {names}.")
    if not found:
        skipped = f" {len(history.unreadable)} records could not be read." if history.unreadable else ""
        raise InputError(f"There is no run {wanted} below {root}: see polyrec runs {root}.{skipped}")
    return found[0]


def setting_differences(one: RunRecord, two: RunRecord) -> list[Difference]:
    """Settings that differ, by their keys in the configuration."""
    return _differences(dict(_flat(one.config)), dict(_flat(two.config)))


def environment_differences(one: RunRecord, two: RunRecord) -> list[Difference]:
    """What differs in code, packages, machine and data."""
    return _differences(_environment(one), _environment(two))


def metric_differences(one: RunRecord, two: RunRecord) -> list[Difference]:
    """Metrics that differ or that one run lacks, of the models; with the standard error of neither."""
    values = [{name: metric.value for name, metric in run.metrics.items()} for run in (one, two)]
    return _differences(*values)


def same_test_data(one: RunRecord, two: RunRecord) -> bool:
    """Whether the metrics of both are means over the same users, as far as counts and fingerprints tell."""
    return one.data == two.data and one.test_examples == two.test_examples


def _files(root: Path) -> Iterator[Path]:
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        yield from sorted((folder / RECORDS).glob(f"[0-9]*/{FILE}"))


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _environment(run: RunRecord) -> dict[str, Any]:
    code = run.code
    commit = code.commit and code.commit[:12] + (" and changes" if code.modified else "")
    found: dict[str, Any] = {"polyrec": code.version, "commit": commit, "python": run.python, "machine": run.machine}
    found |= {f"code of {name}": key for name, key in code.components.items()}
    found |= run.packages
    for name, data in run.data.items():
        found |= {f"{name} {what}": value for what, value in _flat(_counts(data))}
    return found


def _counts(data: Data) -> dict[str, Any]:
    return {"tables": data.fingerprint, **data.model_dump(include={"rows", "used", "examples", "targets"})}


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[Difference]:
    names = [*one, *(name for name in two if name not in one)]
    return [(name, one.get(name), two.get(name)) for name in names if one.get(name) != two.get(name)]
