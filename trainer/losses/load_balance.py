"""Load-balancing loss of capsules (MIRACLE)."""

import tensorflow as tf


def load_balance(gates: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """``C sum_j f_j p_j``: p_j is the mean of ``softmax_j(gates)``, f_j the share of items whose largest gate is j.

    1 when all capsules have the same part, C when one has it all. The gradient flows through p alone.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network" (MIRACLE), SIGIR 2023,
    after Fedus et al., "Switch Transformers", JMLR 2022, eq. 4.

    Args:
      gates: float [..., C], logits.
      mask: bool [...], the items that count.

    Returns:
      float32 scalar; 0 if no item counts.
    """
    chosen = tf.cast(tf.boolean_mask(gates, mask), tf.float32)
    number = tf.cast(tf.shape(chosen)[0], tf.float32)
    capsules = gates.shape[-1]
    probability = tf.math.divide_no_nan(tf.reduce_sum(tf.nn.softmax(chosen, axis=-1), axis=0), number)
    share = tf.reduce_sum(tf.one_hot(tf.argmax(chosen, axis=-1), capsules), axis=0)
    return capsules * tf.reduce_sum(tf.math.divide_no_nan(share, number) * probability)
