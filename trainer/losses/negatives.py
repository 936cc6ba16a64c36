"""Negative samplers for the sampled softmax, with their log-probabilities (logQ correction)."""

from typing import NamedTuple

import tensorflow as tf


class Negatives(NamedTuple):
    """Negatives shared by a batch, with the logQ correction of their sampling.

    Attributes:
      indices: int64 [S], items.
      log_expected: float32 [S], log of the expected number of times each is drawn.
      log_expected_targets: float32 [M], the same for the targets.
      own: int32 [M], the one place at which each target is itself, while it counts as a negative at others; None
        where the target is left out of the negatives wherever it is among them.
    """

    indices: tf.Tensor
    log_expected: tf.Tensor
    log_expected_targets: tf.Tensor
    own: tf.Tensor | None = None

    def hits(self, targets: tf.Tensor) -> tf.Tensor:
        """Which negatives are the target and so no negatives of it: bool [M, S]."""
        if self.own is not None:
            return tf.one_hot(self.own, tf.size(self.indices), on_value=True, off_value=False, dtype=tf.bool)
        return tf.equal(tf.expand_dims(targets, 1), self.indices)

    def shuffled(self, seed: int) -> "Negatives":
        """The same in random order; drawn without replacement, the likely ones come first."""
        order = tf.random.shuffle(tf.range(tf.size(self.indices)), seed=seed)
        return self._replace(indices=tf.gather(self.indices, order), log_expected=tf.gather(self.log_expected, order))


def all_items(targets: tf.Tensor, num_items: int) -> Negatives:
    """Every item: the full softmax, with nothing to correct.

    Args:
      targets: int64 [M].
      num_items: N.
    """
    indices = tf.range(num_items, dtype=tf.int64)
    return Negatives(indices, tf.zeros(num_items), tf.zeros(tf.shape(targets)[0]))


def log_uniform_negatives(targets: tf.Tensor, num_items: int, num_negatives: int, seed: int) -> Negatives:
    """Draws distinct items from ``P(i) = log((i + 2) / (i + 1)) / log(N + 1)``.

    The distribution is close to popularity when items are numbered by descending frequency, as Transform numbers
    them. Where ``num_negatives`` reaches the catalogue's size every item is a negative and nothing needs correcting.

    Reference: the candidate sampling of ComiRec's and SINE's released code; Bengio and Senecal, "Adaptive Importance
    Sampling to Accelerate Training of a Neural Probabilistic Language Model", 2008, for the correction.

    Args:
      targets: int64 [M].
      num_items: N.
      num_negatives: S, wanted number of negatives.
      seed: seed of the drawing.

    Raises:
      ValueError: N or S is not positive.
    """
    if num_items < 1 or num_negatives < 1:
        raise ValueError(f"num_items and num_negatives should be positive. Received: {num_items}, {num_negatives}.")
    if num_negatives >= num_items:
        return all_items(targets, num_items)
    indices, expected_targets, expected = tf.random.log_uniform_candidate_sampler(
        tf.expand_dims(targets, 1), 1, num_negatives, unique=True, range_max=num_items, seed=seed
    )
    return Negatives(indices, tf.math.log(expected), tf.math.log(tf.squeeze(expected_targets, 1)))


def uniform_negatives(targets: tf.Tensor, num_items: int, num_negatives: int, seed: int) -> Negatives:
    """Draws distinct items, all equally likely; every item where ``num_negatives`` reaches the catalogue's size.

    Args and Raises as of :func:`log_uniform_negatives`.
    """
    if num_items < 1 or num_negatives < 1:
        raise ValueError(f"num_items and num_negatives should be positive. Received: {num_items}, {num_negatives}.")
    if num_negatives >= num_items:
        return all_items(targets, num_items)
    indices, expected_targets, expected = tf.random.uniform_candidate_sampler(
        tf.expand_dims(targets, 1), 1, num_negatives, unique=True, range_max=num_items, seed=seed
    )
    return Negatives(indices, tf.math.log(expected), tf.math.log(tf.squeeze(expected_targets, 1)))


def in_batch_negatives(targets: tf.Tensor, probabilities: tf.Tensor) -> Negatives:
    """The batch's own targets, each once.

    An item of probability p is among M targets ``1 - (1 - p)^M`` times on average, which the loss corrects for.

    Reference: Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys
    2019, section 3; probabilities are counted on the training split instead of estimated from the stream.

    Args:
      targets: int64 [M].
      probabilities: float32 [N], share of each item among the training interactions.
    """
    indices, _ = tf.unique(targets)
    draws = tf.cast(tf.size(targets), tf.float32)

    def log_expected(items: tf.Tensor) -> tf.Tensor:
        return tf.math.log(-tf.math.expm1(draws * tf.math.log1p(-tf.gather(probabilities, items))))

    return Negatives(indices, log_expected(indices), log_expected(targets))


def plain_in_batch_negatives(targets: tf.Tensor) -> Negatives:
    """The batch's targets as they come: cross-entropy over the rows of the batch, with nothing corrected.

    An item that is the target of several rows is a candidate several times, of which a row takes one for its target and
    the others for negatives; frequent items are pushed down as often as they are targets.

    Reference: the pre-training loss of the released code of Tang et al., "Towards Multi-Interest Pre-training with
    Sparse Capsule Network" (MIRACLE), SIGIR 2023. :func:`in_batch_negatives` mends both.

    Args:
      targets: int64 [M].
    """
    zeros = tf.zeros(tf.shape(targets)[0])
    return Negatives(targets, zeros, zeros, tf.range(tf.size(targets)))
