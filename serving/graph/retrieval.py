"""Served graph of a retrieval model: raw ids in, raw ids out."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from serving.bundle.manifest import SignatureBatching
from serving.bundle.signatures import EXPLAIN, RECOMMEND, SERVING_DEFAULT, UNMATCHED_FILTERS, USER_INTERESTS
from serving.graph.explanation import explanation
from serving.graph.filter_defaults import FILTERS, with_filter_by_default
from serving.graph.items import Items, ItemVariables
from serving.graph.popularity_fallback import most_frequent, most_frequent_kept
from serving.graph.trained_functions import TrainedFunctions
from serving.graph.user_inputs import UserInputs, aligned, as_many_rows, checked, in_range
from serving.index import Index
from trainer.data import schema
from trainer.data.vocabulary_file import line_numbers
from trainer.ranking.checks import Check
from trainer.ranking.diversity import diversify, diversity_pool
from trainer.ranking.filters import ItemFilter
from trainer.ranking.top_k import TopK, because


class ServedModel(tf.Module):
    """Recommends items to users given by their raw history; see :meth:`recommend`.

    Args:
      trained: has the function ``encode``.
      items: what can be recommended, and what histories may hold.
      index: of the items that can be recommended.
      vocabulary_file: the ids of all items, a line each, in the order of their rows; becomes an asset.
      user_features: profile feature -> ``categorical`` or ``numeric``.
      default_k: items in an answer of ``serving_default``.
      max_k: largest k of a request.
    """

    def __init__(
        self,
        trained: Any,
        items: Items,
        index: Index,
        vocabulary_file: str,
        user_features: Mapping[str, str],
        default_k: int,
        max_k: int,
    ) -> None:
        super().__init__()
        self.tower, self.index = TrainedFunctions(trained), index
        self.items, self.item_filter = ItemVariables(items), ItemFilter(items.attributes)
        self.row_of = line_numbers(vocabulary_file)
        self._constant_components = items.constant_components
        self._num_items, self.default_k, self.max_k = len(items.ids), default_k, max_k
        self._inputs = UserInputs(user_features)

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """The functions to save, by the name of their signature."""
        user = self._inputs.specs()
        request = {
            "exclude": tf.TensorSpec([None, None], tf.string, name="exclude"),
            "exclude_history": tf.TensorSpec([], tf.bool, name="exclude_history"),
            "k": tf.TensorSpec([], tf.int32, name="k"),
            "diversity": tf.TensorSpec([], tf.float32, name="diversity"),
        }
        examples = tf.TensorSpec([None], tf.string, name="examples")
        filters = {name: tf.TensorSpec([None, None], tf.string, name=name) for name in FILTERS}
        # Concrete: saving traces what is not once more, and the file would hold the search again.
        recommend = tf.function(self.recommend, autograph=False).get_concrete_function(**user, **request, **filters)
        of_examples = functools.partial(self.recommend_examples, recommend)
        return {
            RECOMMEND: with_filter_by_default(recommend, {**user, **request}),
            SERVING_DEFAULT: tf.function(of_examples, autograph=False).get_concrete_function(examples),
            USER_INTERESTS: tf.function(self.user_interests, autograph=False).get_concrete_function(**user),
            EXPLAIN: tf.function(self.explain, autograph=False).get_concrete_function(
                **user, items=tf.TensorSpec([None, None], tf.string, name="items")
            ),
        }

    def batching(self) -> dict[str, SignatureBatching]:
        """How requests of each signature may be joined."""
        user = self._inputs.batching()
        return {
            RECOMMEND: SignatureBatching(inputs=[*user, {"exclude": "empty"}], shared_inputs=list(FILTERS)),
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
        allow: tf.Tensor,
        deny: tf.Tensor,
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
          diversity: float32, 0 or more; see :func:`trainer.ranking.diversity.diversify`.
          allow: string [B or 1, F], ``attribute=value``, padded with ""; one row is for all users. Only items are
            returned that have, of every attribute named here, one of its values.
          deny: string [B or 1, G], the same; no item is returned that has one of them.
          **user_features: ``user_<name>``, string [B, M] padded with "", or float32 [B, M].

        Returns:
          ``item_ids`` string [B, k]; ``scores`` float32 [B, k], see :func:`trainer.ranking.top_k.merged_scores`;
          ``interest`` int32 [B, k], the interest that adds most to it; ``because`` string [B, k], the history item that
          adds most to that interest's score, "" if there is none; ``valid`` bool [B, k], false for the places that are
          left when fewer than k items can be returned (id "", score -inf); ``fallback`` bool [B], true for a
          user of whom no item is known, who gets the items most frequent in training, scored by their frequency;
          ``unmatched_filters`` string [B, U], values of ``allow`` and ``deny`` that no item has, as they were written,
          padded with "", U at least 1.

        Raises:
          tf.errors.InvalidArgumentError: k or diversity is out of range, the shapes do not fit each other, or a
            filter names an attribute that no item can have.
        """
        checks = [
            in_range(k, self.max_k),
            Check(
                (diversity >= 0.0) & tf.math.is_finite(diversity),
                lambda: ["diversity should be finite, and 0 or more. Received:", diversity],
            ),
            aligned(history, history_time),
            as_many_rows("exclude", exclude, history),
            *self.item_filter.checks(allow, deny, tf.shape(history)[0]),
            *self._inputs.finite(user_features),
        ]
        history, history_time, exclude, k, allow, deny = checked(
            (history, history_time, exclude, k, allow, deny), checks
        )
        encoded = self._encode(history, history_time, user_features)
        seen = tf.where(exclude_history, self._served_rows(history), tf.constant(-1, tf.int64))
        excluded = tf.concat([self._served_rows(exclude), seen], axis=1)
        filtered = self.item_filter.is_used(allow, deny)
        query = encoded["interests"], encoded["interest_mask"], diversity_pool(k, diversity), excluded
        # A search that filters fetches more.
        pool = tf.cond(
            filtered,
            lambda: self.index.search(*query, self.item_filter.keep(allow, deny)),
            lambda: self.index.search(*query),
        )
        found = diversify(pool, self.items.item_category, diversity, k)
        known = tf.reduce_any(encoded["history"] > 0, axis=1) & tf.reduce_any(encoded["interest_mask"], axis=1)
        fallback = ~known

        def for_strangers() -> TopK:
            counts = self.items.item_counts
            popular = tf.cond(
                filtered,
                lambda: most_frequent_kept(counts, excluded, k, self.item_filter.keep(allow, deny)),
                lambda: most_frequent(counts, excluded, k),
            )
            return TopK(*map(lambda p, f: tf.where(fallback[:, tf.newaxis], p, f), popular, found))

        found = tf.cond(tf.reduce_any(fallback), for_strangers, lambda: found)
        valid = found.indices >= 0
        looked_at, recommended = (
            self._vectors(tf.maximum(rows, 0)) for rows in (encoded["history"] - 1, found.indices)
        )
        # Every item answers a constant component alike: it says nothing of which item of the history weighs most.
        end = -self._constant_components or None
        looked_at, recommended = looked_at[..., :end], recommended[..., :end]
        reason = because(encoded["attribution"], encoded["history"], found.interest, looked_at, recommended)
        reason = tf.where(valid & known[:, tf.newaxis], tf.cast(reason, tf.int32), -1)
        return {
            "item_ids": self._ids(found.indices),
            "scores": found.scores,
            "interest": found.interest,
            "because": self._ids(reason),
            "valid": valid,
            "fallback": fallback,
            UNMATCHED_FILTERS: tf.cond(
                filtered,
                lambda: self.item_filter.unmatched(allow, deny, tf.shape(history)[0]),
                lambda: tf.fill([tf.shape(history)[0], 1], ""),
            ),
        }

    def recommend_examples(
        self, recommend: Callable[..., dict[str, tf.Tensor]], examples: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """As :meth:`recommend`, with nothing excluded or filtered, no diversity and k = ``default_k``.

        Args:
          recommend: :meth:`recommend`.
          examples: string [B], serialized tf.Examples with the raw features of trainer/data/schema.py.
        """
        user = self._inputs.of_examples(examples)
        return recommend(
            **user,
            exclude=tf.fill([tf.shape(user[schema.HISTORY])[0], 0], ""),
            exclude_history=tf.constant(False),
            k=tf.constant(self.default_k),
            diversity=tf.constant(0.0),
            **{name: tf.constant([[""]]) for name in FILTERS},
        )

    def user_interests(
        self, history: tf.Tensor, history_time: tf.Tensor, **user_features: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The users' vectors: ``interests`` float32 [B, K, D] and ``interest_mask`` bool [B, K]."""
        checks = [aligned(history, history_time), *self._inputs.finite(user_features)]
        history, history_time = checked((history, history_time), checks)
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
        checks = [
            aligned(history, history_time),
            as_many_rows("items", items, history),
            *self._inputs.finite(user_features),
        ]
        history, history_time, items = checked((history, history_time, items), checks)
        encoded = self._encode(history, history_time, user_features)
        numbers = self._served_rows(items)
        explained = explanation(encoded, numbers, self._vectors(tf.maximum(numbers, 0)))
        return {**explained, "looked_at": self._ids(encoded["history"] - 1)}

    def _encode(
        self, history: tf.Tensor, history_time: tf.Tensor, features: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """What the tower says, ``history`` being 1 + rows of items."""
        encoded = dict(self.tower.encode(history, history_time, self._inputs.by_name(features)))
        seen = encoded["history"]
        rows = tf.gather(self.items.tower_rows, tf.cast(tf.maximum(seen - 1, 0), tf.int32))
        interests = encoded["interests"]
        # One vector that is not a number would leave a user without any list, whatever the others say.
        usable = tf.reduce_all(tf.math.is_finite(interests), axis=2)
        return {
            **encoded,
            "history": tf.where(seen > 0, tf.cast(rows, seen.dtype) + 1, 0),
            "interests": tf.where(usable[:, :, tf.newaxis], interests, 0.0),
            "interest_mask": encoded["interest_mask"] & usable,
        }

    def _served_rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Rows of items that can be recommended, -1 for others."""
        rows = self.row_of.lookup(ids)
        return tf.where(rows < self._num_items, rows, tf.constant(-1, tf.int64))

    def _vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """Vectors [..., D] of items, also of those that cannot be recommended any more."""
        rows = tf.cast(rows, tf.int32)
        vectors = self.index.vectors(tf.minimum(rows, self._num_items - 1))
        if not self.items.retired_vectors.shape[0]:
            return vectors
        retired = tf.gather(self.items.retired_vectors, tf.maximum(rows - self._num_items, 0))
        return tf.where((rows < self._num_items)[..., tf.newaxis], vectors, retired)

    def _ids(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.where(rows >= 0, tf.gather(self.items.item_ids, tf.maximum(rows, 0)), "")
