"""Models that retrieve items: one index of items."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from serving.bundle.signatures import EXPLAIN, RECOMMEND, SERVING_DEFAULT, USER_INTERESTS
from serving.families.base import Content, Family, Request
from serving.graph.items import trained_items
from serving.graph.retrieval import ServedModel
from serving.index import Index


class Retrieval(Family):
    """Recommends items."""

    name = "retrieval"

    def content(self, trained: Any) -> Content:
        """The items of the trainer's SavedModel."""
        items = trained_items(trained)
        return Content(list(items.ids), [items.vectors], [trained.item_vectors], items)

    def served(
        self,
        trained: Any,
        content: Content,
        indexes: Sequence[Index],
        vocabulary: str,
        user_features: Mapping[str, str],
        default_k: int,
        max_k: int,
    ) -> ServedModel:
        """See :class:`serving.graph.retrieval.ServedModel`."""
        assert content.items is not None
        return ServedModel(trained, content.items, indexes[0], vocabulary, user_features, default_k, max_k)

    def warmup(
        self,
        user: Mapping[str, tf.Tensor],
        examples: tf.Tensor,
        histories: Sequence[Sequence[bytes]],
        k: tf.Tensor,
        filters: Sequence[bytes],
    ) -> list[Request]:
        """Recommendations, once with a filter if there are attributes, interests and explanations."""
        request = {
            **user,
            "exclude": tf.fill([len(histories), 1], ""),
            "exclude_history": tf.constant(True),
            "k": k,
            "diversity": tf.constant(0.0),
        }
        # What has a default is left out, as by a client that knows nothing of filters.
        filtered = [(RECOMMEND, {**request, "allow": tf.constant([filters[:1]])})] if filters else []
        return [
            (RECOMMEND, request),
            *filtered,
            (SERVING_DEFAULT, {"examples": examples}),
            (USER_INTERESTS, dict(user)),
            (EXPLAIN, {**user, "items": tf.constant(histories)}),
        ]

    def queries(self, encoded: Mapping[str, tf.Tensor], number: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The interests of the users."""
        return encoded["interests"], encoded["interest_mask"]
