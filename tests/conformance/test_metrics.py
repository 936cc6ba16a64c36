"""What every row of the table of metrics has to keep, whatever it measures."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.metric_lists import COUNTS, HISTORY, TARGETS, USERS, K, N, at_random, bad, good
from trainer.metrics import table
from trainer.metrics.exposure import Exposure, first_items
from trainer.metrics.ranking import Places
from trainer.metrics.user_lists import UserLists
from trainer.metrics.user_metrics import Catalogue, Users, user_metrics
from trainer.ranking.fair_ranking import NOWHERE

SEEDS = st.integers(0, 2**32 - 1)
ROWS = [pytest.param(metric, n, id=name) for metric in table.TABLE for name, n in metric.names.items()]
each_metric = pytest.mark.parametrize(("metric", "n"), ROWS)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "choose-a-model.md").read_text()


def _exposed(shown):
    exposure = Exposure()
    exposure.add(shown)
    return exposure


def _values(metric, n, lists):
    """A value of each user who has one; of a metric of all users together, its one value."""
    found = metric.function(lists, n)
    if metric.combine is not None:
        assert found.dtype == tf.int32 and found.shape[0] == lists.listed.shape[0]
        counts = _exposed(found.numpy()).counts(N)
        return np.array([metric.combine(counts)] if counts.any() else [])
    assert found.dtype == tf.float32 and found.shape == lists.listed.shape[:1]
    return found.numpy()[~np.isnan(found.numpy())]


def _users(lists, chosen):
    """Some of the users alone."""
    of_each = lambda value: tf.gather(value, chosen)  # noqa: E731
    return UserLists(
        places=Places(*map(of_each, lists.places)),
        listed=of_each(lists.listed),
        own=of_each(lists.own),
        own_places=tuple(map(of_each, lists.own_places)),
        interests=of_each(lists.interests),
        active=of_each(lists.active),
        page_rows=lists.page_rows,
        history=of_each(lists.history),
        items=lists.items,
    )


@each_metric
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, positive=st.booleans())
def test_values_are_within_the_bounds(metric, n, seed, positive):
    least, most = metric.bounds
    values = _values(metric, n, at_random(seed, positive=positive))
    assert (values >= least - 1e-6).all() and (values <= most + 1e-6).all()


@each_metric
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_nothing_is_better_than_the_best_and_nothing_worse_than_the_worst(metric, n, seed):
    sign = {"higher": 1.0, "lower": -1.0, "neither": math.nan}[metric.direction]
    if math.isnan(sign):
        pytest.skip("no value is better than another")
    best, worst = max(sign * _values(metric, n, good())), min(sign * _values(metric, n, bad()))
    among = sign * _values(metric, n, at_random(seed))
    assert best > worst
    assert (among <= best + 1e-6).all() and (among >= worst - 1e-6).all()


@each_metric
def test_users_with_everything_have_a_value(metric, n):
    assert len(_values(metric, n, good())) == (1 if metric.combine else USERS)


@each_metric
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_a_user_s_value_does_not_depend_on_the_others(metric, n, seed):
    lists = at_random(seed)
    together = metric.function(lists, n).numpy()
    for user in range(USERS):
        np.testing.assert_allclose(metric.function(_users(lists, [user]), n)[0], together[user], rtol=1e-6)


@pytest.mark.parametrize("metric", [metric for metric in table.TABLE if metric.combine], ids=lambda metric: metric.name)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, cut=st.integers(0, 9))
def test_parts_of_the_users_make_up_the_whole(metric, seed, cut):
    for n in metric.cutoffs:
        shown = metric.function(at_random(seed, users=9), n).numpy()
        whole = _exposed(shown).counts(N)
        for first, second in ((shown[:cut], shown[cut:]), (shown[cut:], shown[:cut])):
            merged = _exposed(first)
            for other in (_exposed(second), Exposure()):
                merged.merge(other)
            np.testing.assert_array_equal(merged.counts(N), whole)
        assert metric.combine(np.random.default_rng(seed).permutation(whole)) == pytest.approx(metric.combine(whole))


@each_metric
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_padding_changes_nothing(metric, n, seed):
    lists = at_random(seed)
    wider = lambda value, filler: tf.pad(value, [[0, 0]] * (value.shape.rank - 1) + [[0, 3]], constant_values=filler)  # noqa: E731
    places = lists.places
    padded = UserLists(
        places=Places(
            wider(places.better, NOWHERE),
            wider(places.tied, 1),
            wider(places.targets, -1),
            wider(places.countable, False),
        ),
        listed=wider(lists.listed, -1),
        own=wider(lists.own, -1),
        own_places=(wider(lists.own_places[0], NOWHERE), wider(lists.own_places[1], 1)),
        interests=lists.interests,
        active=lists.active,
        page_rows=lists.page_rows,
        history=wider(lists.history, 0),
        items=lists.items,
    )
    np.testing.assert_allclose(_values(metric, n, padded), _values(metric, n, lists), rtol=1e-6)


@pytest.mark.parametrize("metric", [metric for metric in table.TABLE if metric.grows], ids=lambda metric: metric.name)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_a_longer_list_is_no_worse_where_that_is_claimed(metric, seed):
    lists = at_random(seed)
    by_length = np.array([_values(metric, n, lists) for n in (1, 2, 5, 10, 20, 50, 60)])
    assert (np.diff(by_length, axis=0) >= -1e-6).all()
    assert by_length[-1].sum() >= by_length[0].sum()


def test_titles_and_cut_offs_are_told_apart():
    names = [name for metric in table.TABLE for name in metric.names]
    assert len(set(names)) == len(names) == len({table.title(name) for name in names})
    for metric in table.TABLE:
        assert len(set(metric.cutoffs)) == len(metric.cutoffs) and set(metric.shown) <= set(metric.cutoffs)
        assert metric.combine is None or (metric.of == "list" and metric.cutoffs and metric.function is first_items)
        assert metric.direction == "neither" or not metric.grows or metric.direction == "higher"


@each_metric
def test_it_is_in_a_table_of_the_page_on_measuring(metric, n):
    named = re.compile(rf"`{metric.name}(_at_({n}|N))?`")
    rows = [line.rsplit("|", 2)[0] for line in PAGE.splitlines() if line.startswith("|")]  # Without the meaning.
    (row,) = [row for row in rows if named.search(row)]
    assert f"`{metric.name}_at_N`" not in row or f"@{n}" in row
    assert (f"@{n}" in row) if n in metric.shown else (not n or str(n) in row)


class _Evaluated(tf.Module):
    """The metrics of users of a made-up model, as the trainer's SavedModel computes them."""

    def __init__(self):
        rng = np.random.default_rng(3)
        # Some items alike, so that there are ties.
        self.items = tf.Variable(rng.integers(-2, 3, [N, 3]), dtype=tf.float32)
        self.counts = tf.Variable(COUNTS)
        self.category = tf.Variable(rng.integers(-1, 6, N), dtype=tf.int32)
        users, integers = [None, K], tf.TensorSpec([None, None], tf.int64)
        signature = [tf.TensorSpec([*users, 3]), tf.TensorSpec(users, tf.bool), integers, integers]
        self.metrics = tf.function(self.compute, input_signature=signature, autograph=False)

    def compute(self, interests, active, history, targets):
        users, items = Users(interests, active, history, targets), Catalogue(self.items, self.counts, self.category)
        return user_metrics(users, items, {"": {}, table.UNSEEN: {"excluded": history - 1}}, K, popularity=True)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """What a saved and loaded model returns for some users, for each of them alone, and what it computes eagerly."""
    model, folder = _Evaluated(), str(tmp_path_factory.mktemp("evaluated"))
    tf.saved_model.save(model, folder)
    loaded, rng, users = tf.saved_model.load(folder), np.random.default_rng(4), 5
    given = (
        tf.constant(rng.normal(size=(users, K, 3)), tf.float32),
        tf.constant(np.arange(K) < rng.integers(1, K + 1, [users, 1])),
        tf.constant(rng.integers(0, N, [users, HISTORY])),
        tf.constant(rng.integers(-2, N, [users, TARGETS])),
    )
    alone = [loaded.metrics(*(value[user : user + 1] for value in given)) for user in range(users)]
    return loaded.metrics(*given), alone, model.compute(*given)


@each_metric
def test_a_saved_model_computes_it_for_any_batch(metric, n, evaluated):
    together, alone, eagerly = evaluated
    (name,) = [name for name, cutoff in metric.names.items() if cutoff == n]
    names = [name]
    if metric.of == "list":
        names = [prefix + name + suffix for prefix in ("", table.POPULARITY) for suffix in ("", table.UNSEEN)]
    for name in map(table.output_of, names):
        np.testing.assert_allclose(together[name], eagerly[name], rtol=1e-5, atol=1e-6)
        one_by_one = np.concatenate([values[name] for values in alone])
        np.testing.assert_allclose(together[name], one_by_one, rtol=1e-5, atol=1e-6)
    assert (together[table.CATALOGUE_SIZE].numpy() == N).all()
