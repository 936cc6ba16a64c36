"""Encodes the impressions of a shard as tf.Examples (trainer/data/schema.py), with their labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.cut.sampling import Frequencies, Sampler
from components.ingestion.cut.sequences import Sequences
from components.ingestion.cut.windows import Ints
from components.ingestion.files.report import Report
from components.ingestion.values.labels import Flags, positives_and_weights
from components.ingestion.write.examples import as_bytes, history_buckets, lists, one_each, ranges
from components.ingestion.write.impressions import (
    History,
    Impressions,
    cut_impressions,
    shuffled_runs,
    together,
    with_samples,
)
from components.settings import DataSettings
from trainer.data import schema

_EXAMPLES_AT_A_TIME = 1 << 13
_IMPRESSIONS_AN_EXAMPLE = 64


@dataclass
class Shard:
    """What the examples of a shard are made of.

    Attributes:
      splits: split -> impressions, those of training in mixed order.
      bounds: split -> [E + 1], which of them make an example: those of one state of a user's history in training; one
        each in evaluation, where metrics are of impressions.
      sequences: of the users.
      history: positions [H] of the events that histories and targets are made of.
      item_ids: strings, what ``Impressions.item`` are places in.
      positive: task -> [N], where an event is positive.
      counts: task -> [N], where its label counts.
      roots: the tasks whose label counts whatever the others are.
    """

    splits: dict[str, Impressions]
    bounds: dict[str, Ints]
    sequences: Sequences
    history: Ints
    item_ids: pa.Array
    positive: dict[str, Flags]
    counts: dict[str, Flags]
    roots: frozenset[str]

    def label(self, impressions: Impressions, task: str) -> tuple[Flags, Flags]:
        """Where the impressions [I] are positive, and where the label counts; a sampled one was never acted on."""
        own, event = impressions.sample == 0, impressions.event
        return self.positive[task][event] & own, np.where(own, self.counts[task][event], task in self.roots)


def prepare(
    sequences: Sequences, settings: DataSettings, max_history: int, frequencies: Frequencies, report: Report
) -> Shard:
    """Cuts the sequences of a shard, draws samples, and counts what came of it.

    Args:
      sequences: with labels.
      settings: labels, split, samples.
      max_history: T.
      frequencies: of the kept items of the whole log.
      report: is added to.
    """
    labels = settings.labels
    positive, counts = positives_and_weights(sequences.labels, labels, len(sequences.items))
    history = History(sequences, positive[next(iter(labels))], max_history)
    splits, counted = cut_impressions(sequences, history, settings)
    report.counts.update(counted)
    if settings.sampled_impressions:
        uniform = settings.sampled_by == "uniform"
        drawn_from = Frequencies(frequencies.ids, np.ones_like(frequencies.counts)) if uniform else frequencies
        sampler = Sampler(drawn_from, sequences, settings.split.seed)
        for split, part in splits.items():
            splits[split], drawn = with_samples(part, sampler, settings.sampled_impressions, len(sequences.item_ids))
            report.counts.update(drawn)
    bounds = {split: np.arange(len(part) + 1) for split, part in splits.items()}
    training = splits[schema.TRAIN_SPLIT]
    splits[schema.TRAIN_SPLIT], bounds[schema.TRAIN_SPLIT] = shuffled_runs(
        training, together(training, _IMPRESSIONS_AN_EXAMPLE), sequences
    )
    shard = Shard(
        splits=splits,
        bounds=bounds,
        sequences=sequences,
        history=history.events,
        item_ids=pa.concat_arrays([sequences.item_ids, frequencies.ids]),
        positive=positive,
        counts=counts,
        roots=frozenset(task for task, label in labels.items() if label.among is None),
    )
    for split, part in splits.items():
        for task in labels:
            is_positive, is_counted = shard.label(part, task)
            report.count_label(split, task, int(np.sum(is_positive & is_counted)), int(np.sum(is_counted)))
    return shard


def encode_impressions(split: str, shard: Shard, features: Mapping[str, pa.Array]) -> Iterator[bytes]:
    """Serialised tf.Examples.

    Args:
      split: of the shard.
      shard: what the examples are made of.
      features: profile feature -> lists [U].

    Yields:
      The examples in order.
    """
    encoder = RecordBatchToExamplesEncoder()
    impressions, bounds = shard.splits[split], shard.bounds[split]
    item_ids = shard.item_ids.cast(pa.binary())
    users = shard.sequences.users.cast(pa.binary())
    for begin in range(0, len(bounds) - 1, _EXAMPLES_AT_A_TIME):
        part = bounds[begin : begin + _EXAMPLES_AT_A_TIME + 1]
        some = impressions.take(slice(part[0], part[-1]))
        yield from encoder.encode(_to_batch(some, part - part[0], shard, item_ids, users, features))


def _to_batch(
    impressions: Impressions,
    bounds: Ints,
    shard: Shard,
    item_ids: pa.Array,
    users: pa.Array,
    features: Mapping[str, pa.Array],
) -> pa.RecordBatch:
    first = impressions.take(bounds[:-1])
    history, history_offsets = ranges(first.start, first.stop)
    targets, target_offsets = ranges(first.target, first.end)
    history, targets = shard.history[history], shard.history[targets]
    items, user = shard.sequences.items, pa.array(first.user)
    columns = {
        schema.USER_ID: one_each(users.take(user)),
        schema.ITEM: lists(bounds, item_ids.take(pa.array(impressions.item))),
        schema.HISTORY: lists(history_offsets, item_ids.take(pa.array(items[history]))),
        schema.HISTORY_TIME: lists(history_offsets, pa.array(shard.sequences.times[history])),
        schema.HISTORY_BUCKET: one_each(history_buckets(first.stop - first.start)),
        schema.TARGETS: lists(target_offsets, item_ids.take(pa.array(items[targets]))),
    }
    for task in shard.positive:
        positive, counts = shard.label(impressions, task)
        columns[schema.label_feature(task)] = lists(bounds, pa.array(positive.astype(np.float32)))
        columns[schema.weight_feature(task)] = lists(bounds, pa.array(counts.astype(np.float32)))
    for name, values in features.items():
        columns[name] = as_bytes(values.take(user))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
