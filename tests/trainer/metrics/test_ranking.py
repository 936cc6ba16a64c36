"""Ranking metrics against numbers computed by hand, and against all orders of what is tied."""

from itertools import permutations

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.baselines import expected_metrics
from trainer.metrics.ranking import rank_metrics, ranking_metrics


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


@pytest.mark.parametrize(
    ("targets", "recall"), [([7, -2, -2, -1], 1 / 2), ([7, -2, -3, -1], 1 / 3), ([7, -9, -2, -9], 1 / 3), ([-1, -2], 0)]
)
def test_targets_outside_the_catalogue_count_once_each_and_are_never_hit(targets, recall):
    metrics = ranking_metrics(tf.constant([[7, -1]]), tf.constant([targets]), cutoffs=(2,))
    np.testing.assert_allclose(metrics["recall_at_2"], [recall], rtol=1e-6)


def test_a_short_list_is_scored_against_all_targets():
    metrics = ranking_metrics(tf.constant([[4]]), tf.constant([[4, 5]]), cutoffs=(20,))
    np.testing.assert_allclose(metrics["recall_at_20"], [0.5])
    np.testing.assert_allclose(metrics["ndcg_at_20"], [1 / (1 + 1 / np.log2(3))], rtol=1e-6)


@pytest.mark.parametrize("targets", [[0], [2], [2, 3], [2, 3, 4], [0, 5], [1, 4, 6, -2], [6]])
@pytest.mark.parametrize("scores", [[5, 4, 3, 3, 3, 3, 1], [1] * 7, [2, 2, 2, 1, 1, 1, 0]])
def test_ties_against_the_mean_over_all_orders(scores, targets):
    """Of seven items: every one of the 5,040 orders, sorted stably by score, is as likely as any other."""
    scores, cutoffs = np.array(scores, float), (1, 3, 5)
    better = [[(scores > scores[t]).sum() if t >= 0 else np.iinfo(np.int32).max for t in targets]]
    tied = [[(scores == scores[t]).sum() if t >= 0 else 1 for t in targets]]
    found = rank_metrics(*(tf.constant(v, tf.int32) for v in (better, tied)), tf.constant([targets]), cutoffs)
    orders = np.array(list(permutations(range(7))))
    lists = np.take_along_axis(orders, np.argsort(-scores[orders], axis=1, kind="stable"), axis=1)
    hits = np.isin(lists, targets)
    in_numpy = expected_metrics(scores, set(targets), cutoffs)
    for n in cutoffs:
        discounts = 1 / np.log2(np.arange(n) + 2)
        expected = {
            f"recall_at_{n}": hits[:, :n].sum(axis=1).mean() / len(targets),
            f"hit_rate_at_{n}": hits[:, :n].any(axis=1).mean(),
            f"ndcg_at_{n}": (hits[:, :n] @ discounts).mean() / discounts[: len(targets)].sum(),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], [value], rtol=1e-5, err_msg=name)
            np.testing.assert_allclose(in_numpy[name], value, rtol=1e-9, err_msg=name)
