import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from tests.trainer.layers.sparse_restatement import extract
from trainer.layers.interests.sparse_interest import SparseInterest
from trainer.losses.covariance import CovarianceRegularizer

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(4, 6, 4)).astype(np.float32)
LENGTHS = [6, 3, 1, 0]
MASK = np.array([[1] * n + [0] * (6 - n) for n in LENGTHS])
ALL = tf.range(6)[tf.newaxis]
VARIANTS = ["paper", "official", "octopus"]


def _layer(variant: str, num_interests: int = 3, num_prototypes: int = 7, **options) -> SparseInterest:
    layer = SparseInterest(num_interests, num_prototypes, max_history=8, variant=variant, **options)
    layer.build(ITEMS.shape)
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    return layer


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_interests", [1, 3, 7])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("width", [0, 9], ids=["D", "wide"])
def test_every_prefix_against_numpy(variant, num_interests, biased, width):
    layer = _layer(variant, num_interests, hidden_width=width)
    assert layer.hidden.kernel.shape[1] == (width or 4) * (num_interests if variant == "paper" else 1)
    bias = RANDOM.normal(size=(1, 6, num_interests, 6)).astype(np.float32) if biased else None
    found = layer(tf.constant(ITEMS), tf.constant(MASK), ALL, None if bias is None else tf.constant(bias))
    for row, length in enumerate(LENGTHS):
        for query in range(length):
            n = query + 1
            expected = extract(layer, ITEMS[row, :n], None if bias is None else bias[0, query, :, :n])
            k = len(expected["chosen"])
            np.testing.assert_array_equal(found.active[row, query], np.arange(num_interests) < k)
            here = {name: values[row, query].numpy() for name, values in found._asdict().items() if name != "keys"}
            np.testing.assert_allclose(here["interests"][:k], expected["interests"], rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(here["attribution"][:k, :n], expected["weights"], rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(here["gates"][:k], expected["gates"], rtol=1e-4)
            np.testing.assert_allclose(here["concepts"][:k], expected["concepts"], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(here["assignment"][:k, :n], expected["assignment"], rtol=1e-3, atol=1e-5)
            np.testing.assert_array_equal(here["attribution"][:, n:], 0)
            np.testing.assert_array_equal(here["attribution"][k:], 0)
            np.testing.assert_array_equal(here["interests"][k:], 0)
    np.testing.assert_array_equal(found.interests[3], np.zeros((6, num_interests, 4)))
    np.testing.assert_array_equal(found.attribution[3], np.zeros((6, num_interests, 6)))


def _axes_layer(variant: str, **options) -> SparseInterest:
    """Prototypes 0 .. 3 lie on the axes; no attention, no positions, no learned scale anywhere."""
    layer = SparseInterest(2, 4, max_history=8, variant=variant, **options)
    layer.build((None, None, 4))
    layer.set_weights([np.zeros(weights.shape) for weights in layer.get_weights()])
    layer.pool.prototypes.assign(np.eye(4))
    if variant == "paper":
        layer.interest_norm.set_weights([np.ones(4), np.zeros(4)])
    return layer


def test_official_by_hand():
    """Two items on axis 0 and one on axis 2: z is their mean, s = (2, 0, 1, 0) / 3, all items weigh the same."""
    items = np.eye(4, dtype=np.float32)[[0, 0, 2]][np.newaxis]
    found = _axes_layer("official")(tf.constant(items), tf.ones((1, 3)), tf.constant([[2]]))
    np.testing.assert_allclose(found.gates[0, 0], 1 / (1 + np.exp([-2 / 3, -1 / 3])), rtol=1e-6)
    gates = np.array(found.gates[0, 0])
    np.testing.assert_allclose(found.concepts[0, 0], [[gates[0], 0, 0, 0], [0, 0, gates[1], 0]], rtol=1e-6)
    np.testing.assert_allclose(found.assignment[0, 0], [[1, 1, 0], [0, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(found.interests[0, 0], [[2 / 3, 0, 1 / 3, 0]] * 2, rtol=1e-5)


def test_octopus_by_hand():
    """Each item votes for the channel of its axis; of three channels the weakest leaves its item to the others."""
    items = np.array([[[1, 0, 0, 0], [3, 0, 0, 0], [0, 0, 1, 0], [0, 0, 2, 0], [0, 0, 1, 1.1]]], np.float32)
    found = _axes_layer("octopus")(tf.constant(items), tf.ones((1, 5)), tf.constant([[0, 1, 2, 4]]))
    np.testing.assert_array_equal(found.active[0], [[True, False], [True, False], [True, True], [True, True]])
    np.testing.assert_allclose(found.attribution[0, 1, 0], [0.5, 0.5, 0, 0, 0], atol=1e-5)
    np.testing.assert_allclose(found.attribution[0, 2], [[0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0]], atol=1e-5)
    np.testing.assert_allclose(found.attribution[0, 3], [[1 / 2, 1 / 2, 0, 0, 0], [0, 0, *[1 / 3] * 3]], atol=1e-4)
    np.testing.assert_allclose(found.interests[0, 1, 0], [2, 0, 0, 0], rtol=1e-5)
    np.testing.assert_array_equal(found.interests[0, 1, 1], np.zeros(4))


def test_an_item_between_two_channels_is_in_both_by_its_shares():
    """Cosines 0.8 and 0.6 at temperature 0.2: shares 1 and 1 / e of what they sum to."""
    layer = _axes_layer("octopus", temperature=0.2)
    items = np.array([[[0.8, 0.6, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]], np.float32)
    weights = layer(tf.constant(items), tf.ones((1, 3)), tf.constant([[2]])).attribution[0, 0].numpy()
    share, clear = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-5))
    expected = np.array([[share, clear, 1 - clear], [1 - share, 1 - clear, clear]])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gradient_reaches_every_weight(variant):
    layer = _layer(variant)
    with tf.GradientTape() as tape:
        found = layer(tf.constant(ITEMS), tf.constant(MASK), ALL)
        # Gated interests and gated concepts, as the models use them; squares, because LN3's outputs sum to a constant.
        loss = tf.reduce_sum((found.interests * found.gates[..., tf.newaxis]) ** 3) + tf.reduce_sum(found.concepts)
    for weights, gradient in zip(layer.trainable_weights, tape.gradient(loss, layer.trainable_weights), strict=True):
        assert gradient is not None, weights.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all() and np.any(tf.convert_to_tensor(gradient)), (
            weights.name
        )


def test_both_factors_of_the_concepts_have_a_gradient():
    """d (c sigmoid(c z)) / dc = sigmoid + c z sigmoid (1 - sigmoid), for one item and one prototype."""
    layer = _axes_layer("paper")
    z, c = np.array([2.0, 0, 0, 0], np.float32), np.array([0.5, 0, 0, 0], np.float32)
    layer.pool.prototypes.assign([c, -c, -c, -c])
    with tf.GradientTape() as tape:
        concept = layer(tf.constant(z[np.newaxis, np.newaxis]), tf.ones((1, 1)), tf.constant([[0]])).concepts[
            0, 0, 0, 0
        ]
    gradient = tf.convert_to_tensor(tape.gradient(concept, layer.pool.prototypes))
    gate = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(gradient[0, 0], gate + 0.5 * 2 * gate * (1 - gate), rtol=1e-5)


def test_losses_are_added_in_training_only():
    layer = _layer("official", disagreement=0.5)
    inputs = (tf.constant(ITEMS), tf.constant(MASK), ALL)
    layer(*inputs)
    assert layer.losses == []
    interests = layer(*inputs, training=True).interests.numpy()
    cosines = []
    for row, length in enumerate(LENGTHS):
        for query in range(length):
            unit = interests[row, query] / np.linalg.norm(interests[row, query], axis=1, keepdims=True)
            cosines.append((unit @ unit.T).mean())
    np.testing.assert_allclose(layer.losses, [0.5 * np.mean(cosines)], rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_round_trips(variant, tmp_path):
    layer = _layer(variant, regularizer=CovarianceRegularizer(0.3), disagreement=0.25, hidden_width=5)
    copy = check_config_round_trip(layer)
    assert copy.regularizer.weight == 0.3 and copy.pool.activation == layer.pool.activation
    check_config_round_trip(layer.pool)
    inputs = [tf.constant(ITEMS), tf.constant(MASK), tf.constant([[5], [2], [0], [-1]])]
    check_save_and_load(layer, lambda *args: tuple(layer(*args)), inputs, tmp_path)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_interests": 8}, "Received: 8, 7"),
        ({"num_interests": 0}, "Received: 0, 7"),
        ({"variant": "paper2"}, "Received: 'paper2'"),
        ({"temperature": 0.0}, "Received: 0.0"),
        ({"disagreement": -1.0}, "Received: 8, -1.0"),
        ({"max_history": 0}, "Received: 0, 0.0"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SparseInterest(**{"num_interests": 3, "num_prototypes": 7, "max_history": 8, **options})
