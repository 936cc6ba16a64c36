"""The metrics that training watches."""

from collections.abc import Iterable

import tensorflow as tf

from trainer import schema
from trainer.input_pipeline import Batch
from trainer.metrics.ranking import ranking_metrics
from trainer.models.base import RetrievalModel
from trainer.models.profile_base import ProfileModel
from trainer.models.registry import Model
from trainer.profile_validation import ProfileValidator
from trainer.retrieval import exact_top_k


def validator_of(model: Model) -> "Validator | ProfileValidator":
    """The validator of a model of this kind."""
    return ProfileValidator(model) if isinstance(model, ProfileModel) else Validator(model)


class Validator:
    """Mean ranking metrics of a model over held-out users, seen items kept, whole catalogue scored.

    Args:
      model: a built model.
      cutoffs: the N to report.
    """

    watched, title = "recall_at_50", "Recall@50"

    def __init__(self, model: RetrievalModel, cutoffs: tuple[int, ...] = (50,)) -> None:
        self._model, self._cutoffs = model, cutoffs
        self._step = tf.function(self._batch_metrics, reduce_retracing=True)

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Means over all users of ``batches`` (trainer.input_pipeline.evaluation_dataset).

        Raises:
          ValueError: there are no users.
        """
        vectors = self._model.item_vectors()
        totals: dict[str, float] = {}
        users = 0
        for batch in batches:
            users += int(batch[schema.HISTORY].shape[0])
            for name, values in self._step(batch, vectors).items():
                totals[name] = totals.get(name, 0.0) + float(tf.reduce_sum(values))
        if not users:
            raise ValueError("The validation split holds no users.")
        return {name: total / users for name, total in totals.items()}

    def _batch_metrics(self, batch: Batch, vectors: tf.Tensor) -> dict[str, tf.Tensor]:
        encoding = self._model.encode_last(batch)
        interests = tf.cast(encoding.interests[:, 0], tf.float32)
        top = exact_top_k(interests, encoding.interest_mask[:, 0], vectors, max(self._cutoffs))
        return ranking_metrics(top.indices, batch[schema.TARGETS], self._cutoffs)
