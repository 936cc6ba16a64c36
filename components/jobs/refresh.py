"""Writes a pushed model with other items, without training."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.jobs.item_table import ItemTable
from components.text.encode_again import encode_again
from serving.bundle.manifest import MadeFrom
from serving.graph.items import Items
from serving.publish.item_changes import CategoryPlaces, with_known, with_more, without
from serving.publish.pushed_model import PushedModel
from trainer.errors import InputError

_SHOWN = 5
_AT_A_TIME = 65_536

progress = logging.getLogger("polyrec.progress")


@dataclass(frozen=True)
class Wishes:
    """What is to be changed.

    Attributes:
      table: of items; new ones are added, what it says of others replaces what was known.
      vectors: item -> given vector float32 [D], of items to add.
      remove: ids.
      remove_missing: also those that are served and not in the table.
      add: whether new items are added.
      leave_out: whether new items that have no place are left out; otherwise they are an error.
    """

    table: ItemTable = field(default_factory=ItemTable)
    vectors: Mapping[bytes, npt.NDArray[np.float32]] = field(default_factory=dict)
    remove: Sequence[str] = ()
    remove_missing: bool = False
    add: bool = True
    leave_out: bool = False


def change_items(pushed: PushedModel, wishes: Wishes) -> tuple[Items, MadeFrom]:
    """The items of a new version; what is worth knowing goes to the progress logger.

    A new item's vector is, in this order: the one given; its own, if it was removed earlier; what the model makes of
    its text; that of its rarest category that the model knows, see
    :class:`serving.publish.item_changes.CategoryPlaces`.

    Args:
      pushed: the version to start from.
      wishes: what to change.

    Returns:
      the items and what was changed.

    Raises:
      InputError: items have no place, none of those to remove is served, or none would be left.
    """
    before = pushed.items
    gone = _gone(before, wishes)
    items = without(before, gone) if gone else before
    stayed = len(items.ids)
    placed = _placed(pushed, wishes, set(before.ids)) if wishes.add else _Placed()
    if placed.ids:
        items = with_more(items, placed.ids, np.stack(placed.vectors))
    table, updated = wishes.table, 0
    if table.known:
        items, changed = with_known(items, table.known, table.names, table.categories)
        updated = int(changed[:stayed].sum())
    made_from = MadeFrom(
        version=pushed.version_dir.rstrip("/").rsplit("/", 1)[-1],
        fingerprint=pushed.stated.fingerprint,
        added=len(placed.ids),
        removed=len(gone),
        updated=updated,
        **placed.how,
    )
    return items, made_from


def read_ids(given: str | Sequence[str]) -> list[str]:
    """Ids from a file, one a line, or from a text such as ``a,b``; a list of ids is one already.

    Raises:
      InputError: the file cannot be read.
    """
    if not isinstance(given, str):
        return list(given)
    try:
        if tf.io.gfile.isdir(given):
            raise InputError(f"{given} is a folder. Give a file of ids, one a line, or the ids themselves.")
        if not tf.io.gfile.exists(given):
            return [part.strip() for part in given.split(",") if part.strip()]
        with tf.io.gfile.GFile(given) as file:
            return [line.rstrip("\r\n") for line in file if line.strip()]
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise InputError(f"{given}: not a file of ids, one a line: {error}") from error


def read_given_vectors(
    path: str, id_column: str, vector_column: str, dimension: int, constant_components: int = 0
) -> dict[bytes, npt.NDArray[np.float32]]:
    """Vectors of items from a Parquet file.

    Args:
      path: the file.
      id_column: of ids.
      vector_column: of lists of D numbers.
      dimension: D, of a vector of the index.
      constant_components: how many components at its end are 1 for every item; a file may leave them out.

    Raises:
      InputError: it cannot be read, or has vectors of another length or that are not finite.
    """
    try:
        table = pq.read_table(path, columns=[id_column, vector_column])
        lists = table.column(vector_column).combine_chunks()
        lengths = np.asarray(lists.value_lengths().fill_null(0))
        ids = table.column(id_column).cast(pa.string()).to_pylist()
    except (OSError, pa.ArrowException, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: not a Parquet file with a column {id_column!r} of ids and a column {vector_column!r} of lists of "
            f"numbers: {error}"
        ) from error
    short = dimension - constant_components
    given = short if lengths.size and (lengths == short).all() else dimension
    if (lengths != given).any():
        wrong = int((lengths != given).argmax())
        raise InputError(
            f"{path}: the vector of item {ids[wrong]!r} has {lengths[wrong]} numbers, and the model's have {dimension}"
            + (f" (or {short}: the last {constant_components} are 1)." if constant_components else ".")
        )
    vectors = np.asarray(lists.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)).reshape(-1, given)
    if not np.isfinite(vectors).all():
        wrong = int((~np.isfinite(vectors)).any(axis=1).argmax())
        raise InputError(f"{path}: the vector of item {ids[wrong]!r} holds numbers that are not finite.")
    if given < dimension:
        vectors = np.pad(vectors, [(0, 0), (0, constant_components)], constant_values=1)
    if (vectors[:, short:] != 1).any():
        wrong = int((vectors[:, short:] != 1).any(axis=1).argmax())
        raise InputError(
            f"{path}: the vector of item {ids[wrong]!r} does not end with {constant_components} times 1, as those of "
            f"this model do. Leave these components out: {short} numbers for each item."
        )
    return {item.encode(): vector for item, vector in zip(ids, vectors, strict=True) if item}


@dataclass
class _Placed:
    """New items with vectors, and how many of them were placed how."""

    ids: list[bytes] = field(default_factory=list)
    vectors: list[npt.NDArray[np.float32]] = field(default_factory=list)
    how: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("by_text", "by_category", "by_vector"), 0))

    def add(self, item: bytes, vector: npt.NDArray[np.float32], how: str | None = None) -> None:
        self.ids.append(item)
        self.vectors.append(vector)
        if how is not None:
            self.how[how] += 1


def _gone(items: Items, wishes: Wishes) -> list[bytes]:
    served = set(items.ids)
    asked = dict.fromkeys(item.encode() for item in wishes.remove)
    gone = [item for item in asked if item in served]
    unknown = [item for item in asked if item not in served]
    if asked and not gone:
        raise InputError(f"None of the {len(asked):,} items to remove is served: {_some(unknown)}.")
    if unknown:
        progress.info("%s of the items to remove are not served: %s", f"{len(unknown):,}", _some(unknown))
    if wishes.remove_missing:
        present = wishes.table.known.keys() | wishes.vectors.keys() | set(gone)
        gone += [item for item in items.ids if item not in present]
    return gone


def _placed(pushed: PushedModel, wishes: Wishes, served: set[bytes]) -> _Placed:
    refused = {item.encode() for item in wishes.remove}
    every = dict.fromkeys([*wishes.table.known, *wishes.vectors])
    new = [item for item in every if item not in served and item not in refused]
    earlier = dict(zip(pushed.items.retired_ids, pushed.items.retired_vectors, strict=True))
    placed, homeless = _Placed(), []
    unplaced = []
    for item in new:
        if set(b"\r\n") & set(item):  # a served vocabulary is a file with an id a line
            homeless.append(item)
        elif item in wishes.vectors:
            placed.add(item, wishes.vectors[item], "by_vector")
        elif item in earlier:
            placed.add(item, earlier[item])
        else:
            unplaced.append(item)
    by_text = dict(_by_text(pushed, {item: wishes.table.texts[item] for item in unplaced}))
    places = CategoryPlaces(pushed.items)
    for item in unplaced:
        if item in by_text:
            placed.add(item, by_text[item], "by_text")
        elif (vector := places.vector(wishes.table.known[item].categories)) is not None:
            placed.add(item, vector, "by_category")
        else:
            homeless.append(item)
    if homeless:
        _say_homeless(homeless, pushed, wishes)
    return placed


def _by_text(pushed: PushedModel, texts: Mapping[bytes, str]) -> Iterator[tuple[bytes, npt.NDArray[np.float32]]]:
    """Items with a text that says something to the model, and their vectors."""
    ids = [item for item, text in texts.items() if text]
    if pushed.text_encoder is None or not ids:
        return
    for start in range(0, len(ids), _AT_A_TIME):
        part = ids[start : start + _AT_A_TIME]
        encoded = encode_again([texts[item] for item in part], pushed.text_encoder)
        vectors = pushed.functions.vectors_from_text(tf.constant(encoded)).numpy()
        yield from ((part[row], vectors[row]) for row in np.flatnonzero(encoded.any(axis=1)))


def _say_homeless(homeless: list[bytes], pushed: PushedModel, wishes: Wishes) -> None:
    texts = "" if pushed.text_encoder is None else "a text with words that the model knows, "
    why = (
        f"{len(homeless):,} new items have no place: {_some(homeless)}. A new item needs {texts}a category that served "
        "items have, or a given vector"
    )
    if not wishes.leave_out:
        columns = "" if wishes.table.categories else " (data.item_columns.category is not set)"
        raise InputError(f"{why}{columns}. Say --leave-out to go on without them.")
    progress.info("%s; they are left out", why)


def _some(ids: Sequence[bytes]) -> str:
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return ", ".join(repr(item.decode(errors="replace")) for item in ids[:_SHOWN]) + more
