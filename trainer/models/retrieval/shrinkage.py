"""Shrinkage: interests shrunk toward the mean of the history."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

import tensorflow as tf
from pydantic import Field

from trainer.data import schema
from trainer.layers.history.masked_mean import MaskedMean
from trainer.layers.history.masking import prefix_mask
from trainer.layers.interests.history_clusters import HistoryClusters
from trainer.layers.towers.residual_projection import ResidualProjection
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings

SHARES = (0.0, 0.5, 1.0)
"""Shares c that are tried on validation users after training."""
_LEAST_MASS = 1e-9

progress = logging.getLogger("polyrec.progress")


class ShrinkageSettings(ModelSettings):
    """Settings of ``shrinkage``."""

    name: Literal["shrinkage"] = "shrinkage"
    normalize: Literal[True] = Field(True, description="L2-normalise vectors; the sum of the parts needs it.")
    share: float = Field(
        0.5, ge=0, le=1, description="c: weight of an interest's own items when served; 0 gives a single vector."
    )
    random_share: bool = Field(True, description="Sample c from U(0, 1) for each user and training step.")
    plain_users: float = Field(0.0, ge=0, lt=1, description="Fraction of users trained with c = 0.")
    choose: bool = Field(True, description="Choose share and number of interests on validation users after training.")
    shared_vector: bool = Field(
        True, description="Let interests hold the whole history; otherwise the items of their group alone."
    )
    prior: bool = Field(False, description="Weight an interest by its share of the history.")
    assignment_temperature: float = Field(
        0.1, gt=0, description="Temperature of an item's softmax over groups, by cosine."
    )
    split_negatives: bool = Field(True, description="Give each interest its own part of the negatives.")


@register("shrinkage")
class Shrinkage(RetrievalModel):
    """K interests made of the history itself: its mean, moved toward each of its groups of similar items.

    With x_t the item vectors of a prefix, ``w = softmax_t(r)`` of a recency bias r, P and P' residual layers:

    - ``g = unit(P(sum_t w_t x_t))``, the vector that ``two_tower`` would serve;
    - groups k without gradient, and of each ``mass_k`` and shares ``a_kt`` of the items, see
      :class:`~trainer.layers.interests.history_clusters.HistoryClusters`;
    - ``delta_k = sum_t a_kt unit(P'(x_t))``, shorter where a group agrees less; ``V_k = unit(g + c delta_k)``, or
      ``unit(delta_k)`` without ``shared_vector``;
    - an item's score is ``max_k <V_k, e_i>``, with ``prior`` ``max_k <V_k, e_i> + tau log mass_k``.

    The prior ``tau log mass_k`` is one more component of an interest, which every item's vector answers with a 1:
    search by inner products stays what it was, and vectors have D + 1 components.

    The model is our own. As in the shrinkage estimators of empirical Bayes (James and Stein, 1961; Efron and Morris,
    1973), the mean of few observations is drawn toward the mean of all: a group of one to three items is a poor
    estimate of what a user wants, and scoring by it alone forgets what the rest says.
    """

    settings_class = ShrinkageSettings
    paper = "our own, after the shrinkage estimators of empirical Bayes"
    settings: ShrinkageSettings

    def __init__(self, settings: ShrinkageSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, *args, **kwargs)
        self.pooling = MaskedMean(name="pooling")
        self.clusters = HistoryClusters(settings.num_interests, settings.assignment_temperature, name="clusters")
        self.local = ResidualProjection(2 * settings.dimension, name="local") if settings.residual_projection else None
        self.share = tf.Variable(settings.share, trainable=False, dtype=tf.float32, name="share")
        self.number = tf.Variable(settings.num_interests, trainable=False, dtype=tf.int32, name="number")

    @property
    def recency_heads(self) -> int:
        """One, of the history and of its groups."""
        return 1

    @property
    def constant_components(self) -> int:
        """What the prior is multiplied with."""
        return int(self.settings.prior)

    def encode(self, features: Mapping[str, tf.Tensor], queries: tf.Tensor, training: bool = False) -> Encoding:
        """See the base class; the interests have D + 1 components where there is a prior."""
        mask, looked_up = features[schema.HISTORY_MASK], self.looked_up(features)
        items = self.history_vectors(features, looked_up, training)
        bias = None if self.recency is None else self.recency(queries, features[schema.HISTORY_GAP])
        shared, weights = self.pooling(items, mask, queries, bias)
        if self.projection is not None:
            shared = self.projection(shared, None if self.profile is None else self.profile(features))
        shared = self._scaled(tf.cast(shared, tf.float32))
        weights = tf.cast(weights, tf.float32)
        number = None if training else self.number
        groups = self.clusters(looked_up, weights[:, :, 0], prefix_mask(mask, queries), number)
        # Projected as items, not as groups: T times for a history instead of T K times.
        own = items if self.local is None else self.local(items[:, :, tf.newaxis])[:, :, 0]
        own = tf.einsum("bqkt,btd->bqkd", groups.attribution, self._scaled(tf.cast(own, tf.float32)))
        if self.settings.shared_vector:
            own = shared + self._share(tf.shape(mask)[0], training) * own
        interests = self._scaled(own)
        prior = self.temperature * tf.math.log(tf.maximum(groups.mass, _LEAST_MASS))
        active, attribution = groups.active, groups.attribution
        if not training:
            # Without a share of their own all interests are one.
            apart = tf.logical_or(self.share > 0.0, not self.settings.shared_vector)
            active &= apart | (tf.range(self.settings.num_interests) == 0)
            prior = tf.where(apart, prior, 0.0)
            attribution = tf.where(apart, attribution, weights)
        if self.settings.prior:
            interests = tf.concat([interests, prior[..., tf.newaxis]], axis=-1)
        return Encoding(interests, active, attribution)

    def candidates(self, indices: tf.Tensor) -> tf.Tensor:
        """Vectors of items as candidates: int [...] to float32 [..., D + 1] with the prior's 1 behind, or [..., D]."""
        vectors = super().candidates(indices)
        return tf.concat([vectors, tf.ones_like(vectors[..., :1])], axis=-1) if self.settings.prior else vectors

    def choose_after_training(self, evaluate: Callable[[], float], users: int, title: str) -> dict[str, float]:
        """Share and number of interests, see the base class; at equal values the fewer interests and the smaller share.

        The share first, with all K interests; then, unless it is 0, as many interests as half, a quarter, ... of K.
        """
        if not self.settings.choose or self.settings.num_interests == 1:
            return {}
        most = self.settings.num_interests
        if self.settings.shared_vector:
            tried = self._tried([(share, most) for share in SHARES], evaluate)
            self._say("share", {share: value for (share, _), value in tried.items()}, users, title)
        share = float(self.share)
        several = bool(share) or not self.settings.shared_vector
        if several:
            fewer = [(share, number) for number in _halves(most)]
            tried = self._tried([*fewer, (share, most)], evaluate)
            self._say("interests", {number: value for (_, number), value in tried.items()}, users, title)
        return {"share": share, "interests": int(self.number) if several else 1}

    def _tried(self, pairs: list[tuple[float, int]], evaluate: Callable[[], float]) -> dict[tuple[float, int], float]:
        """The values of pairs of share and number; the model keeps the best."""
        values = {}
        for share, number in pairs:
            self.share.assign(share)
            self.number.assign(number)
            values[share, number] = evaluate()
        share, number = max(values, key=values.__getitem__)
        self.share.assign(share)
        self.number.assign(number)
        return values

    def _say(self, what: str, values: Mapping[float, float], users: int, title: str) -> None:
        best = max(values, key=values.__getitem__)
        progress.info(
            "%s  %s %g chosen on %s validation users: %s %s",
            self.name, what, best, f"{users:,}", title,
            ", ".join(f"{value:.4f} with {tried:g}" for tried, value in values.items()),
        )  # fmt: skip

    def _share(self, users: tf.Tensor, training: bool) -> tf.Tensor:
        """The share c of each user, [B, 1, 1, 1]; [1, 1, 1, 1] where all have the same."""
        shape = [users, 1, 1, 1]
        share = tf.reshape(tf.convert_to_tensor(self.share), [1, 1, 1, 1])
        if not training:
            return share
        if self.settings.random_share:
            share = tf.random.uniform(shape, seed=self.seed)
        if self.settings.plain_users:
            share *= tf.cast(tf.random.uniform(shape, seed=self.seed + 1) >= self.settings.plain_users, tf.float32)
        return share


def _halves(number: int) -> list[int]:
    """A half, a quarter, ... of K, ascending."""
    return [number >> shift for shift in range(number.bit_length() - 1, 0, -1)]
