"""What a user tower says of a batch of histories."""

from typing import NamedTuple

import tensorflow as tf


class Encoding(NamedTuple):
    """What the user tower says.

    Attributes:
      interests: float [B, Q, K, D], float32 from :meth:`RetrievalModel.encode` on.
      interest_mask: bool [B, Q, K].
      attribution: float [B, Q, K, T], non-negative weight of each history item in each interest.
    """

    interests: tf.Tensor
    interest_mask: tf.Tensor
    attribution: tf.Tensor
