"""Retrieval against restatements in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.ranking import top_k as retrieval

SEED = 7


def make_users(rng, batch=5, interests=3, dimension=6, items=60):
    """Random interests and items with small integer coordinates: scores are exact, and ties are many."""
    vectors = rng.integers(-3, 4, size=(items, dimension)).astype(np.float32)
    users = rng.integers(-3, 4, size=(batch, interests, dimension)).astype(np.float32)
    mask = rng.random((batch, interests)) < 0.6
    mask[:, 0] |= ~mask.any(axis=1)
    return users, mask, vectors


def expected_top_k(users, mask, vectors, k, excluded=None, temperature=None):
    """Scores every item for every user; sorts by score, then by index."""
    indices, scores, interest = [], [], []
    for user in range(len(users)):
        by_interest = np.where(mask[user][:, None], users[user] @ vectors.T, -np.inf)
        best = by_interest.max(axis=0)
        if temperature is not None:
            sums = np.exp(by_interest[mask[user]].astype(np.float64) / temperature).sum(axis=0)
            best = temperature * np.log(sums)
        if excluded is not None:
            best[[item for item in excluded[user] if item >= 0]] = -np.inf
        order = [item for item in np.lexsort((np.arange(len(best)), -best)) if best[item] > -np.inf][:k]
        missing = k - len(order)
        indices.append(order + [-1] * missing)
        scores.append([best[item] for item in order] + [-np.inf] * missing)
        interest.append([by_interest[:, item].argmax() for item in order] + [0] * missing)
    return np.array(indices), np.array(scores), np.array(interest)


def assert_same(result, expected):
    for got, want in zip(result, expected, strict=True):
        np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("interests", [1, 3])
@pytest.mark.parametrize("chunk", [1, 7, 60, 1000])
@pytest.mark.parametrize("k", [1, 10, 75])
def test_exact_top_k(interests, chunk, k):
    users, mask, vectors = make_users(np.random.default_rng(SEED), interests=interests)
    result = retrieval.exact_top_k(users, mask, vectors, k, chunk=chunk)
    assert result.indices.shape == (5, k)
    assert_same(result, expected_top_k(users, mask, vectors, k))


@pytest.mark.parametrize("width", [0, 1, 40, 59])
def test_exact_top_k_of_what_is_not_excluded(width):
    rng = np.random.default_rng(SEED)
    users, mask, vectors = make_users(rng)
    excluded = np.stack([rng.permutation(60)[:width] for _ in users]).astype(np.int64).reshape(5, width)
    excluded[0, : width // 2] = -1
    result = retrieval.exact_top_k(users, mask, vectors, 8, chunk=16, excluded=tf.constant(excluded))
    assert_same(result, expected_top_k(users, mask, vectors, 8, excluded))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_exact_top_k_of_what_a_user_may_get(share, chunk):
    rng = np.random.default_rng(SEED)
    users, mask, vectors = make_users(rng)
    allowed = rng.random((5, 60)) < share
    excluded = rng.integers(-1, 60, size=(5, 6))
    forbidden = [[*np.flatnonzero(~row), *out] for row, out in zip(allowed, excluded, strict=True)]
    expected = expected_top_k(users, mask, vectors, 8, forbidden)
    keep = kept(allowed)
    assert_same(retrieval.exact_top_k(users, mask, vectors, 8, chunk, tf.constant(excluded), keep), expected)


def kept(allowed):
    """A filter by a table, users by items."""
    return lambda items: tf.gather(tf.constant(allowed), items, batch_dims=1)


def restated_merge(by_interest, temperature):
    return temperature * np.log(np.exp(by_interest.astype(np.float64) / temperature).sum(axis=1))


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0, 7.0])
def test_merged_scores_are_a_smooth_maximum_in_the_units_of_the_maximum(temperature):
    by_interest = np.random.default_rng(SEED).uniform(-1, 1, size=(6, 4, 30)).astype(np.float32)
    by_interest[1, 2:] = by_interest[2, :3] = -np.inf
    merged = retrieval.merged_scores(tf.constant(by_interest), temperature).numpy()
    np.testing.assert_allclose(merged, restated_merge(by_interest, temperature), rtol=1e-5, atol=1e-6)
    best = by_interest.max(axis=1)
    assert (merged >= best).all() and (merged <= best + temperature * np.log(4) + 1e-5).all()
    np.testing.assert_array_equal(merged[2], best[2])  # one active interest: to the last bit
    np.testing.assert_array_equal(retrieval.merged_scores(tf.constant(by_interest)), best)


def test_merged_scores_of_one_interest_none_and_what_is_no_number():
    one = np.random.default_rng(SEED).normal(size=(3, 1, 50)).astype(np.float32)
    np.testing.assert_array_equal(retrieval.merged_scores(tf.constant(one), 0.1), one[:, 0])
    nothing = retrieval.merged_scores(tf.fill([2, 3, 4], -np.inf), 0.1)
    assert np.isneginf(nothing).all()
    far = retrieval.merged_scores(tf.constant([[[9000.0, -9000.0], [-9000.0, -9000.0]]]), 0.01).numpy()
    np.testing.assert_allclose(far, [[9000.0, -9000.0 + 0.01 * np.log(2)]], rtol=1e-6)
    broken = retrieval.merged_scores(tf.constant([[[np.nan, np.inf], [1.0, 2.0]]]), 0.1).numpy()
    assert np.isnan(broken[0, 0]) and broken[0, 1] == np.inf


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize("width", [0, 20])
def test_exact_top_k_by_log_sum_exp(chunk, width):
    """Every item is scored, so that one which no interest alone has among its first k is found as well."""
    rng = np.random.default_rng(SEED)
    _, mask, _ = make_users(rng, batch=20)
    users, vectors = (rng.normal(size=shape).astype(np.float32) for shape in ((20, 3, 6), (60, 6)))
    excluded = rng.integers(-1, 60, size=(20, width))
    wanted = expected_top_k(users, mask, vectors, 8, excluded, temperature=3.0)
    found = retrieval.exact_top_k(users, mask, vectors, 8, chunk, tf.constant(excluded), temperature=3.0)
    np.testing.assert_array_equal(found.indices, wanted[0])
    np.testing.assert_allclose(found.scores, wanted[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.interest, wanted[2])
    own = [
        np.argsort(-interests @ vectors.T, axis=1)[active, :8] for interests, active in zip(users, mask, strict=True)
    ]
    assert width or any(not np.isin(listed, lists).all() for listed, lists in zip(wanted[0], own, strict=True))


def test_exact_top_k_of_one_interest_is_the_same_by_either_ranking():
    users, mask, vectors = make_users(np.random.default_rng(SEED))
    mask[:] = [True, False, False]
    assert_same(
        retrieval.exact_top_k(users, mask, vectors, 20, temperature=0.1), expected_top_k(users, mask, vectors, 20)
    )
    one = users[:, :1], mask[:, :1]
    assert_same(retrieval.exact_top_k(*one, vectors, 20, temperature=0.1), expected_top_k(*one, vectors, 20))


def test_exact_top_k_in_a_graph_with_k_as_a_tensor_and_a_variable_as_the_catalogue():
    users, mask, vectors = make_users(np.random.default_rng(SEED))
    catalogue = tf.Variable(vectors)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 6]),
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def search(interests, interest_mask, k):
        return retrieval.exact_top_k(interests, interest_mask, catalogue, k, chunk=11)

    for k in (1, 20):
        assert_same(search(users, mask, k), expected_top_k(users, mask, vectors, k))


def test_a_user_without_interests_gets_nothing():
    users, mask, vectors = make_users(np.random.default_rng(SEED), batch=2)
    mask[1] = False
    result = retrieval.exact_top_k(users, mask, vectors, 3)
    np.testing.assert_array_equal(result.indices[1], [-1, -1, -1])
    np.testing.assert_array_equal(result.scores[1], [-np.inf] * 3)
    assert (result.indices[0].numpy() >= 0).all()


def test_because_is_the_history_item_that_adds_most_to_the_score():
    attribution = tf.constant([[[0.9, 0.1, 0.3, 0.2], [0.0, 0.4, 0.4, 0.1]], [[0.0] * 4] * 2])
    history = tf.constant([[0, 11, 12, 13], [0, 0, 0, 0]], tf.int64)
    looked_at = tf.tile(tf.constant([[[9.0, 9.0], [1.0, 0.0], [1.0, 0.0], [0.0, 4.0]]]), [2, 1, 1])
    recommended = tf.tile(tf.constant([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]]]), [2, 1, 1])
    interest = tf.constant([[0, 0, 1, 0]] * 2)
    # Interest 0 adds .1, .3 and 0 (position 0 is padding); then 0, 0 and .8; interest 1 has a tie, and the later item
    # is nearer; of three that take away, the one that takes least.
    result = retrieval.because(attribution, history, interest, looked_at, recommended)
    assert result.numpy().tolist() == [[11, 12, 11, 10], [-1] * 4]
