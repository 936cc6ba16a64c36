"""What ingestion read, dropped and wrote: counted on the workers, merged, kept beside the examples."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from components.ingestion.storage import read_text, write_text

FILE_NAME = "ingestion_report.json"
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
    """The rows of one table: how many were read, how many dropped for which reason, and the first of those."""

    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: list[BadRow] = field(default_factory=list)

    @property
    def bad_rows(self) -> int:
        """All dropped rows."""
        return sum(self.bad.values())

    def add(self, other: "TableReport") -> None:
        """Adds the counts of ``other``; of the bad rows the first by file and number stay."""
        self.rows += other.rows
        self.bad.update(other.bad)
        self.first_bad = sorted(self.first_bad + other.first_bad)[:_FIRST]


@dataclass
class Report:
    """The whole of one ingestion.

    Attributes:
      tables: "interactions", "users" or "items" -> what was read.
      counts: users, items, interactions and duplicates by what became of them.
      examples: split -> examples written.
      targets: split -> items to predict in them.
      labels: of an impression log, "train click counted" -> examples of the split in which the task's label counts, and
        "train click positive" -> those in which it is positive.
      failures: why a file could not be read or written, in words. Any one stops the run.
    """

    tables: dict[str, TableReport] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
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
        self.examples.update(other.examples)
        self.targets.update(other.targets)
        self.labels.update(other.labels)
        self.failures = sorted(set(self.failures + other.failures))

    def to_json(self) -> str:
        """Text that ``from_json`` reads."""
        tables = {
            name: {"rows": table.rows, "bad": dict(table.bad), "first_bad": [asdict(row) for row in table.first_bad]}
            for name, table in self.tables.items()
        }
        numbers = {
            "counts": self.counts,
            "examples": self.examples,
            "targets": self.targets,
            "labels": self.labels,
        }
        return json.dumps({"format": 1, "tables": tables, **numbers, "failures": self.failures}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that ``to_json`` wrote."""
        raw: dict[str, Any] = json.loads(text)
        tables = {
            name: TableReport(t["rows"], Counter(t["bad"]), [BadRow(**row) for row in t["first_bad"]])
            for name, t in raw["tables"].items()
        }
        return cls(
            tables,
            Counter(raw["counts"]),
            Counter(raw["examples"]),
            Counter(raw["targets"]),
            Counter(raw["labels"]),
            list(raw["failures"]),
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


def read_report(directory: str) -> Report:
    """Reads the report of an Examples artifact.

    Args:
      directory: the artifact's uri.
    """
    return Report.from_json(read_text(os.path.join(directory, FILE_NAME)))


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def describe_report(report: Report) -> str:
    """The report as a few lines for a person: what was read, dropped and why, kept, written."""
    lines = []
    for name, table in report.tables.items():
        lines.append(f"{name}: {_number(table.rows, 'row')} read, {table.bad_rows:,} dropped")
        lines += [f"  {count:,} x {reason}" for reason, count in sorted(table.bad.items())]
        lines += [f"  e.g. {row}" for row in table.first_bad]
    counts = report.counts
    if "users" in counts:
        lines.append(
            f"kept: {counts['interactions_kept']:,} interactions of {_number(counts['users_kept'], 'user')} "
            f"(of {counts['users']:,}) with {_number(counts['items_kept'], 'item')} (of {counts['items']:,})"
        )
    if counts["log_items_looked_up"]:
        lines.append(
            f"items at the head of the log that the catalogue lacks: {counts['log_items_not_in_catalogue']:,} of "
            f"{counts['log_items_looked_up']:,}"
        )
    for kind in ("item", "user"):
        if counts[f"duplicate_{kind}_rows"]:
            lines.append(
                f"{kind} rows that repeat an id, of which the first was kept: {counts[f'duplicate_{kind}_rows']:,}"
            )
    if "users_with_profile" in counts:
        lines.append(f"users with a row in the users' table: {counts['users_with_profile']:,}")
    if counts["users_too_short"]:
        lines.append(f"users too short for the split: {counts['users_too_short']:,}")
    if counts["far_future_times"]:
        lines.append(
            f"note: {counts['far_future_times']:,} times lie beyond the year 5000 when read as seconds; "
            "are they milliseconds? Divide them by 1000."
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
