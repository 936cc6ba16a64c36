"""Metrics of answers to test impressions, apart from the pipeline's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

CUTOFFS = (1, 3, 5, 10)
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Examples:
    """The test impressions, in their order.

    Attributes:
      users, items: ids [N].
      labels, weights: task -> [N].
    """

    users: np.ndarray
    items: np.ndarray
    labels: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]


def read(serialized: Sequence[Any], tasks: Sequence[str]) -> Examples:
    """Parses batches of serialized raw examples."""
    import tensorflow as tf

    from trainer.data import schema

    floats = [feature(task) for task in tasks for feature in (schema.label_feature, schema.weight_feature)]
    spec: dict[str, Any] = {name: tf.io.FixedLenFeature([1], tf.float32) for name in floats}
    spec |= {name: tf.io.FixedLenFeature([1], tf.string) for name in (schema.USER_ID, schema.ITEM)}
    parsed = [tf.io.parse_example(batch, spec) for batch in serialized]
    columns = {name: np.concatenate([part[name].numpy()[:, 0] for part in parsed]) for name in spec}
    return Examples(
        users=columns[schema.USER_ID].astype(str),
        items=columns[schema.ITEM].astype(str),
        labels={task: columns[schema.label_feature(task)] for task in tasks},
        weights={task: columns[schema.weight_feature(task)] for task in tasks},
    )


def first_of_each_user(users: np.ndarray) -> np.ndarray:
    """The places of the first example of each user: int [U]."""
    return np.unique(users, return_index=True)[1]


def metrics(answers: Mapping[str, np.ndarray], examples: Examples) -> dict[str, float]:
    """``auc_<task>`` and ``log_loss_<task>`` over the labels that count, of each task that is answered, and the means
    over users of ``precision_at_<k>`` and ``popularity_precision_at_<k>``.

    Args:
      answers: task -> probabilities [N], and the precisions [N] with NaN where there is none.
      examples: what the answers are to.
    """
    found = {}
    for task, labels in examples.labels.items():
        if task in answers:
            counts = examples.weights[task] > 0
            expected, given = labels[counts], np.clip(answers[task][counts], _SMALLEST, 1 - _SMALLEST)
            found[f"auc_{task}"] = float(roc_auc_score(expected, given))
            found[f"log_loss_{task}"] = float(log_loss(expected, given))
            found[f"positive_{task}"] = float(expected.sum())
    for k in CUTOFFS:
        for name in (f"precision_at_{k}", f"popularity_precision_at_{k}"):
            if name in answers:
                found[name] = float(np.nanmean(answers[name]))
    return found
