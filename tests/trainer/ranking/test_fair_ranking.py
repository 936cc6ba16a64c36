"""Ranks of targets among the whole catalogue against NumPy, and that a model without an opinion scores like chance."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.baselines import expected_metrics
from trainer.metrics.ranking import rank_metrics, ranking_metrics
from trainer.ranking.fair_ranking import SpreadOrder, computed, fair_ranking
from trainer.ranking.top_k import exact_top_k

ITEMS, USERS, K, D = 90, 6, 3, 5
CUTOFFS = (4, 10)


def _ranking(interests, mask, vectors, targets, k=CUTOFFS[-1], **options):
    vectors, targets = tf.constant(vectors, tf.float32), tf.constant(targets, tf.int64)
    users = tf.constant(interests, tf.float32), tf.constant(mask)
    return fair_ranking(
        *users, len(vectors), computed(len(vectors), partial(tf.gather, vectors)), targets, k, **options
    )


def _metrics(*arguments, cutoffs=CUTOFFS, **options):
    ranking = _ranking(*arguments, k=max(cutoffs), **options)
    found = rank_metrics(ranking.better, ranking.tied, tf.constant(arguments[3], tf.int64), cutoffs)
    return {name: values.numpy() for name, values in found.items()}


def _problem(draw, seed=3):
    """Users, items and targets; ``draw(random, shape)`` makes coordinates."""
    random = np.random.default_rng(seed)
    mask = random.random((USERS, K)) < 0.6
    mask[:, 0] = True
    targets = random.integers(0, ITEMS, size=(USERS, 5))
    targets[0, 2:] = [-2, -3, -3]
    targets[1, 3:] = -1
    return draw(random, (USERS, K, D)), mask, draw(random, (ITEMS, D)), targets, random


def _scores(interests, mask, vectors):
    return np.where(mask[..., np.newaxis], interests @ vectors.T, -np.inf).max(axis=1)


def _merged(interests, mask, vectors, temperature):
    """One user at a time, float64."""
    found = [user[active].astype(np.float64) @ vectors.T for user, active in zip(interests, mask, strict=True)]
    return np.array([temperature * np.log(np.exp(scores / temperature).sum(axis=0)) for scores in found])


def _expected(scores, targets):
    pairs = zip(scores, targets, strict=True)
    rows = [expected_metrics(row, {t for t in wanted if t != -1}, CUTOFFS) for row, wanted in pairs]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


def _small_integers(random, shape):
    return random.integers(-1, 2, size=shape).astype(np.float32)


def _no_ties(random, shape):
    return random.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("draw", [_small_integers, _no_ties])
def test_metrics_against_numpy(draw, chunk):
    """Small integers: scores are exact, nearly all of them tied, and groups of ties end across both cut-offs."""
    *problem, _ = _problem(draw)
    _assert_same(_metrics(*problem, chunk=chunk), _expected(_scores(*problem[:3]), problem[3]))


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize("draw", [_small_integers, _no_ties])
def test_excluded_items_and_those_a_user_may_not_get_are_no_rivals(draw, chunk):
    *problem, random = _problem(draw)
    excluded = random.integers(-1, ITEMS, size=(USERS, 20))
    allowed = random.random((USERS, ITEMS)) < 0.7
    scores = np.where(allowed, _scores(*problem[:3]), -np.inf)
    for row, out in zip(scores, excluded, strict=True):
        row[out[out >= 0]] = -np.inf
    keep = partial(tf.gather, tf.constant(allowed), batch_dims=1)
    found = _metrics(*problem, chunk=chunk, excluded=tf.constant(excluded), keep=keep)
    _assert_same(found, _expected(scores, problem[3]))


@pytest.mark.parametrize("temperature", [0.3, 2.0])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_metrics_by_log_sum_exp_against_numpy(chunk, temperature):
    """Interests that are not active add nothing, whatever stands in their place."""
    *problem, random = _problem(_no_ties)
    excluded = random.integers(-1, ITEMS, size=(USERS, 20))
    scores = _merged(*problem[:3], temperature)
    assert (np.argsort(-scores, axis=1)[:, :10] != np.argsort(-_scores(*problem[:3]), axis=1)[:, :10]).any()
    _assert_same(_metrics(*problem, chunk=chunk, temperature=temperature), _expected(scores, problem[3]))
    for row, out in zip(scores, excluded, strict=True):
        row[out[out >= 0]] = -np.inf
    found = _metrics(*problem, chunk=chunk, temperature=temperature, excluded=tf.constant(excluded))
    _assert_same(found, _expected(scores, problem[3]))


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_by_log_sum_exp_without_ties_everything_is_as_in_serving(temperature):
    interests, mask, vectors, targets, _ = _problem(_no_ties)
    ranking = _ranking(interests, mask, vectors, targets, temperature=temperature)
    served = exact_top_k(tf.constant(interests), tf.constant(mask), vectors, max(CUTOFFS), temperature=temperature)
    np.testing.assert_array_equal(ranking.top.indices, served.indices)
    np.testing.assert_array_equal(ranking.top.interest, served.interest)
    np.testing.assert_allclose(ranking.top.scores, served.scores, rtol=1e-5)


def test_by_log_sum_exp_one_active_interest_gives_the_ranking_of_the_maximum():
    interests, mask, vectors, targets, _ = _problem(_small_integers)
    mask[:] = [False, True, False]
    plain, smooth = (_ranking(interests, mask, vectors, targets, temperature=tau) for tau in (None, 0.3))
    tf.nest.map_structure(np.testing.assert_array_equal, plain, smooth)


@pytest.mark.parametrize("chunk", [11, 1000])
def test_without_ties_everything_is_as_in_serving(chunk):
    interests, mask, vectors, targets, _ = _problem(_no_ties)
    ranking = _ranking(interests, mask, vectors, targets, chunk=chunk)
    served = exact_top_k(tf.constant(interests), tf.constant(mask), vectors, max(CUTOFFS))
    np.testing.assert_array_equal(ranking.top.indices, served.indices)
    np.testing.assert_array_equal(ranking.top.interest, served.interest)
    np.testing.assert_allclose(ranking.top.scores, served.scores, rtol=1e-5)
    assert ranking.top.indices.shape == served.indices.shape
    _assert_same(
        _metrics(interests, mask, vectors, targets, chunk=chunk),
        {name: v.numpy() for name, v in ranking_metrics(served.indices, tf.constant(targets), CUTOFFS).items()},
    )


@pytest.mark.parametrize("temperature", [None, 0.15])
@pytest.mark.parametrize("constant", [0.0, 0.37, -5.0])
@pytest.mark.parametrize("chunk", [1, 64, 1000])
def test_a_model_whose_scores_are_all_alike_scores_like_chance(constant, chunk, temperature):
    """Everybody wants one of the three most frequent items, which a tie for the lower index would put first."""
    vectors, interests = np.full((ITEMS, D), constant), np.ones((USERS, K, D))
    targets, mask = np.repeat([[0, 1, 2]], USERS, axis=0), np.ones((USERS, K), bool)
    options = {"chunk": chunk, "temperature": temperature}
    found = _metrics(interests, mask, vectors, targets, cutoffs=(20, 50), **options)
    np.testing.assert_allclose(found["recall_at_50"], 50 / ITEMS, rtol=1e-6)
    np.testing.assert_allclose(found["recall_at_20"], 20 / ITEMS, rtol=1e-6)
    none = np.prod([(70 - n) / (90 - n) for n in range(3)])  # none of three targets among 20 of 90
    np.testing.assert_allclose(found["hit_rate_at_20"], 1 - none, rtol=1e-5)
    seen = tf.constant(np.tile([5, 6, 7, 8, -1], (USERS, 1)))
    found = _metrics(interests, mask, vectors, targets, cutoffs=(50,), excluded=seen, **options)
    np.testing.assert_allclose(found["recall_at_50"], 50 / (ITEMS - 4), rtol=1e-6)


def test_the_list_of_a_model_whose_scores_are_all_alike_spreads_over_the_catalogue():
    top = _ranking(np.ones((1, 1, D)), [[True]], np.zeros((1000, D)), [[0]], k=50).top
    listed = np.sort(top.indices.numpy()[0])
    assert len(set(listed)) == 50
    # At most 1000/50 items between neighbours would be an even comb; the golden section stays within three of it.
    assert np.diff([0, *listed, 1000]).max() <= 60


@pytest.mark.parametrize("size", [1, 2, 3, 50, 89, 1682, 99_991])
def test_spread_order_is_one_to_one(size):
    order, everything = SpreadOrder(size), np.arange(size)
    items = order.item(tf.range(size))
    np.testing.assert_array_equal(np.sort(items), everything)
    np.testing.assert_array_equal(order.column(items), everything)
    assert order.column(tf.constant([-1, -7, -(1 << 61)], tf.int64)).numpy().tolist() == [-1] * 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_what_cannot_be_computed_is_never_found(bad):
    """An item without a score counts as a target that is missed; an interest without one does not score."""
    interests, mask, vectors, targets, _ = _problem(_no_ties)
    mask[0], mask[1] = [True, True, False], [True, True, True]
    targets[:, 0] = 7
    scores = _scores(interests, mask, vectors)
    scores[:, 7] = -np.inf
    scores[0] = _scores(interests, mask & [False, True, True], vectors)[0] + np.where(np.arange(ITEMS) == 7, -np.inf, 0)
    scores[1] = -np.inf
    vectors[7] = interests[0, 0] = interests[1] = bad
    found = _metrics(interests, mask, vectors, targets)
    _assert_same(found, _expected(scores, targets))
    assert all(values[1] == 0 for values in found.values())
    assert max(values[2:].max() for values in found.values()) > 0


def test_no_finite_vectors_make_a_score_that_is_not_a_number():
    """1e19 is the largest power of ten whose square is below float32's largest; inf - inf would be NaN."""
    vectors = np.array([[1e19, 1e19], [1e19, -1e19], [3e38, 3e38], [0, 0]])
    ranking = _ranking([[[1e19, -1e19]]], [[True]], vectors, [[0, 1, 2, 3]], k=4)
    assert ranking.top.indices.numpy().tolist()[0][0] == 1
    assert np.isfinite(ranking.top.scores.numpy()[0, :3]).all() and ranking.top.indices.numpy()[0, 3] == -1


def test_a_user_without_interests_finds_nothing():
    *problem, _ = _problem(_no_ties)
    problem[1][2] = False
    assert (_ranking(*problem).top.indices.numpy()[2] == -1).all()
    assert _metrics(*problem)["recall_at_10"][2] == 0


def test_more_places_than_items():
    found = _metrics(np.ones((1, 1, D)), [[True]], np.zeros((3, D)), [[0, 2, -2]], cutoffs=(2, 10))
    np.testing.assert_allclose(found["recall_at_2"], [4 / 9], rtol=1e-6)
    np.testing.assert_allclose(found["recall_at_10"], [2 / 3], rtol=1e-6)


def test_interests_that_differ_by_rounding_do_not_share_the_list():
    random = np.random.default_rng(1)
    vectors, interest = random.normal(size=(400, 16)), random.normal(size=16)
    interests = np.stack([interest, interest * (1 + 3e-7), interest * (1 - 3e-7)])[np.newaxis].astype(np.float32)
    mask = np.ones((1, 3), bool)
    assert len(set((interests[0] @ vectors.astype(np.float32).T).argmax(axis=0))) > 1
    assert set(_ranking(interests, mask, vectors, [[0]], k=50).top.interest.numpy()[0]) == {0}


def test_in_a_graph_with_any_number_of_users():
    *problem, _ = _problem(_small_integers)
    vectors = tf.constant(problem[2])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None], tf.bool), tf.TensorSpec([None, None], tf.int64)
        ]
    )  # fmt: skip
    def ranked(interests, mask, targets):
        return fair_ranking(interests, mask, ITEMS, computed(ITEMS, partial(tf.gather, vectors)), targets, 10)

    for users in (slice(0, 2), slice(None)):
        found = ranked(problem[0][users], problem[1][users], problem[3][users])
        expected = _ranking(problem[0][users], problem[1][users], problem[2], problem[3][users])
        tf.nest.map_structure(np.testing.assert_array_equal, found, expected)
