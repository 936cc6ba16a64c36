import numpy as np
import pytest
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.models import registry

N, T, D, K = 60, 8, 6, 4
CATALOGUE = Catalogue([b"%d" % item for item in range(N)], np.arange(N, 0, -1), np.zeros((N, 0), np.int32), [])
RANDOM = np.random.default_rng(0)
MASK = np.array([[1] * n + [0] * (T - n) for n in (8, 3, 1)])
BATCH = {
    "history": tf.constant(RANDOM.integers(1, N + 1, size=(3, T)) * MASK, tf.int64),
    "history_mask": tf.constant(MASK, tf.int64),
    "history_gap": tf.zeros([3, T]),
    "targets": tf.constant(RANDOM.integers(1, N + 1, size=(3, T)) * MASK, tf.int64),
}


def _model(name, **options):
    settings = registry.settings_class(name)(dimension=D, num_interests=K, temperature=1.0, dropout=0.0, **options)
    model = registry.get(name)(settings, CATALOGUE, T, {}, num_negatives=32, seed=1)
    model.compute_loss(BATCH)
    random = np.random.default_rng(7)
    for weights in model.trainable_weights:
        weights.assign_add(random.normal(scale=0.2, size=weights.shape))
    return model


def _pair(name, **options):
    """The same model with split and with shared negatives."""
    split, shared = (_model(name, split_negatives=each, **options) for each in (True, False))
    for ours, theirs in zip(split.weights, shared.weights, strict=True):
        theirs.assign(ours)
    return split, shared


def _of_one_draw(model):
    tf.random.set_seed(3)
    return float(model.compute_loss(BATCH))


@pytest.mark.parametrize("name", ["comirec_sa", "mind", "octopus"])
def test_split_negatives_estimate_the_same_loss(name):
    """On average over many draws, but for the noise of the sums; of one draw it is another number."""
    split, shared = _pair(name)
    of_parts, of_all = (np.mean([float(model.compute_loss(BATCH)) for _ in range(100)]) for model in (split, shared))
    assert of_parts == pytest.approx(of_all, rel=0.03)
    assert _of_one_draw(split) != pytest.approx(_of_one_draw(shared), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"normalize": False}, {"negatives": "in_batch"}, {"negatives": "all"}, {"read_out": "max"}, {"hardness": 0.5}],
)
def test_where_negatives_are_not_split(options):
    """The setting changes nothing: the same draw, the same loss."""
    split, shared = _pair("comirec_sa", **options)
    assert _of_one_draw(split) == _of_one_draw(shared)
