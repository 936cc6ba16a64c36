"""SINE, and Octopus as a variant of it."""

from typing import Any, Literal

import tensorflow as tf
from pydantic import Field, model_validator

from trainer.layers.history.masking import prefix_mask
from trainer.layers.interests.interest_aggregation import InterestAggregation
from trainer.layers.interests.sparse_interest import SparseInterest
from trainer.losses.covariance import CovarianceRegularizer
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings


class SparseInterestSettings(ModelSettings):
    """What SINE and Octopus share."""

    num_prototypes: int = Field(50, ge=1, description="L: size of the prototype pool; each user activates K of them.")
    decorrelation: float = Field(0.1, ge=0, description="Weight of the penalty on prototypes that vary together.")

    @model_validator(mode="after")
    def _enough_prototypes(self) -> "SparseInterestSettings":
        if self.num_prototypes < self.num_interests:
            raise ValueError(
                f"num_prototypes ({self.num_prototypes}) should be at least num_interests ({self.num_interests}): each "
                "interest is a prototype of the pool. Raise the one or lower the other."
            )
        return self


class SINESettings(SparseInterestSettings):
    """Settings of ``sine``."""

    name: Literal["sine"] = "sine"
    variant: Literal["paper", "official"] = Field(
        "official", description="Equations of the paper, or of the released code (official)."
    )
    serve: Literal["aggregated", "interests"] = Field(
        "aggregated", description="Serve one vector, the weighted sum of the interests, or the K interests."
    )
    aggregation_temperature: float = Field(
        0.1, gt=0, description="tau: temperature of the interests' weights in the paper's aggregation."
    )
    assignment_temperature: float = Field(
        0.07, gt=0, description="official: temperature of an item's softmax over prototypes."
    )
    attention_hidden: int = Field(
        0, ge=0, description="Hidden width of the attentions; 0 means D, as in the paper. The released code has 4 D."
    )
    shared_projection: bool = Field(
        False, description="paper: share W3 between assignment and aggregation, as in the text; otherwise one each."
    )

    @model_validator(mode="after")
    def _something_to_share(self) -> "SINESettings":
        if self.shared_projection and (self.variant, self.serve, self.attention_hidden) != ("paper", "aggregated", 0):
            raise ValueError(
                "shared_projection shares the D x D matrix W3 of the paper's form: it goes with variant: paper, serve: "
                f"aggregated and attention_hidden: 0, not with {self.variant}, {self.serve} and "
                f"{self.attention_hidden}. Set it to false, or those as named."
            )
        return self


class OctopusSettings(SparseInterestSettings):
    """Settings of ``octopus``."""

    name: Literal["octopus"] = "octopus"
    num_prototypes: int = Field(
        16, ge=1, description="L: number of interest channels; each user activates up to K of them."
    )
    decorrelation: float = Field(10.0, ge=0, description="Weight of the penalty on channels that vary together.")
    assignment_temperature: float = Field(
        0.07, gt=0, description="Temperature of an item's softmax over channels, by cosine."
    )


@register("sine")
class SINE(RetrievalModel):
    """One vector from the K concepts of a large pool that a user activates, weighted without knowing the target.

    As in the paper, and as released: the recipes in docs/models/sine.md. The loss is over the aggregated vector, which
    is what is served. With ``serve: interests`` the K interests are trained (by ``read_out``) and served instead, each
    times the gate of its prototype: nothing else would teach the model which prototypes to activate.

    Reference: Tan et al., "Sparse-Interest Network for Sequential Recommendation", WSDM 2021.
    """

    settings_class = SINESettings
    paper = "Tan et al., WSDM 2021"
    settings: SINESettings

    def __init__(self, settings: SINESettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        official = settings.variant == "official"
        self.extraction = SparseInterest(
            settings.num_interests,
            settings.num_prototypes,
            self.max_history,
            variant=settings.variant,
            temperature=settings.assignment_temperature,
            regularizer=None if official else CovarianceRegularizer(settings.decorrelation),
            disagreement=settings.decorrelation if official else 0.0,
            hidden_width=settings.attention_hidden,
            name="extraction",
        )
        self.aggregation = (
            InterestAggregation(
                settings.variant,
                settings.aggregation_temperature,
                settings.attention_hidden,
                settings.shared_projection,
                name="aggregation",
            )
            if settings.serve == "aggregated"
            else None
        )

    @property
    def served_interests(self) -> int:
        """One vector, unless the interests themselves are served."""
        return self.settings.num_interests if self.settings.serve == "interests" else 1

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        found = self.extraction(items, history_mask, queries, bias, training=training)
        if self.aggregation is None:
            return Encoding(found.interests * found.gates[..., tf.newaxis], found.active, found.attribution)
        shared = self.extraction.projection.kernel if self.settings.shared_projection else None
        weights = self.aggregation(items, found, prefix_mask(history_mask, queries), shared)
        vector = tf.einsum("bqk,bqkd->bqd", weights, found.interests)
        attribution = tf.einsum("bqk,bqkt->bqt", weights, found.attribution)
        return Encoding(vector[:, :, tf.newaxis], found.active[:, :, :1], attribution[:, :, tf.newaxis])

    def analysis_tensors(self) -> dict[str, tf.Tensor]:
        """What the analyses look at: ``prototypes`` [L, D], in the space of the item vectors."""
        return {"prototypes": self.extraction.pool.prototypes}


@register("octopus")
class Octopus(RetrievalModel):
    """As many interests as a history has: items go to the channels of a pool, and those they go to are active.

    Our reading of the idea as a variant of SINE's layer, not the paper's model: see docs/models/octopus.md.

    Reference: Liu et al., "Octopus: Comprehensive and Elastic User Representation for the Generation of
    Recommendation Candidates", SIGIR 2020.
    """

    settings_class = OctopusSettings
    paper = "after Liu et al., SIGIR 2020"
    settings: OctopusSettings

    def __init__(self, settings: OctopusSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.extraction = SparseInterest(
            settings.num_interests,
            settings.num_prototypes,
            self.max_history,
            variant="octopus",
            temperature=settings.assignment_temperature,
            regularizer=CovarianceRegularizer(settings.decorrelation),
            name="extraction",
        )

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        found = self.extraction(items, history_mask, queries, bias, training=training)
        return Encoding(found.interests, found.active, found.attribution)

    def analysis_tensors(self) -> dict[str, tf.Tensor]:
        """What the analyses look at: ``prototypes`` [L, D], in the space of the item vectors."""
        return {"prototypes": self.extraction.pool.prototypes}
