"""MIND."""

from typing import Any, Literal

import tensorflow as tf
from pydantic import Field, PositiveInt

from trainer.layers.capsule import CapsuleLayer
from trainer.layers.relu_layers import ReluLayers
from trainer.model_settings import ModelSettings
from trainer.models.base import Encoding, RetrievalModel
from trainer.models.registry import register


class MINDSettings(ModelSettings):
    """Settings of ``mind``."""

    name: Literal["mind"] = "mind"
    dynamic_interests: bool = Field(True, description="max(1, min(K, log2 of the history's length)) interests a user.")
    routing_iterations: int = Field(3, ge=1, description="How many times items are routed to interests.")
    routing_stddev: float = Field(1.0, gt=0, description="Spread of the fixed random logits that routing starts from.")
    routing_temperature: float | None = Field(
        1.0, gt=0, description="Votes and capsules agree by their cosine over it; null, as published: inner products."
    )
    squash_power: float = Field(0.1, gt=0, le=1, description="Below 1, short interests stay longer; 1, as published.")
    identity_start: bool = Field(True, description="The matrix starts as the identity; false: Glorot uniform.")
    relu_layers: tuple[PositiveInt, ...] = Field(
        (), description="Widths of ReLU layers between capsules and interests, as published; none: residual_projection."
    )


@register("mind")
class MIND(RetrievalModel):
    """Up to K interests by dynamic routing of the history into capsules.

    As published: ``read_out: soft, normalize: false, temperature: 1, recency: false, dropout: 0, relu_layers: [128],
    identity_start: false, routing_temperature: null, squash_power: 1``. Defaults score by cosines and train as serving
    scores, by a smooth maximum over interests, weigh votes by recency, drop out items' components, start from votes
    that are the item vectors and route them by cosines, and project with a residual layer that profile features
    enter.

    Reference: Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019.
    """

    settings_class = MINDSettings
    paper = "Li et al., CIKM 2019"

    def __init__(self, settings: MINDSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.capsules = CapsuleLayer(
            settings.num_interests,
            self.max_history,
            dynamic_interests=settings.dynamic_interests,
            logits_stddev=settings.routing_stddev,
            iterations=settings.routing_iterations,
            squash_power=settings.squash_power,
            routing_temperature=settings.routing_temperature,
            identity_start=settings.identity_start,
            seed=self.seed,
            name="capsules",
        )
        if settings.relu_layers:
            self.projection = ReluLayers(settings.relu_layers, name="relu_layers")

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        return Encoding(*self.capsules(items, history_mask, queries, bias))
