"""MIND: interests by dynamic routing into capsules."""

from typing import Any, Literal

import tensorflow as tf
from pydantic import Field, PositiveInt

from trainer.layers.interests.capsule import CapsuleLayer
from trainer.layers.towers.relu_layers import ReluLayers
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings


class MINDSettings(ModelSettings):
    """Settings of ``mind``."""

    name: Literal["mind"] = "mind"
    dynamic_interests: bool = Field(
        True, description="Use max(1, min(K, log2 of the history's length)) interests per user; otherwise K."
    )
    routing_iterations: int = Field(3, ge=1, description="Routing iterations.")
    routing_stddev: float = Field(
        1.0, gt=0, description="Standard deviation of the fixed random initial routing logits."
    )
    routing_temperature: float | None = Field(
        1.0, gt=0, description="Divisor of the cosines that routing adds up; null: inner products, as published."
    )
    squash_power: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Exponent p of the squash: below 1, short capsules stay longer; 0: unit length; 1: as published.",
    )
    vote_bias: bool = Field(False, description="Add a trained bias to the votes, as ComiRec's release of MIND does.")
    identity_start: bool = Field(
        True, description="Initialise the bilinear matrix as the identity; otherwise Glorot uniform."
    )
    relu_projection: bool = Field(
        False, description="Replace residual_projection by ReLU layers: relu_layers, and one of width D."
    )
    relu_layers: tuple[PositiveInt, ...] = Field(
        (), description="Widths of the ReLU layers before the one of width D; any implies relu_projection."
    )

    def most_interests(self, max_history: int) -> int:
        """The base 2 logarithm of the length, rounded down, unless all capsules are used always."""
        return max(1, max_history.bit_length() - 1) if self.dynamic_interests else max_history


@register("mind")
class MIND(RetrievalModel):
    """Up to K interests by dynamic routing of the history into capsules.

    As in the paper, and as released with ComiRec: the recipes in docs/models/mind.md. Defaults score by cosines and
    train as serving scores, by a smooth maximum over interests, weigh votes by recency, drop out items' components,
    start from votes that are the item vectors and route them by cosines, and project with a residual layer that profile
    features enter.

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
            vote_bias=settings.vote_bias,
            identity_start=settings.identity_start,
            seed=self.seed,
            name="capsules",
        )
        if settings.relu_projection or settings.relu_layers:
            self.projection = ReluLayers(settings.relu_layers, name="relu_layers")

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        return Encoding(*self.capsules(items, history_mask, queries, bias))
