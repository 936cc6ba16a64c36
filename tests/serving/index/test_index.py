"""Both indexes through their one interface, and the recall of ScaNN against exact search."""

import numpy as np
import pytest
import tensorflow as tf

from serving.index import ExactIndex, build_index
from serving.index.recall import ann_recall, list_recall
from serving.index.scann import MOST_MORE, SAVE_OPTIONS, SPARE, ScannIndex
from serving.index.sizes import SMALL_CATALOGUE, scann_sizes
from serving.settings import IndexSettings

DIMENSION = 16


def clustered(rng, count, clusters=80):
    centres = np.random.default_rng(0).normal(size=(clusters, DIMENSION))
    return (centres[rng.integers(0, clusters, count)] + 0.4 * rng.normal(size=(count, DIMENSION))).astype(np.float32)


@pytest.fixture(scope="module")
def catalogue():
    return clustered(np.random.default_rng(1), 6000)


@pytest.fixture(scope="module")
def users():
    rng = np.random.default_rng(2)
    mask = rng.random((40, 3)) < 0.7
    mask[:, 0] |= ~mask.any(axis=1)
    return clustered(rng, 120).reshape(40, 3, DIMENSION), mask


@pytest.fixture(scope="module")
def scann(catalogue):
    return build_index(catalogue, IndexSettings())


@pytest.mark.parametrize("kind", ["scann", "exact"])
def test_item_vectors_are_never_copied(catalogue, kind):
    """TensorFlow copies a variable that is gathered from at each of its other reads."""
    index = build_index(catalogue, IndexSettings(kind=kind))

    @tf.function
    def found(interests, excluded):
        return index.vectors(index.search(interests, tf.fill(tf.shape(interests)[:2], True), 5, excluded).indices)

    graph = found.get_concrete_function(
        tf.TensorSpec([None, 3, DIMENSION]), tf.TensorSpec([None, None], tf.int64)
    ).graph.as_graph_def()
    operations = {
        node.op for part in (graph, *graph.library.function) for node in getattr(part, "node_def", graph.node)
    }
    assert "ReadVariableOp" in operations
    assert "ResourceGather" not in operations


def expected(catalogue, users, k, excluded):
    interests, mask = users
    lists = []
    for user in range(len(interests)):
        scores = (interests[user][mask[user]] @ catalogue.T).max(axis=0)
        scores[excluded[user]] = -np.inf
        lists.append(np.argsort(-scores)[:k])
    return np.array(lists)


@pytest.mark.parametrize("kind", ["exact", "scann"])
def test_a_small_catalogue_is_searched_exactly(kind, catalogue, users):
    index = build_index(catalogue[:500], IndexSettings(kind=kind, exact_chunk=128))
    excluded = np.random.default_rng(3).integers(0, 500, size=(40, 50))
    result = index.search(*users, 25, tf.constant(excluded))
    assert isinstance(index, ExactIndex)
    np.testing.assert_array_equal(result.indices, expected(catalogue[:500], users, 25, excluded))


@pytest.mark.parametrize("kind", ["exact", "scann"])
@pytest.mark.parametrize("items", [1, 2, 17])
def test_k_larger_than_a_tiny_catalogue(kind, items, catalogue, users):
    result = build_index(catalogue[:items], IndexSettings(kind=kind)).search(*users, 30)
    assert result.indices.shape == (40, 30)
    np.testing.assert_array_equal(np.sort(result.indices[:, :items], axis=1), np.tile(np.arange(items), (40, 1)))
    assert (result.indices[:, items:].numpy() == -1).all()


@pytest.mark.parametrize(
    "options", [{}, {"excluded": tf.zeros([0, 3], tf.int64)}, {"keep": lambda rows: rows % 2 == 0}]
)
@pytest.mark.parametrize("kind", ["scann", "exact"])
def test_nobody_is_answered_with_nothing(scann, catalogue, kind, options):
    index = scann if kind == "scann" else ExactIndex(catalogue)
    found = tf.function(lambda: index.search(tf.zeros([0, 3, DIMENSION]), tf.zeros([0, 3], tf.bool), 7, **options))()
    assert [part.shape.as_list() for part in found] == [[0, 7]] * 3


@pytest.mark.parametrize(
    "options", [{}, {"excluded": tf.constant([[1, 2]] * 40)}, {"keep": lambda rows: rows % 2 == 0}]
)
def test_vectors_that_are_not_numbers_find_the_same_with_both_indexes(scann, catalogue, users, options):
    """A user with one gets an empty list, and the neighbours their own."""
    interests, mask = users[0].copy(), users[1].copy()
    interests[3, 0, 5], interests[7] = np.nan, np.nan
    mask[3], mask[7] = True, [True, False, True]
    exact = ExactIndex(catalogue).search(interests, mask, 20, **options)
    approximate = scann.search(interests, mask, 20, **options)
    for found in (exact, approximate):
        assert (found.indices.numpy()[[3, 7]] == -1).all()
        assert (found.scores.numpy()[[3, 7]] == -np.inf).all() and (found.interest.numpy()[[3, 7]] == 0).all()
    others = np.delete(np.arange(40), [3, 7])
    clean = scann.search(users[0][others], users[1][others], 20, **{**options, **_of(options, others)})
    np.testing.assert_array_equal(approximate.indices.numpy()[others], clean.indices)
    assert np.isfinite(approximate.scores.numpy()[others]).all()


def _of(options, rows):
    return {"excluded": tf.gather(options["excluded"], rows)} if "excluded" in options else {}


def test_scann_finds_nearly_all_of_the_exact_list(scann, catalogue, users):
    assert isinstance(scann, ScannIndex)
    exact = ExactIndex(catalogue)
    assert ann_recall(exact, exact, *users, 50) == 1.0
    assert ann_recall(scann, exact, *users, 50) > 0.95


def test_scann_with_a_prior_as_one_more_component(catalogue, users):
    """Unit vectors with a 1 behind, an odd number of components; interests with a prior of their own."""
    interests, mask = users
    directions = catalogue / np.linalg.norm(catalogue, axis=1, keepdims=True)
    items = np.concatenate([directions, np.ones((len(catalogue), 1), np.float32)], axis=1)
    prior = np.log(np.random.default_rng(3).dirichlet(np.ones(3), 40))[..., np.newaxis]
    wide = np.concatenate([interests / np.linalg.norm(interests, axis=2, keepdims=True), 0.1 * prior], axis=2)
    wide = wide.astype(np.float32)
    scann = build_index(items, IndexSettings())
    assert isinstance(scann, ScannIndex)
    assert ann_recall(scann, ExactIndex(items), wide, mask, 50) > 0.95
    result = scann.search(wide, mask, 10)
    scores = np.einsum("bkd,bnd->bkn", wide, items[result.indices.numpy()])
    scores[~mask] = -np.inf
    np.testing.assert_allclose(result.scores, scores.max(axis=1), rtol=1e-4, atol=1e-6)


def test_scann_returns_exact_scores_and_the_winning_interest(scann, catalogue, users):
    interests, mask = users
    result = scann.search(interests, mask, 10)
    scores = np.einsum("bkd,bnd->bkn", interests, catalogue[result.indices.numpy()])
    scores[~mask] = -np.inf
    np.testing.assert_allclose(result.scores, scores.max(axis=1), rtol=1e-4)
    np.testing.assert_array_equal(result.interest, scores.argmax(axis=1))


TAU = 3.0
"""Of inner products whose spread among a user's best items is about ten."""


def smooth(interests, mask, items):
    """Scores of all items, one user at a time, float64."""
    found = [user[active].astype(np.float64) @ items.T / TAU for user, active in zip(interests, mask, strict=True)]
    return np.array([TAU * np.logaddexp.reduce(scores, axis=0) for scores in found])


@pytest.mark.parametrize("kind", ["exact", "scann"])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.002])
def test_by_log_sum_exp_the_best_items_of_all_interests_together(kind, share, catalogue, users):
    index = build_index(catalogue, IndexSettings(kind=kind, exact_chunk=1000), TAU)
    interests, mask = users
    rng = np.random.default_rng(4)
    allowed, excluded = rng.random((40, 6000)) < share, rng.integers(0, 6000, size=(40, 30))
    result = index.search(interests, mask, 20, tf.constant(excluded), None if share == 1.0 else kept(allowed))
    scores = smooth(interests, mask, catalogue)
    for row, may, out in zip(scores, allowed, excluded, strict=True):
        row[~may] = row[out] = -np.inf
    wanted = np.argsort(-scores, axis=1)[:, :20]
    wanted[np.take_along_axis(scores, wanted, axis=1) == -np.inf] = -1
    found = result.indices.numpy()
    np.testing.assert_array_equal((found >= 0).sum(axis=1), (wanted >= 0).sum(axis=1))
    assert list_recall(found, wanted) >= (1.0 if kind == "exact" or share < 0.01 else 0.98)
    own = np.where(mask[..., np.newaxis], np.einsum("bkd,bnd->bkn", interests, catalogue[found]), -np.inf)
    for user, row in enumerate(found):
        places = row >= 0
        np.testing.assert_allclose(result.scores[user][places], scores[user][row[places]], rtol=1e-4)
        np.testing.assert_array_equal(result.interest[user][places], own[user].argmax(axis=0)[places])


def test_by_log_sum_exp_what_only_all_interests_together_want_is_found(catalogue, users):
    """Lists of k for each interest would lack some of it."""
    interests, mask = users[0][:20], np.ones((20, 3), bool)
    wanted = np.argsort(-smooth(interests, mask, catalogue), axis=1)[:, :20]
    own = np.argsort(-np.einsum("bkd,nd->bkn", interests, catalogue), axis=2)[:, :, :20]
    lacking = [np.isin(row, lists).mean() < 1 for row, lists in zip(wanted, own, strict=True)]
    assert any(lacking)
    found = ScannIndex(catalogue, IndexSettings(), TAU).search(interests, mask, 20).indices.numpy()
    assert list_recall(found[lacking], wanted[lacking]) > 0.97


@pytest.mark.parametrize("kind", ["exact", "scann"])
def test_one_interest_finds_by_log_sum_exp_what_it_finds_by_the_maximum(kind, catalogue, users):
    plain, merged = (build_index(catalogue, IndexSettings(kind=kind), tau) for tau in (None, 0.1))
    one = users[0][:, :1], users[1][:, :1]
    for found, expected_part in zip(merged.search(*one, 20), plain.search(*one, 20), strict=True):
        np.testing.assert_array_equal(found, expected_part)


def test_an_item_found_for_one_interest_is_scored_for_all(catalogue):
    """Two interests nearly alike, one leaf each: what only the weaker one finds still gets the better score."""
    rng = np.random.default_rng(9)
    first = clustered(rng, 64)
    interests = np.stack([first, first + 0.8 * rng.normal(size=first.shape).astype(np.float32)], axis=1)
    index = ScannIndex(catalogue, IndexSettings(num_leaves=200, leaves_to_search=1, reorder=30))
    found = index.search(interests, np.ones((64, 2), bool), 10)
    for user in range(64):
        rows = found.indices[user].numpy()
        true = interests[user] @ catalogue[rows[rows >= 0]].T
        np.testing.assert_allclose(found.scores[user][rows >= 0], true.max(axis=0), rtol=1e-5)
        np.testing.assert_array_equal(found.interest[user][rows >= 0], true.argmax(axis=0))


def test_excluding_the_best_items_shortens_nothing(scann, catalogue, users):
    first = scann.search(*users, 100).indices
    second = scann.search(*users, 30, first).indices.numpy()
    assert (second >= 0).all()
    assert not any(np.isin(after, before).any() for after, before in zip(second, first.numpy(), strict=True))
    assert list_recall(second, expected(catalogue, users, 30, first.numpy())) > 0.95


def test_a_list_longer_than_the_searched_leaves_is_still_full(catalogue, users):
    index = ScannIndex(catalogue, IndexSettings(leaves_to_search=1))
    result = index.search(*users, 1000)
    assert (result.indices.numpy() >= 0).all()
    assert np.isfinite(result.scores.numpy()).all()


def test_rows_of_a_list_too_short_are_marked(catalogue, users):
    interests, mask = users
    none = np.zeros_like(mask)
    result = ScannIndex(catalogue, IndexSettings()).search(interests, none, 5)
    assert (result.indices.numpy() == -1).all()
    assert np.isneginf(result.scores.numpy()).all()


def allowed_items(rng, share):
    """Of six users, each may get another part of the catalogue."""
    return rng.random((6, 6000)) < share


def kept(allowed):
    return lambda items: tf.gather(tf.constant(allowed), items, batch_dims=1)


def assert_finds(result, catalogue, users, k, forbidden):
    """The list that NumPy finds, nothing forbidden in it, and true scores."""
    interests, mask = users
    wanted = expected(catalogue, users, k, forbidden)
    found = result.indices.numpy()
    for user, out in enumerate(forbidden):
        left = len(catalogue) - len(np.unique(out))
        assert (found[user] >= 0).sum() == min(k, left)
        assert not np.isin(found[user], out).any()
        wanted[user, left:] = -1
        scores = (interests[user][mask[user]] @ catalogue[found[user][found[user] >= 0]].T).max(axis=0)
        np.testing.assert_allclose(result.scores[user][: len(scores)], scores, rtol=1e-4)
    return list_recall(found, wanted)


@pytest.mark.parametrize("kind", ["exact", "scann"])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.95])
def test_the_best_of_the_items_that_a_user_may_get(kind, share, scann, catalogue, users):
    index = scann if kind == "scann" else ExactIndex(catalogue, chunk=1000)
    some = users[0][:6], users[1][:6]
    rng = np.random.default_rng(4)
    allowed, excluded = allowed_items(rng, share), rng.integers(0, 6000, size=(6, 30))
    result = index.search(*some, 20, tf.constant(excluded), kept(allowed))
    forbidden = [np.union1d(np.flatnonzero(~row), out) for row, out in zip(allowed, excluded, strict=True)]
    # What is left by a narrow filter is searched exactly.
    assert assert_finds(result, catalogue, some, 20, forbidden) >= (1.0 if kind == "exact" or share <= 0.01 else 0.98)


def test_only_the_users_whose_list_wants_it_are_searched_exactly(catalogue, users):
    interests, mask = users
    allowed = np.ones((40, 6000), bool)
    allowed[30:] = False
    allowed[30:, :9] = True
    index = ScannIndex(catalogue, IndexSettings(num_leaves=150, leaves_to_search=1, reorder=20))
    result = index.search(interests, mask, 5, keep=kept(allowed)).indices.numpy()
    wanted = expected(catalogue, users, 5, [np.flatnonzero(~row) for row in allowed])
    np.testing.assert_array_equal(result[30:], wanted[30:])
    # The others keep the answer of their one searched leaf, with what it misses.
    alone = index.search(interests[:30], mask[:30], 5, keep=kept(allowed[:30])).indices
    np.testing.assert_array_equal(result[:30], alone)
    assert list_recall(result[:30], wanted[:30]) < 1.0


@pytest.mark.parametrize("nearest", [True, False])
def test_ten_thousand_exclusions_neither_fetch_as_much_nor_lose_an_item(nearest, catalogue, users, monkeypatch):
    """The nearest items of each user are excluded, or arbitrary ones, some of them named thrice."""
    some = users[0][:6], users[1][:6]
    index = ScannIndex(catalogue, IndexSettings(num_leaves=80, max_k=100))
    rng = np.random.default_rng(5)
    out = expected(catalogue, some, 3400, [[]] * 6) if nearest else rng.integers(0, 6000, size=(6, 3400))
    excluded = tf.constant(np.concatenate([out, out, out[:, :3300]], axis=1))
    fetched = []
    plain = index._lists
    monkeypatch.setattr(index, "_lists", lambda *given: fetched.append(int(given[2])) or plain(*given))
    result = index.search(*some, 20, excluded)
    assert fetched == [20 + SPARE + MOST_MORE]
    assert assert_finds(result, catalogue, some, 20, out) >= (1.0 if nearest else 0.98)


def test_what_cannot_be_full_is_all_that_there_is(scann, catalogue, users):
    some = users[0][:3], users[1][:3]
    out = np.tile(np.arange(5990), (3, 1))
    assert assert_finds(scann.search(*some, 50, tf.constant(out)), catalogue, some, 50, out) == 1.0


class Searcher(tf.Module):
    def __init__(self, index):
        super().__init__()
        self.index = index

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, DIMENSION]),
            tf.TensorSpec([None, None], tf.bool),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None, None], tf.int64),
            tf.TensorSpec([None, None], tf.bool),
        ]
    )
    def search(self, interests, interest_mask, k, excluded, allowed):
        def keep(items):
            return tf.gather(allowed, items, batch_dims=1)

        return self.index.search(interests, interest_mask, k, excluded, keep)._asdict()


@pytest.mark.parametrize("kind", ["exact", "scann"])
def test_a_saved_index_answers_as_before(kind, catalogue, users, scann, tmp_path):
    index = scann if kind == "scann" else ExactIndex(catalogue, chunk=1000)
    tf.saved_model.save(Searcher(index), str(tmp_path), options=SAVE_OPTIONS)
    loaded = tf.saved_model.load(str(tmp_path))
    excluded = tf.range(40, dtype=tf.int64)[:, tf.newaxis]
    for k, share in ((3, 1.0), (40, 0.5), (40, 0.005)):
        allowed = np.random.default_rng(6).random((40, 6000)) < share
        before, after = index.search(*users, k, excluded, kept(allowed)), loaded.search(*users, k, excluded, allowed)
        np.testing.assert_array_equal(after["indices"], before.indices)
        np.testing.assert_allclose(after["scores"], before.scores, rtol=1e-5)


@pytest.mark.parametrize("kind", ["exact", "scann"])
def test_no_search_copies_the_catalogue(kind, catalogue, users, scann):
    """ResourceGather makes every later read of the whole variable a copy of it."""
    index = scann if kind == "scann" else ExactIndex(catalogue)

    @tf.function
    def search():
        return index.vectors(tf.maximum(index.search(*users, 5).indices, 0))

    used = {operation.type for operation in search.get_concrete_function().graph.get_operations()}
    assert "ReadVariableOp" in used and "ResourceGather" not in used
    found = index.search(*users, 5).indices
    np.testing.assert_array_equal(search(), catalogue[found.numpy()])


def test_sizes_follow_from_the_catalogue_unless_they_are_set():
    def sizes(items, **settings):
        found = scann_sizes(items, IndexSettings(**settings))
        return found.num_leaves, found.leaves_to_search, found.reorder

    assert sizes(SMALL_CATALOGUE - 1) == (0, 0, 300)
    assert sizes(100) == (0, 0, 100)
    assert sizes(10_000) == (300, 60, 300)
    assert sizes(1_000_000) == (3000, 150, 300)
    assert sizes(100, num_leaves=500, leaves_to_search=300, reorder=900) == (100, 100, 100)
    assert sizes(63, num_leaves=10, leaves_to_search=3, reorder=20) == (0, 0, 20)


def test_recall_counts_what_exact_search_found():
    assert list_recall(np.array([[1, 2, -1], [7, 8, 9]]), np.array([[2, 5, -1], [9, 8, 7]])) == 0.75
    assert list_recall(np.array([[-1]]), np.array([[-1]])) == 1.0


def test_a_handful_of_items_is_searched_exactly_whatever_the_settings_say():
    vectors = np.eye(3, dtype=np.float32)
    index = build_index(vectors[:2], IndexSettings(num_leaves=10, leaves_to_search=8, max_k=10))
    assert isinstance(index, ExactIndex)
    found = index.search(vectors[np.newaxis], np.ones([1, 3], bool), 3)
    assert found.indices.numpy().tolist() == [[0, 1, -1]]
