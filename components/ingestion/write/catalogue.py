"""Writes the catalogue: one tf.Example per item."""

import os
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.files.inputs import check_inputs, find_tables, table_path
from components.ingestion.files.report import Report, write_report
from components.ingestion.files.storage import full_disk_in_words, publish, split_folder, write_records
from components.ingestion.read.batches import Piece, drop_bad, list_pieces, read_batches, refuse_too_many_bad_rows
from components.ingestion.values.attributes import in_one_spelling, joined
from components.ingestion.values.columns import Column, as_mask, to_ids, to_string_lists
from components.ingestion.values.item_values import ItemValues
from components.ingestion.write.examples import as_bytes, one_each
from components.settings import DataSettings
from trainer.data import schema
from trainer.errors import InputError

ITEMS_SPLIT = "items"

_DUPLICATES = "duplicate_item_rows"
_WITHOUT_TAGS = "items_without_tags"


def ingest_items(settings: DataSettings, directory: str) -> Report:
    """Turns the items' table into the split "items", and a report beside it.

    Without a table the split is there and empty. Of several rows of an item the first is kept.

    Args:
      settings: where the table is.
      directory: the uri of the Examples artifact.

    Returns:
      What was read, dropped and written.

    Raises:
      InputError: the table cannot be used; says what, where, and what to do.
    """
    check_inputs(settings)
    report = Report()
    pieces = list_pieces(find_tables(settings).items)
    staging = os.path.join(directory, ".partial")
    if tf.io.gfile.exists(staging):
        tf.io.gfile.rmtree(staging)
    with full_disk_in_words(directory):
        tf.io.gfile.makedirs(split_folder(staging, ITEMS_SPLIT))
        path = os.path.join(split_folder(staging, ITEMS_SPLIT), "data_tfrecord-00000-of-00001.gz")
        known: list[pa.Array] = [pa.array([], pa.string())]
        untagged = list(known)
        values = ItemValues(settings.item_columns)
        write_records(path, _examples(pieces, settings, report, known, untagged, values))
        report.warnings = values.warnings()
        if settings.items is not None:
            table = report.table("items")
            refuse_too_many_bad_rows("items", table, settings.max_bad_rows, table_path(settings, settings.items))
            if settings.labels and report.counts[_WITHOUT_TAGS] == report.examples[ITEMS_SPLIT]:
                raise _without_tags(f"the {report.examples[ITEMS_SPLIT]:,} items", settings)
            _compare_with_log(settings, pa.concat_arrays(known), pa.concat_arrays(untagged), report)
        publish(staging, directory, [ITEMS_SPLIT])
        write_report(report, directory)
    return report


def _without_tags(which: str, settings: DataSettings) -> InputError:
    return InputError(
        f"None of {which} of {table_path(settings, str(settings.items))} has a tag in column "
        f"{settings.item_columns.tags!r}. Set data.item_columns.tags to the column that holds them, and "
        "data.item_columns.tag_separator if it is text such as Comedy|Drama."
    )


def _compare_with_log(settings: DataSettings, known: pa.Array, untagged: pa.Array, report: Report) -> None:
    """Counts the rows of the log, and their items, that the catalogue lacks; a wrong id column would lack them all."""
    column, counts = settings.columns.item, report.counts
    every, missing = [pa.array([], pa.string())], [pa.array([], pa.string())]
    seen, bare = None, 0
    for piece in list_pieces(find_tables(settings).interactions):
        for batch in read_batches(piece, [column]):
            values = batch.columns.column(batch.columns.schema.get_field_index(column))
            found = to_ids(values, f"column {column!r} of {piece.file.path}", not settings.drop_null_like_ids)
            good = pa.array(~np.logical_or.reduce(list(found.bad.values())))
            items = pc.value_counts(found.values.filter(good))
            ids, rows = items.field("values"), np.asarray(items.field("counts"))
            unknown = ~as_mask(pc.is_in(ids, value_set=known))
            every.append(ids)
            missing.append(ids.filter(pa.array(unknown)))
            counts.update(log_rows_looked_up=int(rows.sum()), log_rows_not_in_catalogue=int(rows[unknown].sum()))
            bare += int(rows[as_mask(pc.is_in(ids, value_set=untagged))].sum())
            seen = seen or (ids[0].as_py() if len(ids) else None)
    counts["log_items_looked_up"] = len(pa.concat_arrays(every).unique())
    counts["log_items_not_in_catalogue"] = len(pa.concat_arrays(missing).unique())
    looked_up, unknown_rows = counts["log_rows_looked_up"], counts["log_rows_not_in_catalogue"]
    if looked_up and unknown_rows == looked_up:
        raise InputError(
            f"None of the log's items (such as {seen!r}) is in {table_path(settings, str(settings.items))} (it has "
            f"such as {known[0].as_py() if len(known) else None!r}). Set data.item_columns.item to the column with the "
            "log's ids."
        )
    if settings.labels and looked_up and bare + unknown_rows == looked_up:
        raise _without_tags("the log's items that are in the table", settings)


def _examples(
    pieces: list[Piece],
    settings: DataSettings,
    report: Report,
    known: list[pa.Array],
    untagged: list[pa.Array],
    seen: ItemValues,
) -> Iterator[bytes]:
    """Encoded items; the ids of each batch are appended to ``known``, and those without a tag to ``untagged``."""
    encoder = RecordBatchToExamplesEncoder()
    report.examples[ITEMS_SPLIT] = 0
    for piece in pieces:
        for batch in read_items(piece, settings, report, seen):
            ids = batch.column(0)
            codes = np.asarray(ids.dictionary_encode().indices)
            first = np.zeros(len(ids), dtype=bool)
            first[np.unique(codes, return_index=True)[1]] = True
            new = pa.array(first & ~as_mask(pc.is_in(ids, value_set=pa.concat_arrays(known))))
            fresh = batch.filter(new)
            report.counts[_DUPLICATES] += len(batch) - len(fresh)
            report.examples[ITEMS_SPLIT] += len(fresh)
            known.append(fresh.column(0))
            if settings.item_columns.tags is not None:
                tags = fresh.column(fresh.schema.get_field_index(schema.TAGS))
                untagged.append(fresh.column(0).filter(pc.equal(pc.list_value_length(tags), 0)))
                report.counts[_WITHOUT_TAGS] += len(untagged[-1])
            arrays = [one_each(fresh.column(0).cast(pa.binary())), *(as_bytes(c) for c in fresh.columns[1:])]
            yield from encoder.encode(pa.RecordBatch.from_arrays(arrays, names=batch.schema.names))


def read_items(
    piece: Piece, settings: DataSettings, report: Report, seen: ItemValues | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches with the item's id as strings and every other feature as lists of strings; ``seen`` looks at those."""
    columns = settings.item_columns
    optional = {
        schema.CATEGORY: columns.category,
        schema.TAGS: columns.tags,
        schema.TITLE: columns.title,
        schema.TEXT: columns.text,
    }
    separators = {schema.CATEGORY: columns.category_separator, schema.TAGS: columns.tag_separator}
    attributes = {f"{schema.ATTRIBUTES}.{name}": name for name in columns.attributes}
    separators |= dict.fromkeys(attributes, columns.attribute_separator)
    wanted = {role: name for role, name in optional.items() if name is not None} | attributes
    for batch in read_batches(piece, [columns.item, *wanted.values()]):

        def values(name: str) -> tuple[pa.Array, str]:
            where = f"column {name!r} of {piece.file.path}"
            return batch.columns.column(batch.columns.schema.get_field_index(name)), where  # noqa: B023

        converted: dict[str, tuple[str, Column]] = {
            schema.ITEM_ID: (columns.item, to_ids(*values(columns.item), not settings.drop_null_like_ids))
        }
        for role, name in wanted.items():
            text = role in (schema.TITLE, schema.TEXT)
            converted[role] = (name, to_string_lists(*values(name), separators.get(role), line_breaks=text))
        good, _ = drop_bad(batch, converted, piece.file, report.table("items"))
        arrays = dict(zip(good.schema.names, good.columns, strict=True))
        if seen is not None:
            for role, lists in arrays.items():
                seen.add(role, lists)
        for role in optional:
            arrays.setdefault(role, pa.array([[]] * len(good), pa.list_(pa.string())))
        arrays[schema.CATEGORY] = in_one_spelling(arrays[schema.CATEGORY])
        arrays[schema.ATTRIBUTES] = joined({name: arrays[role] for role, name in attributes.items()}, len(good))
        names = [schema.ITEM_ID, *optional, schema.ATTRIBUTES]
        yield pa.RecordBatch.from_arrays([arrays[name] for name in names], names=names)
