import numpy as np
import pytest
import tensorflow as tf

from trainer.settings import TrainingSettings
from trainer.training.optimizer import optimizer
from trainer.training.schedule import learning_rate

PUBLISHED = TrainingSettings(optimizer="adam", schedule="constant", learning_rate=1e-3)
ROWS, WIDTH = 4, 2
# Each step: row -> gradient; row 3 never has one, row 1 only at first.
STEPS = [
    {0: [1.0, -2.0], 1: [0.5, 0.25]},
    {0: [-3.0, 4.0], 2: [1e-4, 2.0]},
    {2: [-1.0, 1.0]},
    {0: [0.1, 0.1], 2: [5.0, -5.0]},
]


def _published_adam(lazily: bool, epsilon: float) -> np.ndarray:
    """Kingma and Ba's algorithm 1 with the reordered efficient form of section 2, every row at every step."""
    value, momentum, velocity = np.ones((ROWS, WIDTH)), np.zeros((ROWS, WIDTH)), np.zeros((ROWS, WIDTH))
    for step, given in enumerate(STEPS, 1):
        gradient = np.zeros((ROWS, WIDTH))
        for row, values in given.items():
            gradient[row] = values
        moved = np.isin(np.arange(ROWS), list(given)) if lazily else np.ones(ROWS, bool)
        momentum[moved] = 0.9 * momentum[moved] + 0.1 * gradient[moved]
        velocity[moved] = 0.999 * velocity[moved] + 0.001 * gradient[moved] ** 2
        rate = 1e-3 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        value[moved] -= rate * momentum[moved] / (np.sqrt(velocity[moved]) + epsilon)
    return value


def _trained(settings: TrainingSettings, dense: bool) -> np.ndarray:
    table = tf.Variable(np.ones((ROWS, WIDTH), np.float32))
    chosen = optimizer(settings, learning_rate(settings))
    chosen.build([table])
    for given in STEPS:
        slices = tf.IndexedSlices(
            tf.constant(list(given.values())), tf.constant(list(given)), tf.constant([ROWS, WIDTH])
        )
        chosen.apply_gradients([(tf.convert_to_tensor(slices) if dense else slices, table)])
    return table.numpy()


@pytest.mark.parametrize("dense", [True, False])
def test_dense_adam_moves_rows_without_a_gradient_as_the_releases_do(dense):
    """Gathered rows or whole gradients: a row's momentum goes on moving it; a row that never had one stays."""
    found, expected = _trained(PUBLISHED, dense), _published_adam(lazily=False, epsilon=1e-8)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(found[3], 1)
    first = 1 - 1e-3  # of row 1, whose momentum then moves it on
    assert (found[1] < first - 1e-3).all()


def test_the_lazy_one_leaves_them():
    lazy = PUBLISHED.model_copy(update={"optimizer": "lazy_adam"})
    found = _trained(lazy, dense=False)
    np.testing.assert_allclose(found, _published_adam(lazily=True, epsilon=1e-7), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[1], 1 - 1e-3, rtol=1e-6)


def test_the_default_is_lazy():
    assert TrainingSettings().optimizer == "lazy_adam"
    assert type(optimizer(TrainingSettings(), 1.0)).__name__ == "LazyAdam"
    assert type(optimizer(PUBLISHED, 1.0)).__name__ == "Adam"
