import numpy as np
import tensorflow as tf

from trainer.metrics.ranking import ranking_metrics


def test_by_hand():
    """Lists of 4; user 0 finds one of two targets in second place, user 1 nothing, user 2 has no targets."""
    ranked = tf.constant([[3, 1, 2, 0], [5, 6, 7, 8], [1, 2, 3, 4]])
    targets = tf.constant([[1, 9, -1], [0, -1, -1], [-1, -1, -1]])
    metrics = ranking_metrics(ranked, targets, cutoffs=(1, 4))
    np.testing.assert_allclose(metrics["recall_at_1"], [0, 0, 0])
    np.testing.assert_allclose(metrics["recall_at_4"], [0.5, 0, 0])
    np.testing.assert_allclose(metrics["hit_rate_at_4"], [1, 0, 0])
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(metrics["ndcg_at_4"], [(1 / np.log2(3)) / ideal, 0, 0], rtol=1e-6)


def test_a_target_counts_once_however_often_it_is_listed():
    metrics = ranking_metrics(tf.constant([[7, 8]]), tf.constant([[7, 7, 7, 3]]), cutoffs=(2,))
    np.testing.assert_allclose(metrics["recall_at_2"], [0.5])


def test_targets_outside_the_catalogue_count_and_are_never_hit():
    metrics = ranking_metrics(tf.constant([[7, -1]]), tf.constant([[7, -2, -2, -1]]), cutoffs=(2,))
    np.testing.assert_allclose(metrics["recall_at_2"], [1 / 3], rtol=1e-6)
    metrics = ranking_metrics(tf.constant([[-1, -1]]), tf.constant([[-1, -2]]), cutoffs=(2,))
    np.testing.assert_allclose(metrics["recall_at_2"], [0])


def test_a_short_list_is_scored_against_all_targets():
    metrics = ranking_metrics(tf.constant([[4]]), tf.constant([[4, 5]]), cutoffs=(20,))
    np.testing.assert_allclose(metrics["recall_at_20"], [0.5])
    np.testing.assert_allclose(metrics["ndcg_at_20"], [1 / (1 + 1 / np.log2(3))], rtol=1e-6)
