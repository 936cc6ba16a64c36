"""Models of tag profiles: an index a task, of other vectors of the same tags."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from serving.bundle.signatures import SERVING_DEFAULT, TAG_PROFILE, TAG_SCORES
from serving.families.base import Content, Family, Request
from serving.graph.tag_profiles import ServedProfile
from serving.index import Index


class TagProfiles(Family):
    """Describes users by tags."""

    name = "tag_profiles"

    def content(self, trained: Any) -> Content:
        """The tags of the trainer's SavedModel, and their vectors of each task."""
        tables = list(trained.tag_vectors.numpy())
        return Content(trained.tag_names.numpy().tolist(), tables, tables)

    def served(
        self,
        trained: Any,
        content: Content,
        indexes: Sequence[Index],
        vocabulary: str,
        user_features: Mapping[str, str],
        default_k: int,
        max_k: int,
    ) -> ServedProfile:
        """See :class:`serving.graph.tag_profiles.ServedProfile`."""
        return ServedProfile(trained, indexes, user_features, default_k, max_k)

    def warmup(
        self,
        user: Mapping[str, tf.Tensor],
        examples: tf.Tensor,
        histories: Sequence[Sequence[bytes]],
        k: tf.Tensor,
        filters: Sequence[bytes],
    ) -> list[Request]:
        """Profiles and scores of tags; the histories hold tags, which are no items, but the graph is the same."""
        return [
            (TAG_PROFILE, {**user, "k": k}),
            (TAG_SCORES, {**user, "tags": tf.constant(histories)}),
            (SERVING_DEFAULT, {"examples": examples}),
        ]

    def queries(self, encoded: Mapping[str, tf.Tensor], number: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The one vector of a user for the task."""
        vectors = encoded["vectors"][:, number, tf.newaxis]
        return vectors, tf.ones(tf.shape(vectors)[:2], tf.bool)
