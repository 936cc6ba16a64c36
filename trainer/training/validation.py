"""Validation metrics of retrieval models during training."""

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import tensorflow as tf

from trainer.data import schema
from trainer.data.sequences import Batch
from trainer.metrics import table
from trainer.metrics.exposure import Exposure
from trainer.metrics.interest_health import OWN_LENGTH, mean_jaccard
from trainer.metrics.ranking import rank_metrics
from trainer.metrics.user_metrics import own_lists
from trainer.models.retrieval.base import RetrievalModel
from trainer.ranking.fair_ranking import Candidates, Columns, computed, fair_ranking, kept, of_kept

OVERLAP_USERS = 256
"""Users whose interests are compared at each validation, rounded up to a batch: a standard error of about .01."""

MOST_KEPT = 1 << 24
"""Numbers of all item vectors together (64 MB) up to which they are computed once a validation. Training's memory is
mostly the item table and the optimiser's two of the same size; beyond this a fourth is not made."""


class Validator:
    """Mean ranking metrics of a model over held-out users, seen items kept, whole catalogue scored.

    Args:
      model: a built model.
      cutoffs: the N to report.
      most_kept: up to how many numbers item vectors are computed once and kept, not chunk by chunk for each batch.
    """

    watched: ClassVar[str] = table.RECALL
    title: ClassVar[str] = table.title(table.RECALL)

    def __init__(self, model: RetrievalModel, cutoffs: tuple[int, ...] = (50,), most_kept: int = MOST_KEPT) -> None:
        self._model, self._cutoffs, self._most_kept = model, cutoffs, most_kept
        self._step = tf.function(self._batch_metrics, reduce_retracing=True, autograph=False)
        self._compare = tf.function(self._overlap, reduce_retracing=True, autograph=False)

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Means over all users of ``batches`` (trainer.data.sequences.evaluation_dataset).

        Of a model of several interests their overlap as well, over the first users. What is computed of all users
        together, at the cut-offs that the table of metrics has of it.

        Raises:
          ValueError: there are no users.
        """
        keep = self._model.num_items * self._model.vector_width <= self._most_kept
        items = kept(self._model.num_items, self._model.candidates) if keep else None
        totals: dict[str, float] = {}
        overlaps: list[float] = []
        shown = {n: Exposure() for n in self._cutoffs}
        users = 0
        for batch in batches:
            if self._model.served_interests > 1 and users < OVERLAP_USERS:
                overlaps += self._compare(batch, items).numpy().tolist()
            users += int(batch[schema.HISTORY].shape[0])
            metrics, listed = self._step(batch, items)
            for name, values in metrics.items():
                totals[name] = totals.get(name, 0.0) + float(tf.reduce_sum(values))
            for n, exposure in shown.items():
                exposure.add(listed.numpy()[:, :n])
        if not users:
            raise ValueError("The validation split holds no users.")
        overlaps = [value for value in overlaps if not math.isnan(value)]
        of_interests = {table.OVERLAP: sum(overlaps) / len(overlaps)} if overlaps else {}
        return {name: total / users for name, total in totals.items()} | of_interests | self._together(shown)

    def _together(self, shown: Mapping[int, Exposure]) -> dict[str, float]:
        values = {
            name: table.together(name, shown[n].counts(self._model.num_items))
            for metric in table.TABLE
            if metric.combine is not None
            for name, n in metric.names.items()
            if n in shown
        }
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def _batch_metrics(self, batch: Batch, items: Candidates | None) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        ranking = fair_ranking(
            *self._interests(batch),
            self._model.num_items,
            self._columns(items),
            batch[schema.TARGETS],
            max(self._cutoffs),
            temperature=self._model.ranking_temperature,
        )
        return rank_metrics(ranking.better, ranking.tied, batch[schema.TARGETS], self._cutoffs), ranking.top.indices

    def _overlap(self, batch: Batch, items: Candidates | None) -> tf.Tensor:
        interests, active = self._interests(batch)
        nothing = tf.zeros([tf.shape(interests)[0], 0], tf.int64)
        own = own_lists(interests, active, nothing, self._model.num_items, self._columns(items), OWN_LENGTH)
        return mean_jaccard(own.top.indices, active)

    def _interests(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        encoding = self._model.encode_last(batch)
        return tf.cast(encoding.interests[:, 0], tf.float32), encoding.interest_mask[:, 0]

    def _columns(self, items: Candidates | None) -> Columns:
        return of_kept(items) if items is not None else computed(self._model.num_items, self._model.candidates)
