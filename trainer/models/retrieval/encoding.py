"""Output of a user tower."""

from typing import NamedTuple

import tensorflow as tf


class Encoding(NamedTuple):
    """Output of the user tower.

    Attributes:
      interests: float [B, Q, K, D], float32 from :meth:`RetrievalModel.encode` on.
      interest_mask: bool [B, Q, K].
      attribution: float [B, Q, K, T], non-negative weight of each history item in each interest.
    """

    interests: tf.Tensor
    interest_mask: tf.Tensor
    attribution: tf.Tensor
