"""Served graph of a tag-profile model: a raw user in, liked tags out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from serving.bundle.manifest import SignatureBatching
from serving.bundle.signatures import SERVING_DEFAULT, TAG_PROFILE, TAG_SCORES
from serving.graph.trained_functions import TrainedFunctions
from serving.graph.user_inputs import UserInputs, aligned, as_many_rows, checked, in_range
from serving.index import Index


class ServedProfile(tf.Module):
    """Describes users given by their raw history and profile features; see :meth:`tag_profile`.

    Args:
      trained: the trainer's SavedModel, loaded: ``encode``, ``tag_names`` [N], ``tag_bias`` [Y], ``task_names`` [Y].
      indexes: one a task, of that task's vectors of the same tags.
      user_features: profile feature -> ``categorical`` or ``numeric``.
      default_k: tags in an answer of ``serving_default``.
      max_k: largest k of a request.
    """

    def __init__(
        self, trained: Any, indexes: Sequence[Index], user_features: Mapping[str, str], default_k: int, max_k: int
    ) -> None:
        super().__init__()
        self.tower, self.indexes = TrainedFunctions(trained), list(indexes)
        self.tag_names, self.task_names, self.tag_bias = trained.tag_names, trained.task_names, trained.tag_bias
        # Not a file with a tag a line: a tag may hold a line break.
        names = trained.tag_names.numpy()
        self.number_of = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(names, tf.range(len(names), dtype=tf.int64)), default_value=-1
        )
        self.default_k, self.max_k = default_k, max_k
        self._inputs = UserInputs(user_features)

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """The functions to save, by the name of their signature."""
        user = self._inputs.specs()
        k, tags = tf.TensorSpec([], tf.int32, name="k"), tf.TensorSpec([None, None], tf.string, name="tags")
        examples = tf.TensorSpec([None], tf.string, name="examples")
        return {
            TAG_PROFILE: tf.function(self.tag_profile, autograph=False).get_concrete_function(**user, k=k),
            TAG_SCORES: tf.function(self.tag_scores, autograph=False).get_concrete_function(**user, tags=tags),
            SERVING_DEFAULT: tf.function(self.profile_examples, autograph=False).get_concrete_function(examples),
        }

    def batching(self) -> dict[str, SignatureBatching]:
        """How requests of each signature may be joined."""
        user, shared = self._inputs.batching(), ["tasks"]
        return {
            TAG_PROFILE: SignatureBatching(inputs=user, shared_outputs=shared),
            # An answer is as wide as ``tags``.
            TAG_SCORES: SignatureBatching(inputs=[*user, {"tags": "none"}], shared_outputs=shared),
            SERVING_DEFAULT: SignatureBatching(inputs=[{"examples": "none"}], shared_outputs=shared),
        }

    def tag_profile(
        self, history: tf.Tensor, history_time: tf.Tensor, k: tf.Tensor, **user_features: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The k tags that each user likes best, for each task.

        Args:
          history: string [B, S], item ids, oldest first, padded with "". Unknown ids are ignored.
          history_time: int64 [B, S], seconds since 1970, 0 where unknown.
          k: int32, 1 to ``max_k``.
          **user_features: ``user_<name>``, string [B, M] padded with "", or float32 [B, M] padded with NaN.

        Returns:
          ``tasks`` string [Y]; ``tags`` string [B, Y, k], best first; ``scores`` float32 [B, Y, k], the probability
          that the user does the task with an item of that tag alone; ``valid`` bool [B, Y, k], false for the places
          that are left when there are fewer than k tags (tag "", score 0); ``fallback`` bool [B], true for a user of
          whom nothing is known, who gets the profile of nobody in particular.

        Raises:
          tf.errors.InvalidArgumentError: k is out of range, or the shapes do not fit each other.
        """
        checks = [aligned(history, history_time), in_range(k, self.max_k), *self._inputs.finite(user_features)]
        history, history_time, k = checked((history, history_time, k), checks)
        encoded = self._encode(history, history_time, user_features)
        vectors, one = encoded["vectors"], tf.ones([tf.shape(history)[0], 1], tf.bool)
        found = [index.search(vectors[:, task, tf.newaxis], one, k) for task, index in enumerate(self.indexes)]
        indices = tf.stack([top.indices for top in found], axis=1)
        valid = indices >= 0
        scores = tf.stack([top.scores for top in found], axis=1) + self.tag_bias[tf.newaxis, :, tf.newaxis]
        return {
            "tasks": tf.identity(self.task_names),
            "tags": tf.where(valid, tf.gather(self.tag_names, tf.maximum(indices, 0)), ""),
            "scores": tf.where(valid, tf.sigmoid(scores), 0.0),
            "valid": valid,
            "fallback": ~encoded["known"],
        }

    def tag_scores(
        self, history: tf.Tensor, history_time: tf.Tensor, tags: tf.Tensor, **user_features: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """What each user thinks of given tags.

        Args:
          history: as of :meth:`tag_profile`.
          history_time: as of :meth:`tag_profile`.
          tags: string [B, M], padded with "".
          **user_features: as of :meth:`tag_profile`.

        Returns:
          ``tasks`` string [Y]; ``scores`` float32 [B, Y, M], as of :meth:`tag_profile`, 0 for an unknown tag;
          ``known`` bool [B, M]; ``fallback`` bool [B].

        Raises:
          tf.errors.InvalidArgumentError: the shapes do not fit each other.
        """
        checks = [
            aligned(history, history_time),
            as_many_rows("tags", tags, history),
            *self._inputs.finite(user_features),
        ]
        history, history_time, tags = checked((history, history_time, tags), checks)
        encoded = self._encode(history, history_time, user_features)
        numbers = self.number_of.lookup(tags)
        known = numbers >= 0
        places = tf.cast(tf.maximum(numbers, 0), tf.int32)
        vectors = tf.stack([index.vectors(places) for index in self.indexes], axis=1)
        scores = tf.einsum("byd,bymd->bym", encoded["vectors"], vectors) + self.tag_bias[tf.newaxis, :, tf.newaxis]
        return {
            "tasks": tf.identity(self.task_names),
            "scores": tf.where(known[:, tf.newaxis], tf.sigmoid(scores), 0.0),
            "known": known,
            "fallback": ~encoded["known"],
        }

    def profile_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """As :meth:`tag_profile`, with k = ``default_k``.

        Args:
          examples: string [B], serialized tf.Examples with the raw features of trainer/data/schema.py.
        """
        return self.tag_profile(**self._inputs.of_examples(examples), k=tf.constant(self.default_k))

    def _encode(
        self, history: tf.Tensor, history_time: tf.Tensor, features: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        encoded: dict[str, tf.Tensor] = self.tower.encode(history, history_time, self._inputs.by_name(features))
        return encoded
