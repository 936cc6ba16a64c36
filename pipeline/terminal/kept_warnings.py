"""Warnings of a component beside what it wrote, for runs that take it from the cache."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.engines.local import Output

FILE_NAME = "warnings.json"


def keep_warnings(outputs: "Mapping[str, Output]", warnings: Sequence[str]) -> None:
    """Writes the warnings of a component that has just ended; nothing where it gave none or has no output.

    Args:
      outputs: output -> artifact.
      warnings: sentences.

    Raises:
      InputError: the disk is full.
    """
    from components.ingestion.files.storage import full_disk_in_words, write_text

    if outputs and warnings:
        file = _file(outputs)
        with full_disk_in_words(os.path.dirname(file)):
            write_text(file, json.dumps(list(warnings), indent=1))


def kept_warnings(outputs: "Mapping[str, Output]") -> list[str]:
    """The warnings of the component when it wrote these outputs."""
    from components.ingestion.files.storage import exists, read_text

    if not outputs or not exists(_file(outputs)):
        return []
    found: list[str] = json.loads(read_text(_file(outputs)))
    return found


def _file(outputs: "Mapping[str, Output]") -> str:
    return os.path.join(outputs[max(outputs)].uri, FILE_NAME)  # of the Trainer's two the run's, not the model's
