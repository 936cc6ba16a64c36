"""UTPM: attention over user fields, and tag pooling."""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.layers.tags.cross_features import CrossFeatures
from trainer.layers.tags.field_means import FieldMeans, weighted_sum
from trainer.layers.tags.parallel_mlp import ParallelMLP
from trainer.layers.tags.tag_attention import TagAttention
from trainer.models.registry import register
from trainer.models.tag_profiles.base import ProfileModel, ProfileSettings, Widths


class UTPMSettings(ProfileSettings):
    """Settings of ``utpm``."""

    name: Literal["utpm"] = "utpm"
    attention: bool = Field(True, description="Merge by attention within and across fields; otherwise by means.")
    heads: int = Field(2, ge=1, description="Attention heads.")
    cross: bool = Field(True, description="Add the products of all pairs of components (cross layer).")
    cross_factors: int = Field(8, ge=1, description="Width of the factor vectors that weight the pairs.")
    tower_hidden: Widths = Field([128], description="Widths of each task's hidden layers.")
    tag_pooling: Literal["sum", "mean"] = Field("sum", description="How the scores of an item's tags are combined.")


@register("utpm")
class UTPM(ProfileModel):
    """A user's fields fused by two levels of attention and crossed; an item is liked for the sum of its tags.

    Of the paper is the single task. With several labels the attention and the cross layer are shared, and each task has
    fully connected layers of its own: our extension.

    Reference: Yang et al., "Learning to Build User-tag Profile in Recommendation System", CIKM 2020.
    """

    settings_class = UTPMSettings
    paper = "Yang et al., CIKM 2020"
    settings: UTPMSettings

    def __init__(self, settings: UTPMSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.attention = (
            TagAttention(settings.heads, self.embeddings.numeric, name="attention") if settings.attention else None
        )
        self.means = FieldMeans(name="means")
        self.cross = CrossFeatures(settings.cross_factors, name="cross") if settings.cross else None
        self.towers = ParallelMLP(len(self.tasks), [*settings.tower_hidden, settings.dimension], name="towers")
        # Not those of the history's tags: what a user has seen, and what is foretold.
        self.tag_embeddings = self.add_weight(
            "tag_embeddings", shape=(self.num_tags, settings.dimension), initializer="glorot_uniform", dtype=tf.float32
        )

    def user_vectors(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """See the base class; D = d."""
        fields = self.embeddings(features)
        fused = self._mean(fields) if self.attention is None else self.attention(fields)
        fused = self.dropout(fused, training=training)
        crossed = fused if self.cross is None else self.cross(fused)
        return tf.cast(self.towers(crossed), tf.float32)

    def tag_vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        """See the base class; the same for all tasks."""
        vectors = tf.gather(self.tag_embeddings, numbers)[..., tf.newaxis, :]
        return tf.repeat(vectors, len(self.tasks), axis=-2)

    def _mean(self, fields: Any) -> tf.Tensor:
        """The mean over the fields that have a value of the means of their values: float [B, E]."""
        vectors, present = self.means(fields)
        weights = tf.cast(present, vectors.dtype)
        return weighted_sum(weights / tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1.0), vectors)
