"""Precision of tags against numbers computed by hand."""

import numpy as np
import tensorflow as tf

from trainer.metrics.tags import precision_of_tags


def _precision(scores, relevant, cutoffs=(1, 2, 3)):
    found = precision_of_tags(tf.constant(scores, tf.float32), tf.constant(np.array(relevant, bool)), cutoffs)
    return np.stack([found[f"precision_at_{k}"] for k in cutoffs], axis=1)


def test_by_hand():
    """The relevant tags stand first and third; no tag is relevant; more tags are asked for than there are."""
    np.testing.assert_allclose(
        _precision([[3, 1, 2, 4], [4, 3, 2, 1]], [[0, 0, 1, 1], [0, 0, 0, 0]], (1, 2, 3, 5)),
        [[1, 1 / 2, 2 / 3, np.nan], [np.nan] * 4],
        rtol=1e-6,
    )


def test_ties_are_worth_their_share_of_the_places():
    """All four alike, one relevant: a quarter at every k. One in front, then three alike of which one is relevant."""
    found = _precision([[5, 5, 5, 5], [9, 2, 2, 2]], [[1, 0, 0, 0], [1, 1, 0, 0]])
    np.testing.assert_allclose(found, [[1 / 4] * 3, [1, (1 + 1 / 3) / 2, (1 + 2 / 3) / 3]], rtol=1e-6)


def test_a_score_that_is_not_a_number_is_never_found():
    found = _precision([[np.nan] * 3, [np.nan, 1, 0]], [[1, 1, 1], [1, 1, 0]])
    np.testing.assert_allclose(found, [[0, 0, 0], [1, 1 / 2, 1 / 3]], rtol=1e-6)
