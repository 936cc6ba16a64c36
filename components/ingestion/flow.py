"""Beam pipeline of ingestion, over whole Arrow tables."""

import os
from collections.abc import Callable, Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.ingestion.cut.hashing import SPLITS
from components.ingestion.cut.item_counts import (
    count_items,
    frequent_items,
    item_frequencies,
    largest_item,
    merge_counts,
)
from components.ingestion.cut.partition import concat_in_order, folded
from components.ingestion.cut.sequences import (
    Sequences,
    group_by_user,
    item_column,
    kept_item_hashes,
    largest_user,
    without_repeats,
)
from components.ingestion.cut.windows import cut
from components.ingestion.files.inputs import Tables, check_inputs, find_tables, shards_for
from components.ingestion.files.report import (
    KEPT_ITEM,
    LARGEST_ITEM,
    LARGEST_USER,
    Report,
    read_report,
    write_report,
)
from components.ingestion.files.storage import full_disk_in_words, publish, split_folder, write_records
from components.ingestion.read.refusals import refuse_useless
from components.ingestion.read.table_reading import INTERACTIONS, USERS, keep_reports, read_log
from components.ingestion.read.user_table import feature_types, join_profiles
from components.ingestion.write.examples import encode_windows
from components.ingestion.write.impression_examples import encode_impressions, prepare
from components.settings import DataSettings
from trainer.errors import InputError

_Keyed = tuple[int, bytes]
_Features = dict[str, pa.Array]
_Encoded = tuple[str, int, int, Iterator[bytes]]  # split, examples, targets, records


class _WriteShard(beam.DoFn):
    """Filters, sorts, cuts, encodes and writes one shard; emits its report."""

    def __init__(self, settings: DataSettings, max_history: int, shards: int, directory: str):
        self._settings = settings.model_dump_json()
        self._max_history = max_history
        self._shards = shards
        self._directory = directory

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]], counts: bytes) -> Iterator[_Keyed]:
        settings = DataSettings.model_validate_json(self._settings)
        shard, tables = element
        report = Report()
        try:
            with full_disk_in_words(self._directory):
                self._write(settings, shard, tables, counts, report)
        except InputError as error:
            report.failures.append(str(error))
        yield 0, report.to_json().encode()

    def _write(
        self, settings: DataSettings, shard: int, tables: dict[str, Iterable[bytes]], counts: bytes, report: Report
    ) -> None:
        events = list(tables[INTERACTIONS])
        if not events:
            return  # users without an interaction
        kept, _ = frequent_items(counts, settings.min_item_count)
        log = concat_in_order(events)
        distinct = without_repeats(log, settings.drop_repeats_within)
        sequences, told = group_by_user(distinct, kept, settings.min_user_count, settings.max_user_events)
        report.counts.update(told, rows_that_repeat=len(log) - len(distinct))
        report.most[LARGEST_USER] = largest_user(log)
        if len(hashes := kept_item_hashes(sequences)):
            report.least[KEPT_ITEM], report.most[KEPT_ITEM] = int(hashes.min()), int(hashes.max())
        rows = list(tables.get(USERS, ()))
        profiles = concat_in_order(rows) if rows else None
        features, matches = join_profiles(profiles, sequences.users, feature_types(settings.user_columns))
        report.counts.update(matches)
        encoded = self._impressions if settings.labels else self._windows
        for split, number, targets, records in encoded(settings, sequences, features, counts, report):
            name = f"data_tfrecord-{shard:05d}-of-{self._shards:05d}.gz"
            write_records(os.path.join(split_folder(self._directory, split), name), records)
            report.examples[split] = number
            report.targets[split] = targets

    def _windows(
        self, settings: DataSettings, sequences: Sequences, features: _Features, counts: bytes, report: Report
    ) -> Iterator[_Encoded]:
        windows, report.counts["users_too_short"] = cut(
            sequences.offsets, sequences.hashes, settings, self._max_history
        )
        used = np.zeros(len(sequences.users), dtype=bool)
        for part in windows.values():
            used[part.user] = True
        report.counts["interactions_of_short_users"] = int(np.diff(sequences.offsets)[~used].sum())
        for split, part in windows.items():
            targets = int((part.end - part.target).sum())
            yield split, len(part), targets, encode_windows(part, sequences, features)

    def _impressions(
        self, settings: DataSettings, sequences: Sequences, features: _Features, counts: bytes, report: Report
    ) -> Iterator[_Encoded]:
        frequencies = item_frequencies(counts, settings.min_item_count)
        made = prepare(sequences, settings, self._max_history, frequencies, report)
        for split, part in made.splits.items():
            targets = int((part.end - part.target).sum())
            yield split, len(made.bounds[split]) - 1, targets, encode_impressions(split, made, features)


def _count_report(counts: bytes, least: int) -> _Keyed:
    kept, items = frequent_items(counts, least)
    report = Report()
    alike = len(items) - len(folded(items).unique())
    report.counts.update(items=len(items), items_kept=len(kept), items_that_look_alike=alike)
    report.most[LARGEST_ITEM] = largest_item(counts)
    return 0, report.to_json().encode()


def _count_distinct(element: tuple[int, Iterable[bytes]], within: float) -> bytes:
    """Counts of a shard's items, of rows that are no repeats."""
    return count_items(item_column(without_repeats(concat_in_order(element[1]), within)))


def _build(
    pipeline: beam.Pipeline, settings: DataSettings, tables: Tables, max_history: int, shards: int, staging: str
) -> None:
    grouped, reports, counted = read_log(pipeline, settings, tables, shards)
    if settings.drop_repeats_within is None:
        parts = counted | "counts" >> beam.Values()
    else:  # what is dropped makes no item frequent
        parts = (
            grouped[INTERACTIONS]
            | "shards" >> beam.GroupByKey()
            | "distinct" >> beam.Map(_count_distinct, settings.drop_repeats_within).with_output_types(bytes)
        )
    counts = parts | "item counts" >> beam.CombineGlobally(merge_counts)
    reports.append(
        counts | "items report" >> beam.Map(_count_report, settings.min_item_count).with_output_types(tuple[int, bytes])
    )
    reports.append(
        grouped
        | "by shard" >> beam.CoGroupByKey()
        | "write"
        >> beam.ParDo(
            _WriteShard(settings, max_history, shards, staging), beam.pvalue.AsSingleton(counts)
        ).with_output_types(tuple[int, bytes])
    )
    keep_reports(reports, staging)


def ingest_interactions(
    settings: DataSettings, max_history: int, directory: str, make_pipeline: Callable[[], beam.Pipeline]
) -> Report:
    """Turns the interaction log into the splits train, valid and test, and a report beside them.

    Nothing appears under its final name before all of it is written and found good.

    Args:
      settings: where the tables are and how to cut them.
      max_history: T, the largest number of items in a training history.
      directory: an existing or new folder, the uri of the Examples artifact.
      make_pipeline: makes an empty Beam pipeline of the runner to use.

    Returns:
      What was read, dropped and written.

    Raises:
      InputError: the tables cannot be used; says what, where, and what to do.
    """
    check_inputs(settings)
    if settings.min_history > max_history:
        raise InputError(
            f"data.min_history = {settings.min_history} items do not fit into transform.max_history = {max_history}. "
            "Lower the first or raise the second."
        )
    tables = find_tables(settings)
    shards = shards_for(tables.interactions, 1 + settings.sampled_impressions)
    staging = os.path.join(directory, ".partial")
    if tf.io.gfile.exists(staging):
        tf.io.gfile.rmtree(staging)
    with full_disk_in_words(directory):
        for split in SPLITS:
            tf.io.gfile.makedirs(split_folder(staging, split))
        with make_pipeline() as pipeline:
            _build(pipeline, settings, tables, max_history, shards, staging)
        report = read_report(staging)
        refuse_useless(report, settings)
        publish(staging, directory, SPLITS)
        write_report(report, directory)
    return report
