"""Filterable attributes of items: categories and columns of the item table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.data.spelling import spelled_entry
from trainer.errors import InputError

MOST_VALUES = 64
"""An item has at most so many values of all attributes: a row of the table of all items is as wide as the widest."""
MOST_ATTRIBUTES = 62
"""Each is a bit of an integer of 64."""


@dataclass(frozen=True)
class ItemAttributes:
    """The attributes of N items.

    Attributes:
      names: G attributes.
      values: V texts ``name=value``, all different, each value in its one spelling (trainer/data/spelling.py).
      rows: int32 [N, A], 1 + number of each value that an item has, 0 is padding.
    """

    names: Sequence[bytes]
    values: Sequence[bytes]
    rows: npt.NDArray[np.int32]

    def having(self, value: bytes) -> npt.NDArray[np.bool_]:
        """Which items have a value: bool [N]."""
        return np.asarray((self.rows == list(self.values).index(value) + 1).any(axis=1))

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many items have each value: int64 [V]; 0 of one whose items were all removed."""
        return np.bincount(self.rows.ravel(), minlength=len(self.values) + 1)[1:]

    def with_one_spelling(self) -> "ItemAttributes":
        """The same with every value in its one spelling: values that are then the same become one."""
        spelled = [spelled_entry(value) for value in self.values]
        if spelled == list(self.values):
            return self
        number_of = {value: number for number, value in enumerate(dict.fromkeys(spelled), start=1)}
        rows = np.array([0, *(number_of[value] for value in spelled)], np.int32)[self.rows]
        rows = -np.sort(-rows, axis=1)
        rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = 0
        return replace(self, values=list(number_of), rows=rows)

    def of_items(self) -> list[list[bytes]]:
        """The values of each item."""
        values = [b"", *self.values]
        return [[values[number] for number in row if number] for row in self.rows.tolist()]


def catalogue_attributes(catalogue: Catalogue, names: Sequence[str]) -> ItemAttributes:
    """The attributes of a catalogue: ``category`` where it has any, of each level, and the configured ones.

    Args:
      catalogue: N items.
      names: of the configured attributes.

    Raises:
      InputError: there are too many attributes, or an item has too many values.
    """
    categories = [schema.CATEGORY.encode() + b"=" + name for name in catalogue.category_names]
    others = np.where(catalogue.attributes > 0, catalogue.attributes + len(categories), 0)
    rows = np.concatenate([catalogue.categories, others.reshape(catalogue.size, -1)], axis=1)
    every_name = [schema.CATEGORY.encode()] * bool(categories) + [name.encode() for name in names]
    return _checked(every_name, [*categories, *catalogue.attribute_values], rows, catalogue.ids)


def number_attributes(names: Sequence[bytes], items: Sequence[Sequence[bytes]], ids: Sequence[bytes]) -> ItemAttributes:
    """The attributes of items that are given by their values, numbered in the order in which they first appear.

    Args:
      names: G attributes.
      items: ``name=value`` of each of N items.
      ids: N items, for messages.

    Raises:
      InputError: as of :func:`catalogue_attributes`.
    """
    number_of: dict[bytes, int] = {}
    numbers = [[number_of.setdefault(value, len(number_of)) + 1 for value in values] for values in items]
    rows = np.zeros((len(items), max(map(len, numbers), default=0)), np.int32)
    for row, found in enumerate(numbers):
        rows[row, : len(found)] = found
    return _checked(names, list(number_of), rows, ids)


def _checked(
    names: Sequence[bytes], values: Sequence[bytes], rows: npt.NDArray[np.int32], ids: Sequence[bytes]
) -> ItemAttributes:
    """The attributes in one spelling, their rows as narrow as can be."""
    values, rows = (found := ItemAttributes(names, values, rows).with_one_spelling()).values, found.rows
    if len(names) > MOST_ATTRIBUTES:
        raise InputError(f"data.item_columns.attributes names {len(names)}; at most {MOST_ATTRIBUTES} can be served.")
    counts = (rows > 0).sum(axis=1)
    widest = int(counts.max(initial=0))
    if widest > MOST_VALUES:
        item = ids[int(counts.argmax())].decode()
        raise InputError(
            f"Item {item!r} has {widest} categories and attribute values, of which requests can filter by at most "
            f"{MOST_VALUES}. Name fewer columns in data.item_columns.attributes."
        )
    # Padding may stand between the columns of categories and the others.
    order = np.argsort(rows == 0, axis=1, kind="stable")
    return ItemAttributes(names, values, np.take_along_axis(rows, order, axis=1)[:, :widest].astype(np.int32))
