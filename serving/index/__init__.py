"""Search of the catalogue: one interface, an exact and an approximate implementation.

``build_index`` chooses by the settings. The ScaNN implementation is imported only when it is asked for:
where its op does not load, everything else still works.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.index.base import Index
from serving.index.exact import ExactIndex
from serving.index.sizes import scann_sizes
from serving.settings import IndexSettings

__all__ = ["ExactIndex", "Index", "build_index"]


def build_index(
    item_vectors: npt.NDArray[np.float32] | tf.Tensor | tf.Variable,
    settings: IndexSettings,
    temperature: float | None = None,
) -> Index:
    """Builds the index that ``settings.kind`` names; a small catalogue is searched exactly whatever it names.

    Args:
      item_vectors: [N, D] float32.
      settings: kind and sizes.
      temperature: of :func:`trainer.ranking.top_k.merged_scores`; None for the maximum over interests.

    Raises:
      InputError: ScaNN is asked for and its op does not load here.
    """
    if settings.kind == "exact" or not scann_sizes(item_vectors.shape[0], settings).num_leaves:
        return ExactIndex(item_vectors, settings.exact_chunk, temperature)
    from serving.index.scann import ScannIndex

    return ScannIndex(item_vectors, settings, temperature)
