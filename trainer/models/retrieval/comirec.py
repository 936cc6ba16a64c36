"""ComiRec-SA: interests by self-attention."""

from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.layers.interests.self_attentive import SelfAttentiveInterests
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings


class ComiRecSASettings(ModelSettings):
    """Settings of ``comirec_sa``."""

    name: Literal["comirec_sa"] = "comirec_sa"
    attention_hidden: int = Field(0, ge=0, description="Hidden width of the attention; 0 means 4 D.")


@register("comirec_sa")
class ComiRecSA(RetrievalModel):
    """K interests by self-attention over the history.

    As published: ``read_out: hard, normalize: false, temperature: 1, recency: false, residual_projection: false,
    dropout: 0``. The defaults add what won on validation: scores that are cosines, a smooth maximum over interests, a
    recency bias on the attention, a residual layer on the interests, and dropout on the history.

    Reference: Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020.
    """

    settings_class = ComiRecSASettings
    paper = "Cen et al., KDD 2020"

    def __init__(self, settings: ComiRecSASettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        hidden = settings.attention_hidden or 4 * settings.dimension
        self.attention = SelfAttentiveInterests(settings.num_interests, hidden, self.max_history, name="attention")

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        interests, attention = self.attention(items, history_mask, queries, bias)
        return Encoding(interests, tf.ones(tf.shape(interests)[:3], tf.bool), attention)
