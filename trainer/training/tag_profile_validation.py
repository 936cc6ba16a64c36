"""Validation metrics of tag-profile models during training."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from trainer.data import schema
from trainer.data.sequences import Batch
from trainer.models.tag_profiles.base import ProfileModel

_FEATURES = (schema.label_feature, schema.weight_feature)


class ProfileValidator:
    """AUC of a model over held-out impressions, by task, and the mean over its tasks.

    Args:
      model: a built model.
    """

    watched: ClassVar[str] = "auc"
    title: ClassVar[str] = "AUC"

    def __init__(self, model: ProfileModel) -> None:
        self._model = model
        self._step = tf.function(lambda batch: model.logits(batch)[:, 0], reduce_retracing=True, autograph=False)

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """``auc_<task>``, left out where the labels that count are all equal, and ``auc``, their mean.

        Args:
          batches: of trainer.data.impressions.evaluation_impressions.

        Raises:
          ValueError: there is no task with both labels.
          FloatingPointError: a logit is not a number, so that it has no rank.
        """
        rows = [
            (self._step(batch).numpy(), *(_columns(batch, f, self._model.tasks) for f in _FEATURES))
            for batch in batches
        ]
        by_task = {}
        for column, task in enumerate(self._model.tasks):
            logits, labels, weights = (np.concatenate([row[i][:, column] for row in rows] or [[]]) for i in range(3))
            labels, logits = labels[weights > 0], logits[weights > 0]
            if bad := np.count_nonzero(np.isnan(logits)):
                raise FloatingPointError(
                    f"{bad} of the model's {len(logits)} logits for the task {task!r} on the validation split are not "
                    "numbers. Lower training.learning_rate or set training.clip_norm."
                )
            if len(np.unique(labels)) == 2:
                by_task[f"auc_{task}"] = float(roc_auc_score(labels, logits))
        if not by_task:
            raise ValueError("The validation split holds no task with positive and negative labels.")
        return {**by_task, "auc": float(np.mean(list(by_task.values())))}


def _columns(batch: Batch, feature: Callable[[str], str], tasks: Iterable[str]) -> npt.NDArray[Any]:
    return np.concatenate([batch[feature(task)].numpy() for task in tasks], axis=1)
