"""The candidates of K lists, restated in Python."""

import numpy as np
import pytest
import tensorflow as tf

from serving.index.candidates import candidates

NAN, INF = np.nan, np.inf


def found(indices, scores, mask, k, cut_off=False, **given):
    """Usable items of each user, in order, and whether the lists are complete."""
    result = candidates(
        tf.constant(indices, tf.int32),
        tf.constant(scores, tf.float32),
        tf.constant(mask),
        tf.constant(k),
        tf.constant(cut_off),
        **given,
    )
    assert result.items.shape[1] >= k
    assert (result.items.numpy() >= 0).all()
    lists = [row[usable].tolist() for row, usable in zip(result.items.numpy(), result.usable.numpy(), strict=True)]
    return lists, result.complete.numpy().tolist()


def test_each_item_once_and_nothing_of_padding_or_masked_lists():
    indices = [[[4, 0, 9], [4, 7, 2]], [[0, 0, 0], [3, 2, 1]]]
    scores = [[[2.0, 1.0, NAN], [3.0, -1.0, NAN]], [[NAN, NAN, NAN], [8.0, 8.0, 8.0]]]
    mask = [[True, True], [True, False]]
    assert found(indices, scores, mask, 3) == ([[0, 4, 7], []], [True, False])
    assert found(indices, scores, mask, 8)[1] == [False, False]


def test_a_user_without_interests_lacks_nothing():
    assert found([[[1, 2]]], [[[2.0, 1.0]]], [[False]], 2) == ([[]], [True])


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_excluded_items_take_their_copies_away(dtype):
    indices, scores = [[[5, 6, 7], [6, 8, 5]]], [[[9.0, INF, 7.0], [6.0, 5.0, -4.0]]]
    excluded = tf.constant([[-1, 6, 5, 6, 2**31 - 2]], dtype)
    assert found(indices, scores, [[True, True]], 2, excluded=excluded) == ([[7, 8]], [True])


def test_a_filter_sees_rows_that_there_are():
    seen = []

    def even(items):
        seen.append(items.numpy())
        return items % 2 == 0

    indices = [[[5, 6, 7], [6, 8, -1]]]
    scores = [[[9.0, 8.0, 7.0], [6.0, 5.0, NAN]]]
    assert found(indices, scores, [[True, True]], 2, keep=even) == ([[6, 8]], [True])
    assert (seen[0] >= 0).all()


@pytest.mark.parametrize(
    ("excluded", "complete"),
    [
        ([], True),  # 1, 2 and 3 score at least 3, below which the first list was cut off.
        ([1], True),
        ([1, 2], False),  # 3 remains, 4 scores less, and an item left out might score 2.9.
        ([3], True),
    ],
)
def test_what_a_list_left_out_scores_no_more_than_its_last_item(excluded, complete):
    indices = [[[1, 2, 3], [1, 4, 0]]]
    scores = [[[5.0, 4.0, 3.0], [9.0, -8.0, NAN]]]
    given = {"excluded": tf.constant([[*excluded, -1]])}
    assert found(indices, scores, [[True, True]], 2, True, **given)[1] == [complete]
    # Without items behind the lists there is nothing to miss.
    assert found(indices, scores, [[True, True]], 2, False, **given)[1] == [True]
    # Nor is there behind the second list, which ended by itself.
    alone = found(indices, scores, [[False, True]], 2, True, **given)
    assert alone[1] == [1 not in excluded]


def test_arbitrary_lists():
    """Negative, large and equal scores of 30 users; an independent restatement with sets."""
    rng = np.random.default_rng(0)
    indices = np.array([[rng.permutation(40)[:12] for _ in range(3)] for _ in range(30)])
    scores = -np.sort(-(rng.normal(size=indices.shape) * 10.0 ** rng.integers(-3, 9, (30, 1, 1))).round(2), axis=2)
    scores = scores.astype(np.float32)
    mask, excluded = rng.random((30, 3)) < 0.7, rng.integers(-1, 40, (30, 9))
    lists, complete = found(indices, scores, mask, 10, True, excluded=tf.constant(excluded))
    for user in range(30):
        best = {}
        for items, values in zip(indices[user][mask[user]], scores[user][mask[user]], strict=True):
            for item, value in zip(items, values, strict=True):
                if item not in excluded[user]:
                    best[item] = max(value, best.get(item, -INF))
        assert lists[user] == sorted(best)
        limit = max(scores[user, mask[user], -1], default=-INF)
        enough = sum(value >= limit for value in best.values()) >= 10
        assert complete[user] == (enough or not mask[user].any())
    assert 0 < sum(complete) < 30
