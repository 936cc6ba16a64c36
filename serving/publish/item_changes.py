"""Item changes for a trained model: removed, added and updated items. NumPy only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from serving.graph.items import Items
from trainer.data.item_attributes import number_attributes
from trainer.data.spelling import spelled_entry
from trainer.errors import InputError


@dataclass(frozen=True)
class Known:
    """What an item table says of an item.

    Attributes:
      categories: coarse to fine.
      attributes: ``name=value``, of categories as well.
    """

    categories: Sequence[bytes] = ()
    attributes: Sequence[bytes] = ()


def without(items: Items, gone: Sequence[bytes]) -> Items:
    """The items but for some, which histories may still hold.

    Args:
      items: before.
      gone: ids, each of an item that can be recommended.

    Raises:
      InputError: no item would be left.
    """
    gone_ids, size = set(gone), len(items.ids)
    leaves = np.array([item in gone_ids for item in items.ids], bool)
    if leaves.all():
        raise InputError(f"All {size:,} items would be removed: there would be nothing to recommend.")
    # An item that the tower does not know says nothing in a history either.
    known_to_tower = np.zeros(size + len(items.retired_ids), bool)
    known_to_tower[items.tower_rows] = True
    stays, retires = np.flatnonzero(~leaves), np.flatnonzero(leaves & known_to_tower[:size])
    old_rows = np.concatenate([stays, retires, np.arange(size, len(known_to_tower))])
    new_row = np.full(len(known_to_tower), -1, np.int32)
    new_row[old_rows] = np.arange(len(old_rows))
    return replace(
        items,
        ids=[items.ids[int(row)] for row in stays],
        vectors=items.vectors[stays],
        counts=items.counts[stays],
        category=items.category[stays],
        attributes=replace(items.attributes, rows=items.attributes.rows[stays]),
        retired_ids=[*(items.ids[int(row)] for row in retires), *items.retired_ids],
        retired_vectors=np.concatenate([items.vectors[retires], items.retired_vectors]),
        tower_rows=new_row[items.tower_rows],
    )


def with_more(items: Items, ids: Sequence[bytes], vectors: npt.NDArray[np.float32]) -> Items:
    """The items and more of them behind, of which nothing else is known yet.

    An item that had been removed comes back with the vector given here.

    Args:
      items: before.
      ids: M ids, none of them of an item that can be recommended.
      vectors: float32 [M, D].
    """
    size, more = len(items.ids), len(ids)
    place_of = {item: size + place for place, item in enumerate(ids)}
    remain = [row for row, item in enumerate(items.retired_ids) if item not in place_of]
    new_row = np.arange(size + len(items.retired_ids), dtype=np.int32)
    for row, item in enumerate(items.retired_ids):
        new_row[size + row] = place_of.get(item, -1)
    new_row[size + np.array(remain, int)] = size + more + np.arange(len(remain))
    blank = np.zeros((more, items.attributes.rows.shape[1]), np.int32)
    return replace(
        items,
        ids=[*items.ids, *ids],
        vectors=np.concatenate([items.vectors, vectors.astype(np.float32)]),
        counts=np.concatenate([items.counts, np.zeros(more, items.counts.dtype)]),
        category=np.concatenate([items.category, np.full(more, -1, items.category.dtype)]),
        attributes=replace(items.attributes, rows=np.concatenate([items.attributes.rows, blank])),
        retired_ids=[items.retired_ids[row] for row in remain],
        retired_vectors=items.retired_vectors[remain],
        tower_rows=new_row[items.tower_rows],
    )


def with_known(
    items: Items, known: Mapping[bytes, Known], names: Sequence[bytes], categories: bool
) -> tuple[Items, npt.NDArray[np.bool_]]:
    """The items with what a table says of some; what it does not say stays as it is.

    Args:
      items: before.
      known: item -> what is said; others stay as they are.
      names: of the attributes that the table has: an item of the table loses its earlier values of these.
      categories: whether the table says the categories.

    Returns:
      the items, and which of them changed, bool [N].

    Raises:
      InputError: there are too many attributes, or an item has too many values.
    """
    replaced = set(names)
    values, category, changed = items.attributes.of_items(), items.category.copy(), np.zeros(len(items.ids), bool)
    number_of = {name: number for number, name in enumerate(items.category_names)}
    for row, item in enumerate(items.ids):
        if (said := known.get(item)) is None:
            continue
        others = [value for value in values[row] if value.split(b"=", 1)[0] not in replaced]
        new = [*map(spelled_entry, said.attributes), *others]
        finest = category[row]
        if categories:
            finest = number_of.setdefault(said.categories[-1], len(number_of)) if said.categories else -1
        changed[row] = sorted(set(new)) != sorted(set(values[row])) or finest != category[row]
        values[row], category[row] = list(dict.fromkeys(new)), finest
    every_name = list(dict.fromkeys([*items.attributes.names, *names]))
    attributes = number_attributes(every_name, values, items.ids)
    return replace(items, category=category, category_names=list(number_of), attributes=attributes), changed


class CategoryPlaces:
    """Where items of which only the categories are known are placed.

    Of an item's categories the one that fewest items have decides: in a list from coarse to fine that is the finest,
    and a list in no order has one too. The vector is the mean of its items' vectors, as long as these are on average:
    a mean is shorter than what it is made of, and would score below all of them. Components that are 1 for every item
    are 1 and no part of the length. (Ours; no paper.)

    Args:
      items: that have places.
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        self._size_of = dict(zip(items.attributes.values, items.attributes.counts.tolist(), strict=True))
        self._vector_of: dict[bytes, npt.NDArray[np.float32]] = {}

    def vector(self, categories: Sequence[bytes]) -> npt.NDArray[np.float32] | None:
        """float32 [D]; None where no item has one of the categories (the last of equals decides)."""
        values = [spelled_entry(b"category=" + category) for category in reversed(categories)]
        sizes = {value: size for value in values if (size := self._size_of.get(value, 0))}
        if not sizes:
            return None
        smallest = min(sizes, key=sizes.__getitem__)
        if smallest not in self._vector_of:
            self._vector_of[smallest] = self._mean_of(self._items.attributes.having(smallest))
        return self._vector_of[smallest]

    def _mean_of(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        vectors = self._items.vectors[rows]
        width = vectors.shape[1] - self._items.constant_components
        mean = vectors.astype(np.float64).mean(axis=0)
        length, wanted = np.linalg.norm(mean[:width]), np.linalg.norm(vectors[:, :width], axis=1).mean()
        if length > 0:
            mean[:width] *= wanted / length
        return np.asarray(mean, np.float32)
