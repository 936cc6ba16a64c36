"""Converts raw values of a request or example to model features, through Transform's graph."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema
from trainer.data.preprocessing import padded, to_the_front


class RawFeatures(tf.Module):
    """Transform's graph for serving: what a user is told by, in; the model's features, out.

    Args:
      transform: the output of TFX's Transform; its graph becomes part of the module.
      user_features: profile feature -> ``categorical`` or ``numeric``.
    """

    def __init__(self, transform: tft.TFTransformOutput, user_features: Mapping[str, str]) -> None:
        super().__init__()
        self.user_features = dict(user_features)
        self._spec = transform.raw_feature_spec()
        self._transform = transform.transform_features_layer()

    @property
    def signature(self) -> list[Any]:
        """Input signature of a function with the arguments of :meth:`of_request`."""
        return [
            tf.TensorSpec([None, None], tf.string, name=schema.HISTORY),
            tf.TensorSpec([None, None], tf.int64, name=schema.HISTORY_TIME),
            {
                name: tf.TensorSpec(
                    [None, None], tf.string if kind == "categorical" else tf.float32, name=schema.user_feature(name)
                )
                for name, kind in self.user_features.items()
            },
        ]

    def of_request(
        self, history: tf.Tensor, history_time: tf.Tensor, user_features: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.SparseTensor]:
        """Raw features by name, without the padding.

        Args:
          history: string [B, S], oldest first, padded with "".
          history_time: int64 [B, S], seconds.
          user_features: name -> string [B, M] padded with "", or float32 [B, M] padded with NaN.
        """
        present = history != ""
        raw = {schema.HISTORY: _those(history, present), schema.HISTORY_TIME: _those(history_time, present)}
        for name, values in user_features.items():
            told = values != "" if values.dtype == tf.string else tf.math.is_finite(values)
            raw[schema.user_feature(name)] = _those(values, told)
        return raw

    def of_examples(self, examples: tf.Tensor, others: tuple[str, ...]) -> dict[str, tf.SparseTensor]:
        """Raw features by name.

        Args:
          examples: string [B], serialized raw examples.
          others: names of features wanted beside those of the user.
        """
        names = [schema.HISTORY, schema.HISTORY_TIME, *others, *map(schema.user_feature, self.user_features)]
        spec = {name: tf.io.VarLenFeature(self._spec[name].dtype) for name in names}
        return dict(tf.io.parse_example(examples, spec))

    def transformed(self, raw: Mapping[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        """The model's features; sparse ones padded with 0."""
        features = self._transform({name: self._as_expected(name, value) for name, value in raw.items()})
        return {name: padded(value) for name, value in features.items()}

    def _as_expected(self, name: str, values: tf.SparseTensor) -> Any:
        """Transform's graph was traced with sparse or dense inputs, as the data's schema said."""
        if isinstance(self._spec[name], tf.io.VarLenFeature):
            return values
        return to_the_front(values).to_tensor(shape=[None, *self._spec[name].shape])


def _those(values: tf.Tensor, present: tf.Tensor) -> tf.SparseTensor:
    """The values [B, M] that are present, where they stand."""
    places = tf.where(present)
    return tf.SparseTensor(places, tf.gather_nd(values, places), tf.shape(values, tf.int64))
