"""Shared bottom: the multi-task baseline."""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.layers.tags.field_means import FieldMeans
from trainer.layers.tags.parallel_mlp import ParallelMLP
from trainer.layers.tags.tag_towers import TagTowers
from trainer.models.registry import register
from trainer.models.tag_profiles.base import ProfileModel, ProfileSettings, Widths


class SharedBottomSettings(ProfileSettings):
    """Settings of ``shared_bottom``."""

    name: Literal["shared_bottom"] = "shared_bottom"
    hidden: Widths = Field([128], min_length=1, description="Widths of the shared layers.")
    tower_hidden: Widths = Field([64], description="Widths of the hidden layers of a task's user tower.")
    tag_hidden: Widths = Field([64], description="Widths of the hidden layers of a task's tag tower.")


@register("shared_bottom")
class SharedBottom(ProfileModel):
    """Two towers: a user's fields through shared layers and a tower a task, a tag's embedding through a tower a task.

    Reference: Caruana, "Multitask Learning", Machine Learning 28, 1997; two towers after Covington et al., RecSys 2016.
    """

    settings_class = SharedBottomSettings
    paper = "after Caruana, 1997"
    settings: SharedBottomSettings

    def __init__(self, settings: SharedBottomSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.means = FieldMeans(name="means")
        self.bottom = ParallelMLP(1, settings.hidden, last_activation=True, name="bottom")
        self.towers = ParallelMLP(len(self.tasks), [*settings.tower_hidden, settings.dimension], name="towers")
        self.tags = TagTowers(self.num_tags, settings.dimension, len(self.tasks), settings.tag_hidden, name="tags")

    def user_vectors(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """See the base class; D = d."""
        vectors, _ = self.means(self.embeddings(features))
        vectors = self.dropout(tf.reshape(vectors, [-1, vectors.shape[1] * vectors.shape[2]]), training=training)
        return tf.cast(self.towers(self.bottom(vectors)[:, 0]), tf.float32)

    def tag_vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.cast(self.tags(numbers), tf.float32)
