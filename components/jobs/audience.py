"""Beam job that finds the users who like a tag most, with a pushed model."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingestion.cut.partition import USER, concat_in_order
from components.ingestion.cut.sequences import ITEM, group_by_user, without_repeats
from components.ingestion.files.inputs import check_inputs, find_tables, shards_for
from components.ingestion.files.report import read_report
from components.ingestion.read.table_reading import INTERACTIONS, USERS, keep_reports, read_log
from components.ingestion.read.user_table import feature_types, join_profiles
from components.ingestion.values.labels import positives_and_weights
from components.settings import DataSettings
from serving.runtime.profile_predictor import Describer
from serving.users import RawUser
from trainer.data.schema import user_feature
from trainer.errors import InputError

_BATCH = 512

Best = dict[tuple[str, str], tuple[npt.NDArray[np.float32], npt.NDArray[Any]]]
"""(task, tag) -> scores, descending, and the ids of their users."""


class _Score(beam.DoFn):
    """The best users of one shard."""

    def __init__(self, settings: DataSettings, max_history: int, version_dir: str, tags: Sequence[str], k: int) -> None:
        self._settings, self._max_history = settings.model_dump_json(), max_history
        self._version_dir, self._tags, self._k = version_dir, list(tags), k

    def setup(self) -> None:
        settings = DataSettings.model_validate_json(self._settings)
        self._describer = Describer(self._version_dir, self._tags, dict(settings.user_columns.features))

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Iterator[Best]:
        settings = DataSettings.model_validate_json(self._settings)
        best: Best = {}
        for users, ids in _users_of(settings, element[1], self._max_history):
            scores = self._describer.scores(users)
            found = {
                (task, tag): (scores[:, y, m], ids)
                for y, task in enumerate(self._describer.tasks)
                for m, tag in enumerate(self._tags)
            }
            best = merge_best([best, found], self._k)
        yield best


def _users_of(
    settings: DataSettings, tables: dict[str, Iterable[bytes]], max_history: int
) -> Iterator[tuple[list[RawUser], npt.NDArray[Any]]]:
    """The users of a shard in batches, with and without events, and their ids."""
    events, rows = list(tables[INTERACTIONS]), list(tables.get(USERS, ()))
    profiles = concat_in_order(rows) if rows else None
    histories: dict[str, tuple[list[str], list[int]]] = {}
    if events:
        log = without_repeats(concat_in_order(events), settings.drop_repeats_within)
        everything = log.column(log.schema.get_field_index(ITEM)).unique()
        sequences, _ = group_by_user(log, everything, 1)
        labels = settings.labels
        positive = positives_and_weights(sequences.labels, labels, len(sequences.items))[0][next(iter(labels))]
        names = sequences.item_ids.to_pylist()
        for user, start, end in zip(
            sequences.users.to_pylist(), sequences.offsets[:-1], sequences.offsets[1:], strict=True
        ):
            liked = (start + np.flatnonzero(positive[start:end]))[-max_history:]
            histories[user] = [names[place] for place in sequences.items[liked]], sequences.times[liked].tolist()
    users = pa.array(list(histories), pa.string())
    if profiles is not None:
        users = pc.unique(pa.concat_arrays([users, profiles.column(profiles.schema.get_field_index(USER))]))
    features, _ = join_profiles(profiles, users, feature_types(settings.user_columns))
    ids = np.array(users.to_pylist(), object)
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        values = {name: features[user_feature(name)].slice(start, _BATCH) for name in settings.user_columns.features}
        lists = {name: column.to_pylist() for name, column in values.items()}
        yield (
            [
                RawUser(*histories.get(user, ([], [])), {name: column[row] for name, column in lists.items()})
                for row, user in enumerate(some)
            ],
            some,
        )


def merge_best(parts: Iterable[Best], k: int) -> Best:
    """The k best users of each task and tag; of equal scores the smaller id first."""
    merged: Best = {}
    for part in parts:
        for key, (scores, ids) in part.items():
            if key in merged:
                scores, ids = (np.concatenate(pair) for pair in zip(merged[key], (scores, ids), strict=True))
            order = np.lexsort((ids.astype(str), -scores))[:k]
            merged[key] = scores[order], ids[order]
    return merged


class _Merge(beam.CombineFn):
    def __init__(self, k: int) -> None:
        self._k = k

    def create_accumulator(self) -> Best:
        return {}

    def add_input(self, accumulator: Best, element: Best) -> Best:
        return merge_best([accumulator, element], self._k)

    def merge_accumulators(self, accumulators: Iterable[Best]) -> Best:
        return merge_best(accumulators, self._k)

    def extract_output(self, accumulator: Best) -> Best:
        return accumulator


def write_audience(
    settings: DataSettings,
    max_history: int,
    version_dir: str,
    tags: Sequence[str],
    k: int,
    output: str,
    make_pipeline: Callable[[], beam.Pipeline],
) -> int:
    """Writes the k users who like each of the tags most, for each task of the model.

    Every user of the log or of the users' table is asked for, with the profile features and the last T items of the
    events with the first label; nothing is held out.

    Args:
      settings: of the log, as the model was trained by.
      max_history: T.
      version_dir: a pushed model of profiles.
      tags: at least one.
      k: users a tag and task.
      output: the Parquet file, with the columns task, tag, rank (from 1), user_id and score; written whole.
      make_pipeline: makes an empty Beam pipeline of the runner to use.

    Returns:
      number of rows.

    Raises:
      InputError: the tables or the model cannot be used.
    """
    check_inputs(settings)
    if not settings.labels:
        raise InputError("data.labels names no label: an audience is asked of a model of profiles and its log.")
    Describer(version_dir, tags, dict(settings.user_columns.features))
    tables = find_tables(settings)
    shards = shards_for(tables.interactions, 1)
    with tempfile.TemporaryDirectory() as scratch:
        found = os.path.join(scratch, "best.parquet")
        with make_pipeline() as pipeline:
            grouped, reports, _ = read_log(pipeline, settings, tables, shards)
            _ = (
                grouped
                | "by shard" >> beam.CoGroupByKey()
                | "score" >> beam.ParDo(_Score(settings, max_history, version_dir, tags, k))
                | "best" >> beam.CombineGlobally(_Merge(k))
                | "keep" >> beam.Map(_write, found)
            )
            keep_reports(reports, scratch)
        if failures := read_report(scratch).failures:
            raise InputError(" ".join(failures))
        return _publish(found, output)


def _write(best: Best, path: str) -> None:
    columns: dict[str, list[Any]] = {"task": [], "tag": [], "rank": [], "user_id": [], "score": []}
    for (task, tag), (scores, ids) in best.items():
        columns["task"] += [task] * len(ids)
        columns["tag"] += [tag] * len(ids)
        columns["rank"] += range(1, len(ids) + 1)
        columns["user_id"] += ids.tolist()
        columns["score"] += scores.tolist()
    table = pa.table(columns)
    pq.write_table(table.set_column(4, "score", table["score"].cast(pa.float32())), path)


def _publish(found: str, output: str) -> int:
    """Moves the file into place, from another disk if need be; returns its rows."""
    partial = f"{output}.{uuid.uuid4().hex}.partial"
    try:
        os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
        table = pq.read_table(found)
        pq.write_table(table, partial)
        os.replace(partial, output)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror or error}.") from error
    return int(table.num_rows)
