"""The metrics that training watches."""

from collections.abc import Iterable

import tensorflow as tf

from trainer import schema
from trainer.fair_ranking import Candidates, computed, fair_ranking, kept, of_kept
from trainer.input_pipeline import Batch
from trainer.metrics.ranking import rank_metrics
from trainer.models.base import RetrievalModel
from trainer.models.profile_base import ProfileModel
from trainer.models.registry import Model
from trainer.profile_validation import ProfileValidator

MOST_KEPT = 1 << 24
"""Numbers of all item vectors together (64 MB) up to which they are computed once a validation. Training's memory is
mostly the item table and the optimiser's two of the same size; beyond this a fourth is not made."""


def validator_of(model: Model) -> "Validator | ProfileValidator":
    """The validator of a model of this kind."""
    return ProfileValidator(model) if isinstance(model, ProfileModel) else Validator(model)


class Validator:
    """Mean ranking metrics of a model over held-out users, seen items kept, whole catalogue scored.

    Args:
      model: a built model.
      cutoffs: the N to report.
      most_kept: up to how many numbers item vectors are computed once and kept, not chunk by chunk for each batch.
    """

    watched, title = "recall_at_50", "Recall@50"

    def __init__(self, model: RetrievalModel, cutoffs: tuple[int, ...] = (50,), most_kept: int = MOST_KEPT) -> None:
        self._model, self._cutoffs, self._most_kept = model, cutoffs, most_kept
        self._step = tf.function(self._batch_metrics, reduce_retracing=True, autograph=False)

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Means over all users of ``batches`` (trainer.input_pipeline.evaluation_dataset).

        Raises:
          ValueError: there are no users.
        """
        keep = self._model.num_items * self._model.vector_width <= self._most_kept
        items = kept(self._model.num_items, self._model.candidates) if keep else None
        totals: dict[str, float] = {}
        users = 0
        for batch in batches:
            users += int(batch[schema.HISTORY].shape[0])
            for name, values in self._step(batch, items).items():
                totals[name] = totals.get(name, 0.0) + float(tf.reduce_sum(values))
        if not users:
            raise ValueError("The validation split holds no users.")
        return {name: total / users for name, total in totals.items()}

    def _batch_metrics(self, batch: Batch, items: Candidates | None) -> dict[str, tf.Tensor]:
        encoding = self._model.encode_last(batch)
        interests = tf.cast(encoding.interests[:, 0], tf.float32)
        ranking = fair_ranking(
            interests,
            encoding.interest_mask[:, 0],
            self._model.num_items,
            of_kept(items) if items is not None else computed(self._model.num_items, self._model.candidates),
            batch[schema.TARGETS],
            max(self._cutoffs),
        )
        return rank_metrics(ranking.better, ranking.tied, batch[schema.TARGETS], self._cutoffs)
