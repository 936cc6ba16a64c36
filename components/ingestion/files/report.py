"""Ingestion report: rows read, dropped and written, counted on the workers and merged."""

import datetime
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from components.ingestion.files.storage import exists, read_text, write_text
from components.ingestion.values.time_numbers import BILLION, FIRST_PLAUSIBLE, UNITS

FILE_NAME = "ingestion_report.json"
LARGEST_USER, FIRST_TIME, LAST_TIME = "largest_user", "first_time", "last_time"
"""The rows of the largest user (``Report.most``), the first (``least``) and last time (``most``) in nanoseconds."""
LARGEST_ITEM, KEPT_ITEM = "largest_item", "kept_item"
"""The rows of the largest item (``most``), and hashes of kept items (``least``, ``most``): equal for a single one."""

_FIRST = 5


@dataclass(order=True)
class BadRow:
    """One row that was dropped: its file, its number (data rows from 1, the header not counted), why."""

    file: str
    row: int
    reason: str
    value: str = ""

    def __str__(self) -> str:
        seen = f" ({self.value})" if self.value else ""
        return f"{self.file}, data row {self.row}: {self.reason}{seen}"


@dataclass
class TableReport:
    """The rows of one table.

    Attributes:
      rows: how many were read.
      bad: reason -> how many were dropped.
      first_bad: the first of them.
      notes: what is worth telling of the others, and of how many.
    """

    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: list[BadRow] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def bad_rows(self) -> int:
        """All dropped rows."""
        return sum(self.bad.values())

    def add(self, other: "TableReport") -> None:
        """Adds the counts of ``other``; of the bad rows the first by file and number stay."""
        self.rows += other.rows
        self.bad.update(other.bad)
        self.notes.update(other.notes)
        self.first_bad = sorted(self.first_bad + other.first_bad)[:_FIRST]


@dataclass
class Report:
    """The whole of one ingestion.

    Attributes:
      tables: "interactions", "users" or "items" -> what was read.
      counts: users, items, interactions and duplicates by what became of them.
      least: name -> the least of all workers' numbers.
      most: name -> the largest of them.
      examples: split -> examples written.
      targets: split -> items to predict in them.
      labels: of an impression log, "train click counted" -> examples of the split in which the task's label counts, and
        "train click positive" -> those in which it is positive.
      warnings: what workers found worth a warning, in words.
      failures: why a file could not be read or written, in words. Any one stops the run.
    """

    tables: dict[str, TableReport] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    least: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    examples: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def table(self, name: str) -> TableReport:
        """The report of one table, made when first asked for."""
        return self.tables.setdefault(name, TableReport())

    def count_label(self, split: str, task: str, positive: int, counted: int) -> None:
        """Adds to the examples of a split in which a task's label is positive, and in which it counts."""
        self.labels.update({f"{split} {task} positive": positive, f"{split} {task} counted": counted})

    def label(self, split: str, task: str) -> tuple[int, int]:
        """The examples of a split in which a task's label is positive, and in which it counts."""
        return self.labels[f"{split} {task} positive"], self.labels[f"{split} {task} counted"]

    def add(self, other: "Report") -> None:
        """Adds all counts of ``other``."""
        for name, table in other.tables.items():
            self.table(name).add(table)
        self.counts.update(other.counts)
        for extremes, others, choose in ((self.least, other.least, min), (self.most, other.most, max)):
            extremes.update({name: choose(number, extremes.get(name, number)) for name, number in others.items()})
        self.examples.update(other.examples)
        self.targets.update(other.targets)
        self.labels.update(other.labels)
        self.warnings = sorted(set(self.warnings + other.warnings))
        self.failures = sorted(set(self.failures + other.failures))

    def to_json(self) -> str:
        """Text that ``from_json`` reads."""
        tables = {
            name: {
                "rows": table.rows,
                "bad": dict(table.bad),
                "first_bad": [asdict(row) for row in table.first_bad],
                "notes": dict(table.notes),
            }
            for name, table in self.tables.items()
        }
        names = ("counts", "least", "most", "examples", "targets", "labels")
        numbers = {name: getattr(self, name) for name in names}
        words = {"warnings": self.warnings, "failures": self.failures}
        return json.dumps({"format": 2, "tables": tables, **numbers, **words}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that ``to_json`` wrote."""
        raw: dict[str, Any] = json.loads(text)
        tables = {
            name: TableReport(
                t["rows"], Counter(t["bad"]), [BadRow(**row) for row in t["first_bad"]], Counter(t["notes"])
            )
            for name, t in raw["tables"].items()
        }
        counts, examples, targets, labels = (Counter(raw[name]) for name in ("counts", "examples", "targets", "labels"))
        return cls(
            tables, counts, raw["least"], raw["most"], examples, targets, labels, raw["warnings"], raw["failures"]
        )


def merge_reports(reports: Iterable[Report]) -> Report:
    """The sum of ``reports``; an empty one for none."""
    total = Report()
    for report in reports:
        total.add(report)
    return total


def write_report(report: Report, directory: str) -> None:
    """Writes the report beside the splits of an Examples artifact, whole or not at all."""
    write_text(os.path.join(directory, FILE_NAME), report.to_json())


def has_report(directory: str) -> bool:
    """Whether there is a report in a folder, that of an artifact."""
    return exists(os.path.join(directory, FILE_NAME))


def read_report(directory: str) -> Report:
    """Reads the report of an Examples artifact.

    Args:
      directory: the artifact's uri.
    """
    return Report.from_json(read_text(os.path.join(directory, FILE_NAME)))


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


_DROPPED = {
    "rows_that_repeat": "repeats of the same user and item (data.drop_repeats_within)",
    "rows_of_rare_items": "rows of items with fewer than data.min_item_count",
    "rows_of_rare_users": "rows of users with fewer than data.min_user_count",
    "rows_beyond_the_latest": "rows of users with more than data.max_user_events, of which the latest are kept",
    "duplicate_item_rows": "item rows that repeat an id, of which the first was kept",
    "duplicate_user_rows": "user rows that repeat an id, of which the first was kept",
}
_OF_TABLE = {
    "interactions": tuple(_DROPPED)[:4],
    "items": ("duplicate_item_rows",),
    "users": ("duplicate_user_rows",),
}


def rows_used(report: Report, table: str) -> int:
    """The rows of a table that were read and not dropped."""
    dropped = sum(report.counts[name] for name in _OF_TABLE[table])
    return report.table(table).rows - report.table(table).bad_rows - dropped


def describe_report(report: Report) -> str:
    """The report as a few lines for a person: what was read, dropped and why, kept, written."""
    lines = []
    for name, table in report.tables.items():
        used = rows_used(report, name)
        lines.append(f"{name}: {_number(table.rows, 'row')} read, {used:,} used, {table.rows - used:,} dropped")
        lines += [f"  {count:,} x {reason}" for reason, count in sorted(table.bad.items())]
        lines += [f"  {_DROPPED[key]}: {report.counts[key]:,}" for key in _OF_TABLE[name] if report.counts[key]]
        lines += [f"  e.g. {row}" for row in table.first_bad]
        lines += [f"  note: {count:,} x {note}" for note, count in sorted(table.notes.items())]
    counts = report.counts
    if "users" in counts:
        share = report.most.get(LARGEST_USER, 0) / max(1, report.table("interactions").rows)
        lines.append(
            f"kept: {counts['interactions_kept']:,} interactions of {_number(counts['users_kept'], 'user')} "
            f"(of {counts['users']:,}) with {_number(counts['items_kept'], 'item')} (of {counts['items']:,}); "
            f"the largest user has {share:.1%} of the rows"
        )
    lines += _times(report)
    if counts["log_rows_looked_up"]:
        found = counts["log_rows_looked_up"] - counts["log_rows_not_in_catalogue"]
        lines.append(
            f"interactions whose item the table has: {found / counts['log_rows_looked_up']:.1%}; items of the log that "
            f"the catalogue lacks: {counts['log_items_not_in_catalogue']:,} of {counts['log_items_looked_up']:,}"
        )
    for kind in ("user", "item"):
        if counts[f"{kind}s_that_look_alike"]:
            lines.append(
                f"note: {counts[f'{kind}s_that_look_alike']:,} {kind} ids differ from another in case or blanks only"
            )
    if "users_with_profile" in counts:
        lines.append(
            f"users with a row in the users' table: {counts['users_with_profile']:,} of {counts['users_kept']:,}, "
            f"{counts['users_with_profile'] / max(1, counts['users_kept']):.1%}"
        )
    if counts["users_too_short"]:
        lines.append(
            f"users too short for the split: {counts['users_too_short']:,}, with "
            f"{_number(counts['interactions_of_short_users'], 'interaction')}"
        )
    lines += _impressions(counts)
    for split, number in report.examples.items():
        extra = f", {_number(report.targets[split], 'target')}" if report.targets[split] else ""
        lines.append(f"{split}: {_number(number, 'example')}{extra}")
        for task in [
            key.split()[1] for key in report.labels if key.startswith(f"{split} ") and key.endswith("counted")
        ]:
            positive, counted = report.label(split, task)
            lines.append(f"  {task}: {positive:,} positive of {counted:,} that count")
    return "\n".join(lines)


def _times(report: Report) -> list[str]:
    """From when to when the log is, and how its times were read."""
    counts = report.counts
    if FIRST_TIME not in report.least or LAST_TIME not in report.most:
        return []
    first, last = report.least[FIRST_TIME], report.most[LAST_TIME]
    kinds = [words for kind, words in UNITS.items() if counts[f"times_{kind}"]]
    if counts["times_dated"]:
        kinds.append("dates")
    if counts["times_small"] or counts["times_zero"]:
        kinds.append("positions or seconds since 1970")
    positions = last < FIRST_PLAUSIBLE * BILLION and not counts["times_dated"] and not counts["times_s"]
    span = f"{first / BILLION:,g} to {last / BILLION:,g}" if positions else f"{day(first)} to {day(last)}"
    tied = counts["tied"] / max(1, counts["interactions_kept"])
    return [f"times: {span}, read as {' and '.join(kinds)}; {tied:.1%} of the interactions tie with the one before"]


def day(nanoseconds: int) -> str:
    """A time as a date, or in seconds where there is none."""
    seconds = nanoseconds // BILLION
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:,} s"


def _impressions(counts: Counter[str]) -> list[str]:
    """What became of the rows of an impression log, and the tags of its items."""
    lines = []
    if counts["impressions"]:
        sampled = counts["sampled_impressions"]
        lines.append(
            f"impressions: {counts['impressions']:,} of the log"
            f"{f', {sampled:,} sampled' if sampled else ''}; {counts['impressions_too_early']:,} left out for too "
            "short a history"
        )
    if counts["sampled_impressions_missing"]:
        lines.append(
            f"impressions that could not be sampled, for users who know every item: "
            f"{counts['sampled_impressions_missing']:,}"
        )
    if counts["items_without_tags"]:
        lines.append(f"items without a tag: {counts['items_without_tags']:,}")
    return lines
