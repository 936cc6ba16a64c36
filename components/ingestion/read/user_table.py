"""Reads profile features from the users' table, deduplicated and joined by id."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.cut.partition import ORDER, USER, order_of
from components.ingestion.files.report import TableReport
from components.ingestion.read.batches import Piece, drop_bad, read_batches
from components.ingestion.values.columns import Column, to_float_lists, to_ids, to_string_lists
from components.settings import UserColumns
from trainer.data.schema import user_feature


def feature_types(columns: UserColumns) -> dict[str, pa.DataType]:
    """Feature name in the examples -> list type."""
    types = {"categorical": pa.list_(pa.string()), "numeric": pa.list_(pa.float32())}
    return {user_feature(name): types[kind] for name, kind in columns.features.items()}


def read_profiles(
    piece: Piece, columns: UserColumns, null_like: bool = True
) -> Iterator[tuple[pa.RecordBatch, TableReport]]:
    """Reads a piece of the users' table.

    Args:
      piece: what to read.
      columns: their names.
      null_like: see :func:`components.ingestion.values.columns.to_ids`.

    Yields:
      A batch with the columns user, order and one list column a feature, and what was dropped.

    Raises:
      InputError: an unreadable file, or a column whose type does not fit its kind.
    """
    for batch in read_batches(piece, [columns.user, *columns.features]):
        report = TableReport()
        converted: dict[str, tuple[str, Column]] = {}
        where = f"column {{}} of {piece.file.path}"
        converted[USER] = (
            columns.user,
            to_ids(
                batch.columns.column(_index(batch.columns, columns.user)), where.format(repr(columns.user)), null_like
            ),
        )
        for name, kind in columns.features.items():
            values = batch.columns.column(_index(batch.columns, name))
            convert = to_string_lists if kind == "categorical" else to_float_lists
            converted[user_feature(name)] = (name, convert(values, where.format(repr(name))))
        good, rows = drop_bad(batch, converted, piece.file, report)
        arrays = [good.column(0), order_of(piece.file.index, rows), *good.columns[1:]]
        yield pa.RecordBatch.from_arrays(arrays, names=[USER, ORDER, *good.schema.names[1:]]), report


def _index(batch: pa.RecordBatch, name: str) -> int:
    return int(batch.schema.get_field_index(name))


def join_profiles(
    profiles: pa.RecordBatch | None, users: pa.Array, types: Mapping[str, pa.DataType]
) -> tuple[dict[str, pa.Array], Counter[str]]:
    """The features of ``users``.

    Args:
      profiles: a shard's rows of the users' table in their order, or None; of several rows of a user the
        first counts.
      users: strings [U].
      types: feature -> list type.

    Returns:
      Feature -> lists [U], empty for a user without a row; and how many users have a row
      (``users_with_profile``) and how many rows repeat a user (``duplicate_user_rows``).
    """
    if profiles is None:
        return {name: pa.array([[]] * len(users), kind) for name, kind in types.items()}, Counter()
    ids = profiles.column(_index(profiles, USER)).dictionary_encode()
    codes = np.asarray(ids.indices)
    first = np.unique(codes, return_index=True)[1]  # codes ascend in order of first appearance
    place = pc.index_in(users, value_set=ids.dictionary)
    rows = pa.array(np.append(first, len(codes))[np.asarray(pc.fill_null(place, len(first)))])
    features = {}
    for name, kind in types.items():
        with_empty = pa.concat_arrays([profiles.column(_index(profiles, name)).cast(kind), pa.array([[]], kind)])
        features[name] = with_empty.take(rows)
    found = len(users) - place.null_count
    return features, Counter(users_with_profile=found, duplicate_user_rows=len(codes) - len(first))
