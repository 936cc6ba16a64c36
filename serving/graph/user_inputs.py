"""User inputs of a served model, for either family."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from serving.bundle.manifest import Padding
from trainer.data import schema
from trainer.ranking.checks import Check, assert_all

_PADDING = {tf.string: "", tf.float32: float("nan")}
MOST_VALUES = 1 << 20
"""Of a feature of a batch of tf.Examples, padded to the longest: one long list among many rows takes any memory."""


class UserInputs:
    """The inputs that every signature shares.

    Args:
      user_features: profile feature -> ``categorical`` or ``numeric``.
    """

    def __init__(self, user_features: Mapping[str, str]) -> None:
        self._names = tuple(user_features)
        self._types = {
            schema.HISTORY: tf.string,
            schema.HISTORY_TIME: tf.int64,
            **{
                schema.user_feature(name): tf.string if kind == "categorical" else tf.float32
                for name, kind in user_features.items()
            },
        }

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Input of a signature -> its type, [B, any]."""
        return {name: tf.TensorSpec([None, None], dtype, name=name) for name, dtype in self._types.items()}

    def batching(self) -> list[dict[str, Padding]]:
        """What each input may be padded with in a batch; see :class:`serving.bundle.manifest.SignatureBatching`."""
        history: dict[str, Padding] = {schema.HISTORY: "empty", schema.HISTORY_TIME: "zero"}
        features: list[dict[str, Padding]] = [
            {name: "empty" if dtype == tf.string else "nan"}
            for name, dtype in self._types.items()
            if name not in history
        ]
        return [history, *features]

    def of_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """The inputs out of serialized tf.Examples (string [B]) with the raw features of trainer/data/schema.py,
        padded."""
        spec = {name: tf.io.VarLenFeature(dtype) for name, dtype in self._types.items()}
        parsed = {
            name: tf.RaggedTensor.from_sparse(value) for name, value in tf.io.parse_example(examples, spec).items()
        }
        fits = assert_all([_fits_padded(name, lists) for name, lists in parsed.items()])
        with tf.control_dependencies([fits]):
            parsed = {name: tf.identity(lists) for name, lists in parsed.items()}
        history = parsed.pop(schema.HISTORY).to_tensor()
        # Times may be left out, for one row or for all.
        times = parsed.pop(schema.HISTORY_TIME).to_tensor(shape=tf.stack([-1, tf.shape(history, tf.int64)[1]]))
        features = {name: value.to_tensor(_PADDING[value.dtype]) for name, value in parsed.items()}
        return {schema.HISTORY: history, schema.HISTORY_TIME: times, **features}

    def by_name(self, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Inputs ``user_<name>`` by the names of the profile features, as the trained ``encode`` takes them."""
        return {name: features[schema.user_feature(name)] for name in self._names}

    def finite(self, features: Mapping[str, tf.Tensor]) -> list[Check]:
        """No number of a call is infinite; NaN is padding.

        Args:
          features: inputs ``user_<name>``.
        """
        names = [name for name in map(schema.user_feature, self._names) if self._types[name] == tf.float32]
        return [_finite(name, features[name]) for name in names]


def _finite(name: str, values: tf.Tensor) -> Check:
    return Check(
        ~tf.reduce_any(tf.math.is_inf(values)),
        lambda: [f"{name} should be finite, or NaN where it is missing. Received:", values],
    )


def _fits_padded(name: str, lists: tf.RaggedTensor) -> Check:
    longest = tf.reduce_max(tf.concat([lists.row_lengths(), [0]], axis=0))
    rows = lists.nrows()
    return Check(
        rows * longest <= MOST_VALUES,
        lambda: [f"{name} should have at most {MOST_VALUES} values, rows times the longest. Received:", rows, longest],
    )


def aligned(history: tf.Tensor, history_time: tf.Tensor) -> Check:
    """A call's history and times have the same shape."""
    rows, times = tf.shape(history), tf.shape(history_time)
    return Check(
        tf.reduce_all(rows == times),
        lambda: ["history and history_time should have the same shape. Received:", rows, times],
    )


def as_many_rows(name: str, values: tf.Tensor, history: tf.Tensor) -> Check:
    """A call's input ``name`` is for as many users as its history."""
    rows, users = tf.shape(values)[0], tf.shape(history)[0]
    return Check(rows == users, lambda: [f"{name} should have as many rows as history. Received:", rows, users])


def in_range(k: tf.Tensor, largest: int) -> Check:
    """A call asks for 1 to ``largest``."""
    return Check((k >= 1) & (k <= largest), lambda: [f"k should be between 1 and {largest}. Received:", k])


def checked(tensors: Sequence[tf.Tensor], checks: Sequence[Check]) -> list[tf.Tensor]:
    """The inputs of a call, behind its checks: a less telling error of a later operation would come first."""
    with tf.control_dependencies([assert_all(checks)]):
        return [tf.identity(tensor) for tensor in tensors]
