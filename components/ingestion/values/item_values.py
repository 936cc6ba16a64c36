"""Checks of whole item columns: constant columns, and lists written as text."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.values.columns import as_mask
from components.settings import ItemColumns
from trainer.data import schema

_SEPARATORS = ("|", ";")
_HALF = 0.5


@dataclass
class _Seen:
    """The values of one column so far."""

    rows: int = 0
    filled: int = 0
    values: int = 0
    different: set[str] = field(default_factory=set)  # two at most: enough to know whether they differ
    like_lists: int = 0
    with_mark: Counter[str] = field(default_factory=Counter)


class ItemValues:
    """Collects what the columns of categories, tags and attributes hold.

    Args:
      columns: of the items' table.
    """

    def __init__(self, columns: ItemColumns) -> None:
        self._names = {
            role: (key, name)
            for role, key, name in (
                (schema.CATEGORY, "category", columns.category),
                (schema.TAGS, "tag", columns.tags),
                *((f"{schema.ATTRIBUTES}.{name}", "attribute", name) for name in columns.attributes),
            )
            if name is not None
        }
        self._separators = {
            "category": columns.category_separator,
            "tag": columns.tag_separator,
            "attribute": columns.attribute_separator,
        }
        self._seen = {role: _Seen() for role in self._names}

    def add(self, role: str, lists: pa.Array) -> None:
        """Looks at the lists [rows] of one column; another role than those above says nothing."""
        if role not in self._seen:
            return
        seen, values = self._seen[role], lists.flatten()
        seen.rows += len(lists)
        seen.filled += int(np.sum(np.asarray(pc.list_value_length(lists)) > 0))
        seen.values += len(values)
        if len(seen.different) < 2:
            seen.different.update(values.unique()[:2].to_pylist())
        seen.like_lists += int(np.sum(as_mask(pc.match_substring_regex(values, r"^\s*[\[({].*[\])}]\s*$"))))
        for mark in _SEPARATORS:
            seen.with_mark[mark] += int(np.sum(as_mask(pc.match_substring(values, mark))))

    def warnings(self) -> list[str]:
        """What is probably not meant, a sentence a column."""
        found = []
        for role, (key, name) in self._names.items():
            seen = self._seen[role]
            column = f"items: column {name!r} ({key})"
            if not seen.rows:
                continue
            if not seen.filled:
                found.append(f"{column} is empty in all {seen.rows:,} rows.")
            elif seen.like_lists > _HALF * seen.values:
                found.append(
                    f"{column} holds text such as {min(seen.different)!r}, which looks like a list and is read as one "
                    f"value. Write lists in Parquet, or text such as a|b with data.item_columns.{key}_separator."
                )
            elif self._separators[key] is None and (mark := _mark(seen)) is not None:
                found.append(
                    f"{column} has {mark!r} in {seen.with_mark[mark]:,} of {seen.values:,} values, each read as one "
                    f"value. Set data.item_columns.{key}_separator to {mark!r} if it divides them."
                )
            elif len(seen.different) == 1 and seen.rows > 1 and seen.filled == seen.rows:
                only = min(seen.different)
                found.append(f"{column} holds {only!r} in all {seen.rows:,} rows: it tells no items apart.")
        return found


def _mark(seen: _Seen) -> str | None:
    """The separator that stands in more than half of the values."""
    return next((mark for mark in _SEPARATORS if seen.with_mark[mark] > _HALF * seen.values), None)
