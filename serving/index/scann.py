"""Approximate search with ScaNN's TensorFlow ops.

A program that loads a model saved with this index has to import this module first (or
``scann.scann_ops.py.scann_ops``), or TensorFlow knows the ops not: "Op type not registered 'Scann>...'".

Reference: Guo et al., Accelerating Large-Scale Inference with Anisotropic Vector Quantization, ICML 2020.
"""

import uuid

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.index.base import Index, as_variable, gather_rows
from serving.index.candidates import Candidates, candidates
from serving.index.sizes import scann_sizes
from serving.settings import IndexSettings
from trainer.errors import InputError
from trainer.ranking.top_k import NO_SCORE, Keep, TopK, exact_top_k, finish, merged_scores

try:
    from scann.scann_ops.py import scann_ops
    from scann.scann_ops.py.scann_builder import ReorderType
except (ImportError, tf.errors.OpError) as error:
    raise InputError(
        f"ScaNN's TensorFlow op does not load with TensorFlow {tf.__version__} ({error}). "
        "Install the pinned versions of requirements.lock, or set index.kind=exact."
    ) from error

SAVE_OPTIONS = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
"""How a model with this index has to be saved."""

_ANISOTROPIC_THRESHOLD = 0.2
_CENTRE_THRESHOLD = 2.5
_SAMPLE, _SAMPLE_A_LEAF, _ITERATIONS = 100_000, 125, 8
POINTS_PER_NEIGHBOUR = 5

KEEP_FACTOR = 3
"""With a filter, an interest fetches so many times k more."""

MOST_MORE = 1_000
"""For what cannot be returned an interest fetches at most so many items; a list that wants more is searched exactly."""

MERGED_FACTOR = 2
"""Ranked by log-sum-exp, an interest fetches so many times k: see serving/index/candidates.py."""

SPARE = 8
"""So many more are fetched because scores of eight bits may order neighbours wrongly, the k-th and the next too."""


class ScannIndex(Index):
    """A tree of leaves, asymmetric hashing in the searched leaves, and scores of eight bits for the best of them.

    All K searches of a batch are one call of the op; the union of what they found is scored exactly, each item by all
    interests. Ranked by log-sum-exp, lists of ``MERGED_FACTOR * k`` are united; an item outside of them is missed.

    Args:
      item_vectors: [N, D] float32, so many that :func:`scann_sizes` gives them leaves. A variable is shared.
      settings: unset sizes follow from N, see :func:`scann_sizes`.
      temperature: of :func:`trainer.ranking.top_k.merged_scores`; None for the maximum over interests.
    """

    def __init__(
        self,
        item_vectors: npt.NDArray[np.float32] | tf.Tensor | tf.Variable,
        settings: IndexSettings,
        temperature: float | None = None,
    ) -> None:
        super().__init__()
        self._temperature = temperature
        self.item_vectors = as_variable(item_vectors)
        self.num_items, self.dimension = self.item_vectors.shape
        self.sizes = scann_sizes(self.num_items, settings)
        searcher = (
            scann_ops.builder(self.item_vectors.numpy(), min(settings.max_k, self.num_items), "dot_product")
            # With random centres two builds of one catalogue differ, in recall too; k-means++ repeats itself.
            .tree(
                self.sizes.num_leaves,
                self.sizes.leaves_to_search,
                training_sample_size=max(_SAMPLE, _SAMPLE_A_LEAF * self.sizes.num_leaves),
                training_iterations=_ITERATIONS,
                random_init=False,
                avq=_CENTRE_THRESHOLD,
            )
            .score_ah(settings.dimensions_per_block, _ANISOTROPIC_THRESHOLD)
            .reorder(self.sizes.reorder, ReorderType.INT8)
            .build()
        )
        self._state = searcher.serialize_to_module()
        self._shared_name = f"scann-{uuid.uuid4()}"
        self._exact_chunk = settings.exact_chunk

    def search(
        self,
        interests: tf.Tensor,
        interest_mask: tf.Tensor,
        k: int | tf.Tensor,
        excluded: tf.Tensor | None = None,
        keep: Keep | None = None,
    ) -> TopK:
        """See :meth:`serving.index.base.Index.search`.

        Each interest fetches more than k items where some of them cannot be returned, within limits. A user whose
        list may lack an item for that reason, see :class:`Candidates`, is searched exactly, whichever way scores are
        merged. A long list searches more leaves than the settings say: enough to hold five times its length.
        """
        k = tf.convert_to_tensor(k, tf.int32)
        interests, interest_mask = tf.convert_to_tensor(interests), tf.convert_to_tensor(interest_mask)
        fetch = self._fetch(k, excluded, keep)
        indices, scores = self._lists(interests, interest_mask, fetch)
        cut_off = (tf.shape(scores)[2] >= fetch) & (fetch < self.num_items)
        found = candidates(indices, scores, interest_mask, k, cut_off, excluded, keep)
        approximate = self._best(found, interests, interest_mask, k)

        def searched_exactly() -> TopK:
            users = tf.where(~found.complete)[:, 0]
            replaced = exact_top_k(
                tf.gather(interests, users),
                tf.gather(interest_mask, users),
                self.item_vectors,
                k,
                self._exact_chunk,
                None if excluded is None else tf.gather(excluded, users),
                None if keep is None else _of_some_users(keep, users, tf.shape(interests)[0]),
                self._temperature,
            )
            return TopK(
                *map(
                    lambda old, new: tf.tensor_scatter_nd_update(old, users[:, tf.newaxis], new), approximate, replaced
                )
            )

        best = tf.cond(tf.reduce_all(found.complete), lambda: approximate, searched_exactly)
        return finish(best.indices, best.scores, best.interest, tf.get_static_value(k))

    def _fetch(self, k: tf.Tensor, excluded: tf.Tensor | None, keep: Keep | None) -> tf.Tensor:
        """How many items each interest fetches for a list of k."""
        wanted = k if self._temperature is None else MERGED_FACTOR * k
        more = 0 if keep is None else KEEP_FACTOR * k
        if excluded is not None:
            more += tf.maximum(tf.reduce_max(tf.reduce_sum(tf.cast(excluded >= 0, tf.int32), axis=1)), 0)
        return tf.minimum(wanted + SPARE + tf.minimum(more, MOST_MORE), self.num_items)

    def _lists(self, interests: tf.Tensor, interest_mask: tf.Tensor, fetch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The items nearest to each interest, [B, K, n] int32 and their scores, n at most ``fetch``.

        Masked interests are not searched: their lists are arbitrary.
        """
        searched = tf.reshape(interest_mask, [-1])
        queries = tf.boolean_mask(tf.reshape(interests, [-1, self.dimension]), searched)
        # The op wants one query at least.
        queries = tf.pad(queries, [[0, tf.cast(tf.shape(queries)[0] == 0, tf.int32)], [0, 0]])
        indices, scores = scann_ops.ScannSearcher(self._handle()).search_batched(
            queries,
            final_num_neighbors=fetch,
            pre_reorder_num_neighbors=tf.maximum(self.sizes.reorder, tf.minimum(2 * fetch, self.num_items)),
            leaves_to_search=tf.maximum(self._enough_leaves(fetch), self.sizes.leaves_to_search),
        )
        row = tf.reshape(tf.maximum(tf.cumsum(tf.cast(searched, tf.int32)) - 1, 0), tf.shape(interest_mask))
        return tf.gather(indices, row), tf.gather(scores, row)

    def _best(self, found: Candidates, interests: tf.Tensor, interest_mask: tf.Tensor, k: tf.Tensor) -> TopK:
        """The k best candidates by their true scores.

        The search knows scores with eight bits, and only those of the interest that found an item.
        """
        scores = tf.matmul(interests, self.vectors(found.items), transpose_b=True)
        scores += tf.where(interest_mask, 0.0, NO_SCORE)[:, :, tf.newaxis]
        best = merged_scores(scores, self._temperature)
        # A score that is not a number is none, as in the exact search.
        best = tf.where(found.usable & ~tf.math.is_nan(best), best, NO_SCORE)
        best, order = tf.math.top_k(best, k)
        interest = tf.gather(tf.argmax(scores, axis=1, output_type=tf.int32), order, batch_dims=1)
        return TopK(tf.gather(found.items, order, batch_dims=1), best, interest)

    def vectors(self, indices: tf.Tensor) -> tf.Tensor:
        """See :meth:`serving.index.base.Index.vectors`."""
        return gather_rows(self.item_vectors, indices)

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

    def least_leaves(self, k: int) -> int:
        """How many leaves are searched for a list of k, whatever the sizes say."""
        return int(self._enough_leaves(self._fetch(tf.constant(k), None, None)))

    def _enough_leaves(self, fetch: tf.Tensor) -> tf.Tensor:
        items_in_a_leaf = self.num_items / self.sizes.num_leaves
        enough = tf.cast(tf.math.ceil(POINTS_PER_NEIGHBOUR * tf.cast(fetch, tf.float32) / items_in_a_leaf), tf.int32)
        return tf.minimum(enough, self.sizes.num_leaves)


def _of_some_users(keep: Keep, users: tf.Tensor, batch: tf.Tensor) -> Keep:
    """``keep`` for the rows ``users`` of a batch only: it is written for whole batches."""

    def kept(items: tf.Tensor) -> tf.Tensor:
        shape = tf.cast(tf.stack([batch, tf.shape(items)[1]]), users.dtype)
        return tf.gather(keep(tf.scatter_nd(users[:, tf.newaxis], items, shape)), users)

    return kept
