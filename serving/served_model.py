"""The graph of a served model: raw ids in, raw ids out."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from serving.index import Index
from serving.manifest import SignatureBatching
from serving.served_names import EXPLAIN, RECOMMEND, SERVING_DEFAULT, USER_INTERESTS
from serving.user_inputs import UserInputs, aligned, as_many_rows
from trainer import schema
from trainer.diversity import diversify, diversity_pool
from trainer.retrieval import TopK, because, merge_interest_lists
from trainer.vocabulary_file import line_numbers


class UserTower(tf.Module):
    """The trained ``encode`` and the variables and tables that it uses, and nothing else of the trained model.

    Args:
      trained: the trainer's SavedModel, loaded.
    """

    def __init__(self, trained: Any) -> None:
        super().__init__()
        self.encode = trained.encode
        captured = {id(tensor) for function in trained.encode.concrete_functions for tensor in function.captured_inputs}
        self.resources = [
            node
            for node in tf.train.TrackableView(trained).descendants()
            if id(getattr(node, "handle", None)) in captured or id(getattr(node, "resource_handle", None)) in captured
        ]


class ServedModel(tf.Module):
    """Recommends items to users given by their raw history; see :meth:`recommend`.

    Args:
      trained: the trainer's SavedModel, loaded: ``encode``, ``item_ids`` [N], ``item_counts`` [N] and
        ``item_category`` [N].
      index: of the same items.
      vocabulary_file: the item ids, a line each, in the order of the items; becomes an asset.
      user_features: profile feature -> ``categorical`` or ``numeric``.
      default_k: items in an answer of ``serving_default``.
      max_k: largest k of a request.
    """

    def __init__(
        self,
        trained: Any,
        index: Index,
        vocabulary_file: str,
        user_features: Mapping[str, str],
        default_k: int,
        max_k: int,
    ) -> None:
        super().__init__()
        self.tower, self.index = UserTower(trained), index
        self.item_ids, self.item_counts, self.item_category = (
            trained.item_ids,
            trained.item_counts,
            trained.item_category,
        )
        self.index_of = line_numbers(vocabulary_file)
        self.default_k, self.max_k = default_k, max_k
        self._inputs = UserInputs(user_features)

    def signatures(self) -> dict[str, Callable]:
        """The functions to save, by the name of their signature."""
        user = self._inputs.specs()
        request = {
            "exclude": tf.TensorSpec([None, None], tf.string, name="exclude"),
            "exclude_history": tf.TensorSpec([], tf.bool, name="exclude_history"),
            "k": tf.TensorSpec([], tf.int32, name="k"),
            "diversity": tf.TensorSpec([], tf.float32, name="diversity"),
        }
        examples = tf.TensorSpec([None], tf.string, name="examples")
        return {
            RECOMMEND: tf.function(self.recommend).get_concrete_function(**user, **request),
            SERVING_DEFAULT: tf.function(self.recommend_examples).get_concrete_function(examples),
            USER_INTERESTS: tf.function(self.user_interests).get_concrete_function(**user),
            EXPLAIN: tf.function(self.explain).get_concrete_function(
                **user, items=tf.TensorSpec([None, None], tf.string, name="items")
            ),
        }

    def batching(self) -> dict[str, SignatureBatching]:
        """How requests of each signature may be joined."""
        user = self._inputs.batching()
        return {
            RECOMMEND: SignatureBatching(inputs=[*user, {"exclude": "empty"}]),
            SERVING_DEFAULT: SignatureBatching(inputs=[{"examples": "none"}]),
            USER_INTERESTS: SignatureBatching(inputs=user),
            # An answer is as wide as ``items``.
            EXPLAIN: SignatureBatching(inputs=[*user, {"items": "none"}]),
        }

    def recommend(
        self,
        history: tf.Tensor,
        history_time: tf.Tensor,
        exclude: tf.Tensor,
        exclude_history: tf.Tensor,
        k: tf.Tensor,
        diversity: tf.Tensor,
        **user_features: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The k best items of each user.

        Args:
          history: string [B, S], item ids, oldest first, padded with "". Unknown ids are ignored.
          history_time: int64 [B, S], seconds since 1970, 0 where unknown.
          exclude: string [B, E], item ids not to return, padded with "".
          exclude_history: bool, whether the items of ``history`` are excluded too: all of them, also those
            before the last T, which the model does not look at.
          k: int32, 1 to ``max_k``.
          diversity: float32, 0 or more; see :func:`trainer.diversity.diversify`.
          **user_features: ``user_<name>``, string [B, M] padded with "", or float32 [B, M].

        Returns:
          ``item_ids`` string [B, k]; ``scores`` float32 [B, k], largest inner product over the interests;
          ``interest`` int32 [B, k], the interest it came from; ``because`` string [B, k], the history item that
          adds most to the score, "" if there is none; ``valid`` bool [B, k], false for the places that are
          left when fewer than k items can be returned (id "", score -inf); ``fallback`` bool [B], true for a
          user of whom no item is known, who gets the items most frequent in training, scored by their frequency.

        Raises:
          tf.errors.InvalidArgumentError: k or diversity is out of range, or the shapes do not fit each other.
        """
        with tf.control_dependencies(self._checks(history, history_time, exclude, k, diversity)):
            # Behind the checks, or a less telling error of a later operation may come first.
            history, history_time, exclude, k = map(tf.identity, (history, history_time, exclude, k))
        encoded = self._encode(history, history_time, user_features)
        seen = tf.where(exclude_history, self.index_of.lookup(history), tf.constant(-1, tf.int64))
        excluded = tf.concat([self.index_of.lookup(exclude), seen], axis=1)
        pool = self.index.search(encoded["interests"], encoded["interest_mask"], diversity_pool(k, diversity), excluded)
        found = diversify(pool, self.item_category, diversity, k)
        known = tf.reduce_any(encoded["history"] > 0, axis=1) & tf.reduce_any(encoded["interest_mask"], axis=1)
        fallback = ~known
        found = tf.cond(
            tf.reduce_any(fallback),
            lambda: TopK(*map(lambda p, f: tf.where(fallback[:, tf.newaxis], p, f), self._popular(excluded, k), found)),
            lambda: found,
        )
        valid = found.indices >= 0
        looked_at, recommended = (
            self.index.vectors(tf.cast(tf.maximum(rows, 0), tf.int32))
            for rows in (encoded["history"] - 1, found.indices)
        )
        reason = because(encoded["attribution"], encoded["history"], found.interest, looked_at, recommended)
        reason = tf.where(valid & known[:, tf.newaxis], tf.cast(reason, tf.int32), -1)
        return {
            "item_ids": self._ids(found.indices),
            "scores": found.scores,
            "interest": found.interest,
            "because": self._ids(reason),
            "valid": valid,
            "fallback": fallback,
        }

    def recommend_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """As :meth:`recommend`, with nothing excluded, no diversity and k = ``default_k``.

        Args:
          examples: string [B], serialized tf.Examples with the raw features of trainer/schema.py.
        """
        user = self._inputs.of_examples(examples)
        return self.recommend(
            **user,
            exclude=tf.fill([tf.shape(user[schema.HISTORY])[0], 0], ""),
            exclude_history=tf.constant(False),
            k=tf.constant(self.default_k),
            diversity=tf.constant(0.0),
        )

    def user_interests(
        self, history: tf.Tensor, history_time: tf.Tensor, **user_features: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The users' vectors: ``interests`` float32 [B, K, D] and ``interest_mask`` bool [B, K]."""
        encoded = self._encode(history, history_time, user_features)
        return {"interests": encoded["interests"], "interest_mask": encoded["interest_mask"]}

    def explain(
        self, history: tf.Tensor, history_time: tf.Tensor, items: tf.Tensor, **user_features: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Why given items would be recommended to each user, or not.

        Args:
          history: as of :meth:`recommend`.
          history_time: as of :meth:`recommend`.
          items: string [B, M], item ids, padded with "".
          **user_features: as of :meth:`recommend`.

        Returns:
          ``known`` bool [B, M]; ``interest_scores`` float32 [B, M, K], inner product with each interest, -inf for an
          inactive one or an unknown item; ``interest`` int32 [B, M], the one with the largest, -1 where there is
          none; ``looked_at`` string [B, T], the items of the history that the model saw, "" behind the last;
          ``weights`` float32 [B, M, T], how much each of them weighs in that interest.

        Raises:
          tf.errors.InvalidArgumentError: the shapes do not fit each other.
        """
        with tf.control_dependencies([aligned(history, history_time), as_many_rows("items", items, history)]):
            history, history_time, items = map(tf.identity, (history, history_time, items))
        encoded = self._encode(history, history_time, user_features)
        numbers = self.index_of.lookup(items)
        known = numbers >= 0
        vectors = self.index.vectors(tf.cast(tf.maximum(numbers, 0), tf.int32))
        scores = tf.einsum("bkd,bmd->bmk", encoded["interests"], vectors)
        possible = known[..., tf.newaxis] & encoded["interest_mask"][:, tf.newaxis]
        scores = tf.where(possible, scores, -float("inf"))
        any_possible = tf.reduce_any(possible, axis=2)
        winner = tf.argmax(scores, axis=2, output_type=tf.int32)
        weights = tf.gather(encoded["attribution"], winner, batch_dims=1)
        return {
            "known": known,
            "interest_scores": scores,
            "interest": tf.where(any_possible, winner, -1),
            "looked_at": self._ids(encoded["history"] - 1),
            "weights": tf.where(any_possible[..., tf.newaxis], weights, 0.0),
        }

    def _encode(
        self, history: tf.Tensor, history_time: tf.Tensor, features: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        return self.tower.encode(history, history_time, self._inputs.by_name(features))

    def _popular(self, excluded: tf.Tensor, k: tf.Tensor) -> TopK:
        """The most frequent items, for all rows; the items are stored in that order."""
        fetch = tf.minimum(k + tf.shape(excluded)[1], tf.shape(self.item_counts)[0])
        shape = [tf.shape(excluded)[0], 1, fetch]
        indices = tf.broadcast_to(tf.range(fetch), shape)
        counts = tf.broadcast_to(tf.cast(self.item_counts[:fetch], tf.float32), shape)
        return merge_interest_lists(indices, counts, tf.fill(shape[:2], True), k, excluded)

    def _ids(self, indices: tf.Tensor) -> tf.Tensor:
        return tf.where(indices >= 0, tf.gather(self.item_ids, tf.maximum(indices, 0)), "")

    def _checks(
        self, history: tf.Tensor, history_time: tf.Tensor, exclude: tf.Tensor, k: tf.Tensor, diversity: tf.Tensor
    ) -> list[tf.Operation]:
        return [
            tf.debugging.Assert(
                (k >= 1) & (k <= self.max_k), [f"k should be between 1 and {self.max_k}. Received:", k]
            ),
            tf.debugging.Assert(diversity >= 0.0, ["diversity should be 0 or more. Received:", diversity]),
            aligned(history, history_time),
            as_many_rows("exclude", exclude, history),
        ]
