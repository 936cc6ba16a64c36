"""Ingestion counts, as printed during a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.engines.local import Output


def data_report(outputs: Mapping[str, "Output"]) -> tuple[list[str], list[str]]:
    """Lines and warnings of the report beside the examples that a component wrote or found in the cache.

    Args:
      outputs: output -> artifact.

    Returns:
      Both empty for a component that reads no tables.
    """
    from components.ingestion.files.report import describe_report, has_report, read_report
    from components.ingestion.read.warnings import warnings_of

    examples = outputs.get("examples")
    if examples is None or not has_report(examples.uri):
        return [], []
    report = read_report(examples.uri)
    return describe_report(report).splitlines() if report.tables else [], warnings_of(report)
