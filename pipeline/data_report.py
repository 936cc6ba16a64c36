"""What a component that reads tables counted, for the console and the record of a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.runs.record import Data

if TYPE_CHECKING:
    from pipeline.local_engine import Output


def data_report(outputs: Mapping[str, "Output"]) -> tuple[list[str], list[str]]:
    """Lines and warnings of the report beside the examples that a component wrote or found in the cache.

    Args:
      outputs: output -> artifact.

    Returns:
      Both empty for a component that reads no tables.
    """
    from components.ingestion.report import describe_report, has_report, read_report
    from components.ingestion.warnings import warnings_of

    examples = outputs.get("examples")
    if examples is None or not has_report(examples.uri):
        return [], []
    report = read_report(examples.uri)
    return describe_report(report).splitlines() if report.tables else [], warnings_of(report)


def data_counts(outputs: Mapping[str, "Output"]) -> Data | None:
    """The counts of that report, with the fingerprint of the tables.

    Args:
      outputs: output -> artifact.

    Returns:
      None for a component that reads no tables.
    """
    from components.ingestion.report import has_report, read_report, rows_used

    examples = outputs.get("examples")
    if examples is None or not has_report(examples.uri):
        return None
    report = read_report(examples.uri)
    fingerprint = examples.properties.get("input_fingerprint")
    return Data(
        fingerprint=None if fingerprint is None else str(fingerprint),
        rows={name: table.rows for name, table in report.tables.items()},
        used={name: rows_used(report, name) for name in report.tables},
        counts=dict(report.counts),
        examples=dict(report.examples),
        targets=dict(report.targets),
    )
