"""Small impression logs for the tests of ingestion."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingestion.cut.hashing import SPLITS, hash_strings, split_of
from components.settings import DataSettings, SplitSettings
from tests.components.ingestion.helpers import EVERYTHING, examples

CLICK = {"click": {"column": "click"}}
CHAIN = {**CLICK, "conversion": {"column": "rating", "at_least": 4, "among": "click"}}
LEAVE_ONE = {"split": {"method": "leave_last_out"}}

Row = tuple[str, str, int, Any, Any]  # user, item, time, click, rating


def write_impressions(path: Path, rows: list[Row], names: str = "user_id item_id timestamp click rating") -> Path:
    columns = [list(column) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(dict(zip(names.split(), columns, strict=True))), path)
    return path


def write_tags(path: Path, tags: dict[str, list[str] | None]) -> Path:
    """An item table, item -> tags."""
    values = pa.array(list(tags.values()), pa.list_(pa.string()))
    pq.write_table(pa.table({"item_id": list(tags), "tags": values}), path)
    return path


def impressions_of(directory: Path, rows: list[Row], **values: Any) -> DataSettings:
    """Writes a log and a table of items with a tag each, and returns settings that keep all of it."""
    write_impressions(directory / "log.parquet", rows)
    write_tags(directory / "items.parquet", {item: [f"tag-{item}"] for item in {row[1] for row in rows}})
    return settings_of(directory, **values)


def settings_of(directory: Path, **values: Any) -> DataSettings:
    return DataSettings.model_validate(
        {
            "directory": str(directory),
            "interactions": "log.parquet",
            "items": "items.parquet",
            "item_columns": {"tags": "tags"},
            "labels": CHAIN,
            **EVERYTHING,
            "min_history": 0,
            **values,
        }
    )


def users_in(split: str, count: int = 1) -> list[str]:
    """The first names u0, u1, ... that the default split puts into ``split``."""
    names = [f"u{number}" for number in range(400)]
    drawn = split_of(hash_strings(pa.array(names)), SplitSettings())
    return [name for name, place in zip(names, drawn, strict=True) if SPLITS[place] == split][:count]


def filler(split: str, count: int = 2) -> list[Row]:
    """Rows of users of another split, so that no split is empty and no label always the same."""
    rows: list[Row] = []
    for user in users_in(split, count + 1)[1:]:
        rows += [(user, "a", 1, True, 5.0), (user, "b", 2, True, 1.0), (user, "c", 3, False, 0.0)]
    return rows


def impressions(directory: Path, split: str) -> list[dict[str, Any]]:
    """The examples of a split with one impression each: those of a run share all but item, labels and weights."""
    aligned = ("item", "label_", "weight_")
    return [
        {name: [value[place]] if name.startswith(aligned) else value for name, value in example.items()}
        for example in examples(directory, split)
        for place in range(len(example["item"]))
    ]
