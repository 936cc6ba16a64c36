"""Two-tower: the single-vector baseline."""

from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.layers.history.masked_mean import MaskedMean
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings


class TwoTowerSettings(ModelSettings):
    """Settings of ``two_tower``."""

    name: Literal["two_tower"] = "two_tower"
    num_interests: Literal[1] = Field(1, description="K: a two-tower has one vector per user.")


@register("two_tower")
class TwoTower(RetrievalModel):
    """One vector a user: the weighted mean of the history's item vectors, then a residual layer.

    With ``recency: false`` and ``residual_projection: false`` it is the plain masked mean. Profile features enter
    the residual layer.

    Reference: Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, section 3. Departs
    from it in the shared item table and in the residual path, which start the user tower as a mean of item vectors.
    """

    settings_class = TwoTowerSettings
    paper = "Covington et al., RecSys 2016"

    def __init__(self, settings: TwoTowerSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.pooling = MaskedMean(name="pooling")

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class; K = 1."""
        vectors, weights = self.pooling(items, history_mask, queries, bias)
        return Encoding(vectors, tf.ones(tf.shape(vectors)[:3], tf.bool), weights)
