"""ComiRec-DR: interests by dynamic routing."""

from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.layers.interests.capsule import CapsuleLayer
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings


class ComiRecDRSettings(ModelSettings):
    """Settings of ``comirec_dr``."""

    name: Literal["comirec_dr"] = "comirec_dr"
    routing_iterations: int = Field(3, ge=1, description="Routing iterations.")
    routing_temperature: float | None = Field(
        0.15, gt=0, description="Divisor of the cosines that routing adds up; null: inner products, as published."
    )
    squash_power: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Exponent p of the squash: below 1, short capsules stay longer; 0: unit length; 1: as published.",
    )
    identity_start: bool = Field(
        True, description="Initialise the matrices near the identity; otherwise N(0, 1), as published."
    )


@register("comirec_dr")
class ComiRecDR(RetrievalModel):
    """K interests by dynamic routing, with a matrix for each position and interest.

    As published: ``read_out: hard, normalize: false, temperature: 1, recency: false, residual_projection: false,
    dropout: 0, identity_start: false, routing_temperature: null, squash_power: 1`` and ``training.learning_rate:
    0.005``. The defaults are those of ``comirec_sa``, routing by cosines with hardly a squash, and matrices that start
    near the identity: from N(0, 1) votes have nothing to do with the item vectors that interests are scored against.

    Reference: Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020.
    """

    settings_class = ComiRecDRSettings
    paper = "Cen et al., KDD 2020"

    def __init__(self, settings: ComiRecDRSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.capsules = CapsuleLayer(
            settings.num_interests,
            self.max_history,
            transform="per_position",
            iterations=settings.routing_iterations,
            squash_power=settings.squash_power,
            routing_temperature=settings.routing_temperature,
            identity_start=settings.identity_start,
            name="capsules",
        )

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        return Encoding(*self.capsules(items, history_mask, queries, bias))
