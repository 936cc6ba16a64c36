"""Approximate search with ScaNN's TensorFlow ops.

A program that loads a model saved with this index has to import this module first (or
``scann.scann_ops.py.scann_ops``), or TensorFlow knows the ops not: "Op type not registered 'Scann>...'".

Reference: Guo et al., Accelerating Large-Scale Inference with Anisotropic Vector Quantization, ICML 2020.
"""

import math
import uuid
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from serving.index.base import Index
from serving.settings import IndexSettings
from trainer.errors import InputError
from trainer.retrieval import NO_SCORE, TopK, merge_interest_lists

try:
    from scann.scann_ops.py import scann_ops
except (ImportError, tf.errors.OpError) as error:
    raise InputError(
        f"ScaNN's TensorFlow op does not load with TensorFlow {tf.__version__} ({error}). "
        "Install the pinned versions of requirements.lock, or set index.kind=exact."
    ) from error

SMALL_CATALOGUE = 5_000
"""Below so many items every vector is scored: leaves would save nothing and cost recall."""

SAVE_OPTIONS = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
"""How a model with this index has to be saved."""

_ANISOTROPIC_THRESHOLD = 0.2
_SEARCHED_FRACTION = 0.05
_LEAST_LEAVES_SEARCHED = 20
POINTS_PER_NEIGHBOUR = 5
_REORDER = 600


@dataclass(frozen=True)
class ScannSizes:
    """The numbers behind an index.

    Attributes:
      num_leaves: parts of the catalogue; 0 for a small one, of which every vector is scored.
      leaves_to_search: parts searched for one interest, at least.
      reorder: candidates scored exactly, at least.
    """

    num_leaves: int
    leaves_to_search: int
    reorder: int


def scann_sizes(num_items: int, settings: IndexSettings) -> ScannSizes:
    """Completes the settings from the size of the catalogue.

    Unset, the number of leaves is the root of the number of items, 5 % of them and at least 20 are
    searched, and 600 candidates are scored again. Numbers that are set are kept, as far as the
    catalogue allows; setting ``num_leaves`` forces leaves on a small catalogue too.
    """
    reorder = min(settings.reorder or _REORDER, num_items)
    if num_items < SMALL_CATALOGUE and settings.num_leaves is None:
        return ScannSizes(0, 0, reorder)
    num_leaves = min(settings.num_leaves or round(math.sqrt(num_items)), num_items)
    searched = settings.leaves_to_search or max(math.ceil(_SEARCHED_FRACTION * num_leaves), _LEAST_LEAVES_SEARCHED)
    return ScannSizes(num_leaves, min(searched, num_leaves), reorder)


class ScannIndex(Index):
    """A tree of leaves, asymmetric hashing in the searched leaves, and exact scores for the best of them.

    All K searches of a batch are one call of the op; their lists are merged exactly.

    Args:
      item_vectors: [N, D] float32, N at least 1.
      settings: unset sizes follow from N, see :func:`scann_sizes`.
    """

    def __init__(self, item_vectors: np.ndarray | tf.Tensor | tf.Variable, settings: IndexSettings) -> None:
        super().__init__()
        vectors = np.asarray(item_vectors, np.float32)
        self.num_items, self.dimension = vectors.shape
        self.sizes = scann_sizes(self.num_items, settings)
        builder = scann_ops.builder(vectors, min(settings.max_k, self.num_items), "dot_product")
        if self.sizes.num_leaves:
            builder = (
                # With random centres two builds of one catalogue differ, in recall too; k-means++ repeats itself.
                builder.tree(self.sizes.num_leaves, self.sizes.leaves_to_search, random_init=False)
                .score_ah(settings.dimensions_per_block, _ANISOTROPIC_THRESHOLD)
                .reorder(self.sizes.reorder)
            )
        else:
            builder = builder.score_brute_force()
        self._state = builder.build().serialize_to_module()
        self._shared_name = f"scann-{uuid.uuid4()}"

    def search(
        self,
        interests: tf.Tensor,
        interest_mask: tf.Tensor,
        k: int | tf.Tensor,
        excluded: tf.Tensor | None = None,
    ) -> TopK:
        """See :meth:`serving.index.base.Index.search`.

        Each interest fetches k items and as many more as the user with most exclusions excludes, so that
        excluding loses nothing. A long list searches more leaves than the settings say: enough to hold
        five times its length.
        """
        k = tf.convert_to_tensor(k, tf.int32)
        fetch = k
        if excluded is not None:
            most = tf.reduce_max(tf.reduce_sum(tf.cast(excluded >= 0, tf.int32), axis=1))
            fetch += tf.maximum(most, 0)
        fetch = tf.minimum(fetch, self.num_items)
        batch, num_interests = tf.shape(interests)[0], tf.shape(interests)[1]
        searcher = scann_ops.ScannSearcher(self._handle())
        indices, scores = searcher.search_batched(
            tf.reshape(interests, [-1, self.dimension]),
            final_num_neighbors=fetch,
            pre_reorder_num_neighbors=tf.maximum(self.sizes.reorder, tf.minimum(2 * fetch, self.num_items)),
            leaves_to_search=self._leaves(fetch),
        )
        shape = [batch, num_interests, tf.shape(indices)[1]]
        lists = tf.reshape(indices, shape), tf.reshape(scores, shape)
        if self.is_exact():
            return merge_interest_lists(*lists, interest_mask, k, excluded)
        candidates = merge_interest_lists(*lists, interest_mask, k * num_interests, excluded)
        return self._scored_by_all_interests(candidates, interests, interest_mask, k)

    def _scored_by_all_interests(
        self, candidates: TopK, interests: tf.Tensor, interest_mask: tf.Tensor, k: tf.Tensor
    ) -> TopK:
        """The k best candidates by their true scores.

        An item that the search found for one interest and missed for a better one would be scored too low.
        """
        found = candidates.indices >= 0
        vectors = self.vectors(tf.maximum(candidates.indices, 0))
        usable = interest_mask[:, :, tf.newaxis] & found[:, tf.newaxis, :]
        scores = tf.where(usable, tf.matmul(interests, vectors, transpose_b=True), NO_SCORE)
        best, order = tf.math.top_k(tf.reduce_max(scores, axis=1), k)
        interest = tf.gather(tf.argmax(scores, axis=1, output_type=tf.int32), order, batch_dims=1)
        return TopK(tf.gather(candidates.indices, order, batch_dims=1), best, interest)

    def vectors(self, indices: tf.Tensor) -> tf.Tensor:
        """See :meth:`serving.index.base.Index.vectors`."""
        return tf.gather(self._state.dataset, indices)

    def is_exact(self) -> bool:
        """Only where every vector is scored."""
        return not self.sizes.num_leaves

    def _handle(self) -> tf.Tensor:
        """The index in memory, made of the saved tensors at the first call.

        ``ScannState.recreate_handle`` does the same without a shared name: then every signature of a served model
        makes an index of its own.
        """
        state = self._state
        return scann_ops.tensors_to_scann(
            state.dataset,
            state.scann_config,
            state.serialized_partitioner,
            state.datapoint_to_token,
            state.ah_codebook,
            state.hashed_dataset,
            state.int8_dataset,
            state.int8_multipliers,
            state.dp_norms,
            shared_name=self._shared_name,
        )

    def _leaves(self, fetch: tf.Tensor) -> tf.Tensor:
        if not self.sizes.num_leaves:
            return tf.constant(-1)
        items_in_a_leaf = self.num_items / self.sizes.num_leaves
        enough = tf.cast(tf.math.ceil(POINTS_PER_NEIGHBOUR * tf.cast(fetch, tf.float32) / items_in_a_leaf), tf.int32)
        return tf.minimum(tf.maximum(enough, self.sizes.leaves_to_search), self.sizes.num_leaves)
