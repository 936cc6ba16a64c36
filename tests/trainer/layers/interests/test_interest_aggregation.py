import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from tests.trainer.layers.sparse_restatement import aggregate, extract
from trainer.layers.history.masking import prefix_mask
from trainer.layers.interests.interest_aggregation import InterestAggregation
from trainer.layers.interests.sparse_interest import SparseInterest, SparseInterests

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(3, 5, 4)).astype(np.float32)
LENGTHS = [5, 2, 0]
MASK = np.array([[1] * n + [0] * (5 - n) for n in LENGTHS])
ALL = tf.range(5)[tf.newaxis]


def _layers(variant: str, **options) -> tuple[SparseInterest, InterestAggregation]:
    extraction = SparseInterest(3, 7, 8, variant=variant)
    aggregation = InterestAggregation(variant, temperature=0.7, **options)
    for layer in (extraction, aggregation):
        layer.build(ITEMS.shape)
        layer.set_weights([RANDOM.normal(scale=0.5, size=weights.shape) for weights in layer.get_weights()])
    return extraction, aggregation


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("paper", {}),
        ("official", {}),
        ("paper", {"hidden_width": 9}),
        ("official", {"hidden_width": 16}),
        ("paper", {"shared_kernel": True}),
    ],
)
def test_every_prefix_against_numpy(variant, options):
    extraction, aggregation = _layers(variant, **options)
    mask = prefix_mask(tf.constant(MASK), ALL)
    shared = extraction.projection.kernel if options.get("shared_kernel") else None
    weights = aggregation(tf.constant(ITEMS), extraction(tf.constant(ITEMS), tf.constant(MASK), ALL), mask, shared)
    for row, length in enumerate(LENGTHS):
        for query in range(length):
            items = ITEMS[row, : query + 1]
            kernel = None if shared is None else shared.numpy()
            expected = aggregate(aggregation, extract(extraction, items), items, kernel)
            np.testing.assert_allclose(weights[row, query], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=-1), np.ones((3, 5)), rtol=1e-5)


def test_by_hand():
    """One item of concept (1, -1), all of it in interest 0: c = LN((1, -1)) = (1, -1), <c, phi> = (1, -3)."""
    aggregation = InterestAggregation("paper", temperature=2.0)
    aggregation.build((None, None, 2))
    extracted = SparseInterests(
        interests=tf.constant([[[[1.0, 0.0], [0.0, 3.0]]]]),
        active=tf.ones((1, 1, 2), tf.bool),
        gates=tf.ones((1, 1, 2)),
        concepts=tf.constant([[[[1.0, -1.0], [5.0, 7.0]]]]),
        assignment=tf.constant([[[[1.0], [0.0]]]]),
        attribution=tf.ones((1, 1, 2, 1)),
        keys=tf.zeros((1, 1, 2)),
    )
    weights = aggregation(tf.zeros((1, 1, 2)), extracted, tf.ones((1, 1, 1), tf.bool))
    expected = np.exp([0.5, -1.5]) / np.exp([0.5, -1.5]).sum()
    np.testing.assert_allclose(weights[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_round_trips(variant, tmp_path):
    extraction, aggregation = _layers(variant, hidden_width=7)
    check_config_round_trip(aggregation)
    check_config_round_trip(InterestAggregation(shared_kernel=True))

    queries = tf.constant([[4], [1], [-1]])
    extracted = extraction(tf.constant(ITEMS), tf.constant(MASK), queries)

    def call(items, mask, *parts):
        return aggregation(items, SparseInterests(*parts), mask)

    inputs = [tf.constant(ITEMS), prefix_mask(tf.constant(MASK), queries), *extracted]
    check_save_and_load(aggregation, call, inputs, tmp_path)


def test_a_shared_kernel_has_to_be_given():
    extraction, aggregation = _layers("paper", shared_kernel=True)
    found = extraction(tf.constant(ITEMS), tf.constant(MASK), ALL)
    with pytest.raises(ValueError, match="should be given with shared_kernel"):
        aggregation(tf.constant(ITEMS), found, prefix_mask(tf.constant(MASK), ALL))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"variant": "octopus"}, "Received: 'octopus'"),
        ({"temperature": -1.0}, "Received: -1.0"),
        ({"hidden_width": -1}, "Received: -1"),
        ({"variant": "official", "shared_kernel": True}, "Received: 'official', 0"),
        ({"hidden_width": 8, "shared_kernel": True}, "Received: 'paper', 8"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        InterestAggregation(**options)
