"""Paired differences between a model and its two-tower baseline, by user."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.data import schema
from trainer.metrics import table
from trainer.metrics.table import HISTORY_DIVERSITY

FILE = "comparison.json"
"""In the folder of the artifact."""

EVERYBODY, DIVERSE, FOCUSED = "all", "diverse", "focused"
HISTORY = "history "
"""In front of a history's bucket, the name of the slice of its users."""

_BATCH = 256


@dataclass(frozen=True)
class Paired:
    """A metric of both models over the users of a slice who have a value.

    Attributes:
      users: how many.
      model: mean of the model.
      baseline: mean of the single vector.
      difference: mean over users of model minus baseline.
      error: standard error of the difference over users; None for fewer than two.
    """

    users: int
    model: float
    baseline: float
    difference: float
    error: float | None


@dataclass(frozen=True)
class Comparison:
    """What a model gains over the single vector, or loses.

    Attributes:
      users: number of test users.
      page_rows: rows of the pages of shelf recall: vectors of a user of the model.
      slices: ``all``, ``diverse`` and ``focused`` (the thirds of the users with the most and the least diverse
        histories), and ``history <bucket>`` -> metric -> both models.
    """

    users: int
    page_rows: int
    slices: Mapping[str, Mapping[str, Paired]]

    def to_json(self) -> str:
        """See :func:`read`."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read(path: str) -> Comparison:
    """Reads what :meth:`Comparison.to_json` wrote."""
    with tf.io.gfile.GFile(path) as file:
        content = json.load(file)
    slices = {
        name: {metric: Paired(**values) for metric, values in metrics.items()}
        for name, metrics in content.pop("slices").items()
    }
    return Comparison(slices=slices, **content)


def compare(model: str, baseline: str, files: Sequence[str]) -> Comparison:
    """Measures both models on the same users.

    Args:
      model: folder of the trainer's SavedModel.
      baseline: of the single vector.
      files: TFRecord files (gzip) of raw examples.
    """
    loaded = tf.saved_model.load(model)
    page_rows = int(loaded.served_interests)
    first = _per_user(loaded, files, page_rows)
    del loaded
    second = _per_user(tf.saved_model.load(baseline), files, page_rows)
    buckets = _buckets(files)
    # One diversity for both, so that both are measured on the same users: without categories it is made of vectors.
    focused, diverse = thirds(second[HISTORY_DIVERSITY])
    slices = {EVERYBODY: np.ones(len(buckets), bool), DIVERSE: diverse, FOCUSED: focused}
    slices |= {HISTORY + name: buckets == name for name in sorted(set(buckets.tolist()))}
    return Comparison(
        len(buckets), page_rows, {name: paired(first, second, users) for name, users in slices.items() if users.any()}
    )


def paired(
    model: Mapping[str, npt.NDArray[np.floating[Any]]],
    baseline: Mapping[str, npt.NDArray[np.floating[Any]]],
    users: npt.NDArray[np.bool_],
) -> dict[str, Paired]:
    """Means, differences and standard errors of all metrics of lists that both have and each user has.

    Args:
      model: metric -> a value of each user, NaN for none.
      baseline: the same.
      users: bool, whom to count.
    """
    found = {}
    for name in table.model_metrics(filtered=True):
        if name not in model or name not in baseline or not table.paired(name):
            continue
        ours, theirs = (np.asarray(values[name], np.float64)[users] for values in (model, baseline))
        both = ~(np.isnan(ours) | np.isnan(theirs))
        if not (number := int(both.sum())):
            continue
        difference = ours[both] - theirs[both]
        error = float(difference.std(ddof=1) / np.sqrt(number)) if number > 1 else None
        found[name] = Paired(
            number, float(ours[both].mean()), float(theirs[both].mean()), float(difference.mean()), error
        )
    return found


def thirds(diversity: npt.NDArray[np.floating[Any]]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The third of the users with the lowest values and the third with the highest: bool each.

    Users without a value (NaN) are in neither. Equal values are divided at random, always alike.
    """
    known = np.flatnonzero(~np.isnan(diversity))
    shuffled = np.random.default_rng(0).permutation(known)
    ascending = shuffled[np.argsort(diversity[shuffled], kind="stable")]
    size = len(known) // 3
    lowest, highest = np.zeros(len(diversity), bool), np.zeros(len(diversity), bool)
    lowest[ascending[:size]] = True
    highest[ascending[len(ascending) - size :]] = True
    return lowest, highest


def _per_user(loaded: Any, files: Sequence[str], page_rows: int) -> dict[str, npt.NDArray[np.floating[Any]]]:
    values: dict[str, list[npt.NDArray[np.floating[Any]]]] = {}
    for examples in _examples(files):
        for name, value in loaded.evaluate_beside(examples, tf.constant(page_rows)).items():
            if value.dtype.is_floating:  # Not what each user is shown: there is no difference of it.
                values.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _buckets(files: Sequence[str]) -> npt.NDArray[np.str_]:
    """The name of the history's bucket of each user."""
    spec = {schema.HISTORY_BUCKET: tf.io.FixedLenFeature([], tf.string, "")}
    parts = [tf.io.parse_example(examples, spec)[schema.HISTORY_BUCKET].numpy() for examples in _examples(files)]
    return np.char.decode(np.concatenate(parts).astype(bytes))


def _examples(files: Sequence[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(sorted(files), compression_type="GZIP").batch(_BATCH)
