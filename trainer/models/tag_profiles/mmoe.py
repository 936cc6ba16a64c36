"""MMoE: the multi-task baseline with experts."""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.layers.tags.expert_gates import ExpertGates
from trainer.layers.tags.field_means import FieldMeans
from trainer.layers.tags.parallel_mlp import ParallelMLP
from trainer.layers.tags.tag_towers import TagTowers
from trainer.models.registry import register
from trainer.models.tag_profiles.base import ProfileModel, ProfileSettings, Widths


class MMoESettings(ProfileSettings):
    """Settings of ``mmoe``."""

    name: Literal["mmoe"] = "mmoe"
    num_experts: int = Field(5, ge=2, description="Experts, shared by all tasks.")
    expert_hidden: Widths = Field([64], min_length=1, description="Widths of an expert's layers.")
    tower_hidden: Widths = Field([64], description="Widths of the hidden layers of a task's user tower.")
    tag_hidden: Widths = Field([64], description="Widths of the hidden layers of a task's tag tower.")


@register("mmoe")
class MMoE(ProfileModel):
    """Experts shared by the tasks, mixed for each task by a gate that looks at the user; a tower a task behind them.

    Reference: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD
    2018; here the user tower of two towers.
    """

    settings_class = MMoESettings
    paper = "Ma et al., KDD 2018"
    settings: MMoESettings

    def __init__(self, settings: MMoESettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        tasks = len(self.tasks)
        self.means = FieldMeans(name="means")
        self.experts = ParallelMLP(settings.num_experts, settings.expert_hidden, last_activation=True, name="experts")
        self.gates = ExpertGates(tasks, settings.num_experts, name="gates")
        self.towers = ParallelMLP(tasks, [*settings.tower_hidden, settings.dimension], name="towers")
        self.tags = TagTowers(self.num_tags, settings.dimension, tasks, settings.tag_hidden, name="tags")

    def user_vectors(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """See the base class; D = d."""
        vectors, _ = self.means(self.embeddings(features))
        vectors = self.dropout(tf.reshape(vectors, [-1, vectors.shape[1] * vectors.shape[2]]), training=training)
        return tf.cast(self.towers(self.gates(vectors, self.experts(vectors))), tf.float32)

    def tag_vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.cast(self.tags(numbers), tf.float32)
