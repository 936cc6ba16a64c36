"""Clusters a history into groups of similar items, without gradients."""

import functools
from typing import Any, NamedTuple

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.interests.unit import unit

LEAST_GAIN = 1e-3
"""A further centre that covers less of the history than this is none: it would be a copy of one that there is."""
_LATER = 1e-5
_LEAST_MASS = 1e-9


class Clusters(NamedTuple):
    """The groups of each queried prefix, the one that covers most first; those in use stand in front.

    Attributes:
      attribution: float32 [B, Q, K, T], share of each item in a group; sums to 1 over the items of the prefix. A place
        that is not in use repeats a group that is: place k the group ``k mod n``, n the number in use.
      mass: float32 [B, Q, K], how much of the weight of the history a group has; sums to 1 over those in use.
      active: bool [B, Q, K], whether the place is in use.
    """

    attribution: tf.Tensor
    mass: tf.Tensor
    active: tf.Tensor


@register
class HistoryClusters(keras.layers.Layer):
    """Groups the items of every prefix around the K of them that cover it best.

    With ``w_t`` the weights of the items, ``S`` the cosines of their vectors and ``f = max(S, 0)^2`` as the probability
    that one item speaks for another, the centres are found one after the other:

    - ``c_k = argmax_c sum_t w_t u_t f(S_ct)``, ``u_t`` the probability that no centre speaks for t, 1 at first;
    - ``u_t <- u_t (1 - f(S_{c_k t}))``;
    - the search ends when a centre gains less than ``LEAST_GAIN``: the prefix has fewer groups then.

    This is the greedy maximisation of ``sum_t w_t (1 - prod_k (1 - f(S_{c_k t})))``, which is submodular, so what is
    found covers at least 1 - 1/e of the best (Nemhauser et al., 1978); the objective is the probabilistic coverage of
    El-Arini et al., "Turning Down the Noise in the Blogosphere", KDD 2009. Facility location, ``sum_t w_t max_k S_ct``,
    finds much the same groups, but its gain is no matrix product: all prefixes at once cost ``Q T^2`` maxima a round.

    Each item is then shared out: ``p_kt = softmax_k(S_{c_k t} / temperature)``, ``mass_k = sum_t w_t p_kt``,
    ``attribution_kt = w_t p_kt / mass_k``.

    Nothing here has a gradient. The choice of a centre has none anyway, and through the shares the loss would move item
    vectors to where the grouping suits it, which is how learned interests collapse. It is also half of the cost.

    Nearly equal gains are decided in favour of the later item: rounding must not.

    Args:
      num_clusters: K.
      temperature: of the shares; the smaller, the more an item belongs to one group.

    Raises:
      ValueError: an argument is not positive.
    """

    def __init__(self, num_clusters: int, temperature: float = 0.1, **kwargs: Any) -> None:
        # Cosines that differ in their third digit decide, so nothing is in half precision here.
        super().__init__(**{**kwargs, "dtype": "float32"})
        if num_clusters < 1 or temperature <= 0:
            raise ValueError(
                f"num_clusters and temperature should be positive. Received: {num_clusters}, {temperature}."
            )
        self.num_clusters, self.temperature = num_clusters, temperature

    def call(
        self, items: tf.Tensor, weights: tf.Tensor, among: tf.Tensor, number: tf.Tensor | int | None = None
    ) -> Clusters:
        """Groups.

        Args:
          items: float [B, T, D], vectors of the items, without dropout.
          weights: float [B, Q, T], 0 or more; they sum to 1 over each prefix that is not empty.
          among: bool [B, Q, T], which items a prefix has.
          number: scalar, largest number of groups in use, K by default.

        Returns:
          the groups; an empty prefix has none in use, and zeros.
        """
        directions, weights = unit(tf.stop_gradient(tf.cast(items, tf.float32))), tf.stop_gradient(weights)
        cosines = tf.matmul(directions, directions, transpose_b=True)
        places, active = self._centres(cosines, weights, among, number)
        # K tensors of [B, Q, T] instead of sums over an axis in the middle, which are slow.
        near = [tf.gather(cosines, place, batch_dims=1) for place in places]
        used = [tf.cast(there, tf.float32)[..., tf.newaxis] for there in active]
        nearest = functools.reduce(tf.maximum, (n * u - 1.0 + u for n, u in zip(near, used, strict=True)))
        # An empty prefix has nothing in use, and no nearest.
        share = [tf.exp(tf.minimum(n - nearest, 0.0) / self.temperature) for n in near]
        total = tf.maximum(tf.add_n([e * u for e, u in zip(share, used, strict=True)]), _LEAST_MASS)
        weights /= total
        shared = tf.stack([e * weights for e in share], axis=2)
        mass = tf.reduce_sum(shared, axis=3)
        attribution = shared * (1.0 / tf.maximum(mass, _LEAST_MASS))[..., tf.newaxis]
        return Clusters(attribution, mass, tf.stack(active, axis=2))

    def _centres(
        self, cosines: tf.Tensor, weights: tf.Tensor, among: tf.Tensor, number: tf.Tensor | int | None
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """The item in the centre of each of the K groups, int32 [B, Q], and whether it is in use, bool [B, Q]."""
        covers = tf.square(tf.nn.relu(cosines))
        length = tf.shape(cosines)[1]
        later = _LATER * tf.cast(tf.range(length), tf.float32) / tf.cast(length, tf.float32)
        present = tf.where(among, later, -1.0)
        uncovered, still = weights, tf.reduce_any(among, axis=2)
        centres, active = [], []
        for place in range(self.num_clusters):
            gains = tf.matmul(uncovered, covers) + present
            centre = tf.argmax(gains, axis=2, output_type=tf.int32)
            if place:
                still &= tf.reduce_max(gains, axis=2) > LEAST_GAIN
                if number is not None:
                    still &= place < number
            centres.append(centre)
            active.append(still)
            if place < self.num_clusters - 1:
                uncovered *= 1.0 - tf.gather(covers, centre, batch_dims=1)
        count = tf.maximum(tf.add_n([tf.cast(there, tf.int32) for there in active]), 1)
        for place in range(1, self.num_clusters):
            for earlier in range(place):
                centres[place] = tf.where(tf.equal(place % count, earlier), centres[earlier], centres[place])
        return centres, active

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_clusters": self.num_clusters, "temperature": self.temperature}
