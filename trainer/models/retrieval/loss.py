"""Loss of a target: which negatives it is compared with, and how several interests score it."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.layers.interests.label_aware import label_aware_read_out
from trainer.losses.mixture_softmax import mixture_softmax
from trainer.losses.negatives import (
    Negatives,
    all_items,
    in_batch_negatives,
    log_uniform_negatives,
    plain_in_batch_negatives,
    uniform_negatives,
)
from trainer.losses.read_out import hard_read_out, max_scores, mixture_scores
from trainer.losses.sampled_softmax import sampled_softmax
from trainer.losses.split_mixture_softmax import LEAST_TEMPERATURE, split_mixture_softmax
from trainer.models.retrieval.settings import ModelSettings


class TargetLoss:
    """Sampled softmax of each target, by the model's ``negatives``, ``read_out``, ``hardness`` and ``temperature``.

    Args:
      settings: of the model, with the temperature that it has.
      catalogue: the items, with their counts.
      num_negatives: S, sampled negatives a batch.
      seed: of drawing.
      single: whether a user is served with one vector.
      constant_components: how many components at the end of an item's vector are 1 for every item.
    """

    def __init__(
        self,
        settings: ModelSettings,
        catalogue: Catalogue,
        num_negatives: int,
        seed: int,
        single: bool,
        constant_components: int,
    ) -> None:
        self._settings, self._temperature = settings, float(settings.temperature)
        self._num_items, self._num_negatives, self._seed = catalogue.size, num_negatives, seed
        self._probabilities = (catalogue.counts / catalogue.counts.sum()).astype(np.float32)
        self._single = single or settings.read_out in ("hard", "soft")
        self._constant_components = constant_components

    def __call__(
        self,
        candidates: Callable[[tf.Tensor], tf.Tensor],
        interests: tf.Tensor,
        interest_mask: tf.Tensor,
        targets: tf.Tensor,
    ) -> tf.Tensor:
        """The loss of each target.

        Args:
          candidates: item indices, int [N], to vectors, float [N, D].
          interests: float [M, K, D].
          interest_mask: bool [M, K].
          targets: int64 [M], item indices.

        Returns:
          float32 [M], in nats.
        """
        given, negatives = self._settings, self._negatives(targets)
        plain = not given.hardness and (self._single or given.read_out == "mixture")
        in_parts = plain and self._in_parts(1 if self._single else given.num_interests)
        if in_parts and not self._single:
            negatives = negatives.shuffled(self._seed)
        # One call for both: an item that is target and negative has one vector, whatever noise the tower makes.
        both = candidates(tf.concat([targets, negatives.indices], axis=0))
        target_vectors, negative_vectors = tf.split(both, [tf.size(targets), tf.size(negatives.indices)])
        if self._single:
            if interests.shape[1] != 1:
                power = given.label_power if given.read_out == "soft" else math.inf
                read = hard_read_out if math.isinf(power) else partial(label_aware_read_out, power=power)
                interests = read(interests, interest_mask, target_vectors)[:, tf.newaxis]
            interest_mask = tf.ones_like(interests[..., 0], tf.bool)
        if in_parts:
            # What items answer with a 1 is the same for all of them, and no part of the product.
            interests, prior = self._apart(interests)
            (target_vectors, _), (negative_vectors, _) = self._apart(target_vectors), self._apart(negative_vectors)
            return split_mixture_softmax(
                interests, prior / self._temperature, interest_mask, target_vectors, negative_vectors, targets,
                negatives, self._temperature,
            )  # fmt: skip
        if plain:
            return mixture_softmax(
                interests, interest_mask, target_vectors, negative_vectors, targets, negatives, self._temperature
            )
        mixed = partial(mixture_scores, temperature=self._temperature)
        scores_of = mixed if given.read_out == "mixture" else max_scores
        positive, negative = (
            values / self._temperature
            for values in scores_of(interests, interest_mask, target_vectors, negative_vectors)
        )
        return sampled_softmax(positive, negative, targets, negatives, given.hardness)

    def _apart(self, vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The D components of a direction, and the sum of the constant ones behind them: [..., D] and [...]."""
        if not self._constant_components:
            return vectors, tf.zeros(tf.shape(vectors)[:-1])
        directions, rest = tf.split(vectors, [self._settings.dimension, self._constant_components], axis=-1)
        return directions, tf.reduce_sum(rest, axis=-1)

    def _in_parts(self, parts: int) -> bool:
        """Whether negatives may be shared out in so many parts; one part is all of them, for any distinct negatives."""
        given = self._settings
        if not given.normalize or self._temperature < LEAST_TEMPERATURE or given.negatives == "in_batch_plain":
            return False
        sampled = given.negatives in ("log_uniform", "uniform") and 2 * parts <= self._num_negatives < self._num_items
        return parts == 1 or (given.split_negatives and sampled)

    def _negatives(self, targets: tf.Tensor) -> Negatives:
        kind, count = self._settings.negatives, self._num_negatives
        if kind == "all":
            return all_items(targets, self._num_items)
        if kind == "in_batch":
            return in_batch_negatives(targets, tf.constant(self._probabilities))
        if kind == "in_batch_plain":
            return plain_in_batch_negatives(targets)
        draw = uniform_negatives if kind == "uniform" else log_uniform_negatives
        return draw(targets, self._num_items, count, self._seed)
