"""The Beam pipeline of ingestion: whole Arrow tables flow, never single rows."""

import os
from collections.abc import Callable, Iterable, Iterator

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf

from components.ingestion.batches import Piece, list_pieces
from components.ingestion.examples import encode_windows
from components.ingestion.hashing import SPLITS
from components.ingestion.impression_examples import encode_impressions, prepare
from components.ingestion.inputs import Tables, check_inputs, find_tables, reads_users, shards_for
from components.ingestion.interactions import read_interactions
from components.ingestion.item_counts import count_items, frequent_items, item_frequencies, merge_counts
from components.ingestion.partition import by_shard, concat_in_order, to_ipc
from components.ingestion.profiles import feature_types, join_profiles, read_profiles
from components.ingestion.refusals import refuse_useless
from components.ingestion.report import Report, merge_reports, read_report, write_report
from components.ingestion.sequences import ITEM, Sequences, group_by_user
from components.ingestion.storage import full_disk_in_words, publish, split_folder, write_records
from components.ingestion.windows import cut
from components.settings import DataSettings
from trainer.errors import InputError

_REPORT, _COUNTS, _ROWS = "report", "counts", "rows"
_INTERACTIONS, _USERS = "interactions", "users"
_Keyed = tuple[int, bytes]
_Features = dict[str, pa.Array]
_Encoded = tuple[str, int, int, Iterator[bytes]]  # split, examples, targets, records


class _Read(beam.DoFn):
    """Reads pieces; emits rows by shard, item counts and reports, each as a key and bytes."""

    def __init__(self, settings: DataSettings, shards: int, table: str):
        self._settings = settings.model_dump_json()
        self._shards = shards
        self._table = table

    def process(self, piece: Piece) -> Iterator[beam.pvalue.TaggedOutput | _Keyed]:
        settings = DataSettings.model_validate_json(self._settings)
        try:
            if self._table == _INTERACTIONS:
                for batch, report in read_interactions(piece, settings.columns, settings.labels):
                    yield beam.pvalue.TaggedOutput(_REPORT, (0, report.to_json().encode()))
                    items = batch.column(batch.schema.get_field_index(ITEM))
                    yield beam.pvalue.TaggedOutput(_COUNTS, (0, count_items(items)))
                    for shard, rows in by_shard(batch, self._shards):
                        yield shard, to_ipc(rows)
            else:
                for batch, table in read_profiles(piece, settings.user_columns):
                    yield beam.pvalue.TaggedOutput(_REPORT, (0, Report({_USERS: table}).to_json().encode()))
                    for shard, rows in by_shard(batch, self._shards):
                        yield shard, to_ipc(rows)
        except InputError as error:  # carried out in words: Beam would wrap an exception
            yield beam.pvalue.TaggedOutput(_REPORT, (0, Report(failures=[str(error)]).to_json().encode()))


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
        events = list(tables[_INTERACTIONS])
        if not events:
            return  # users without an interaction
        kept, _ = frequent_items(counts, settings.min_item_count)
        sequences, users = group_by_user(concat_in_order(events), kept, settings.min_user_count)
        rows = list(tables.get(_USERS, ()))
        profiles = concat_in_order(rows) if rows else None
        features, matches = join_profiles(profiles, sequences.users, feature_types(settings.user_columns))
        report.counts.update(
            users=users, users_kept=len(sequences.users), interactions_kept=len(sequences.items), **matches
        )
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
    report.counts.update(items=items, items_kept=len(kept))
    return 0, report.to_json().encode()


def _merge_json(texts: Iterable[bytes]) -> bytes:
    return merge_reports(Report.from_json(text.decode()) for text in texts).to_json().encode()


def _build(
    pipeline: beam.Pipeline, settings: DataSettings, tables: Tables, max_history: int, shards: int, staging: str
) -> None:
    def read(name: str, files: list) -> beam.pvalue.DoOutputsTuple:
        return (
            pipeline
            | f"{name}: files" >> beam.Create(list_pieces(files))
            | f"{name}: spread" >> beam.Reshuffle()
            | f"{name}: read"
            >> beam.ParDo(_Read(settings, shards, name))
            .with_output_types(tuple[int, bytes])
            .with_outputs(_REPORT, _COUNTS, main=_ROWS)
        )

    log = read(_INTERACTIONS, tables.interactions)
    grouped, reports = {_INTERACTIONS: log[_ROWS]}, [log[_REPORT]]
    if reads_users(settings):
        people = read(_USERS, tables.users)
        grouped[_USERS] = people[_ROWS]
        reports.append(people[_REPORT])
    counts = log[_COUNTS] | "counts" >> beam.Values() | "item counts" >> beam.CombineGlobally(merge_counts)
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
    _ = (
        tuple(reports)
        | "reports" >> beam.Flatten()
        | "reports' text" >> beam.Values()
        | "merged" >> beam.CombineGlobally(_merge_json)
        | "kept" >> beam.Map(lambda text: write_report(Report.from_json(text.decode()), staging))
    )


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
