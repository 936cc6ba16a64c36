import numpy as np
import pytest

from trainer.analysis import prototypes as analysis
from trainer.analysis.prototypes import (
    category_counts,
    mean_cosine,
    nearest_items,
    nearest_prototypes,
    prototype_category_nmi,
)

# Cosines with (1, 0): 1, 0.6, 0, -1; the length of an item does not matter.
ITEMS = np.array([[2.0, 0], [0.3, 0.4], [0, 1.0], [-7.0, 0]])
PROTOTYPES = np.array([[5.0, 0], [0, 0.1]])


@pytest.mark.parametrize("chunk", [2, 65_536])
def test_nearest_items(chunk, monkeypatch):
    monkeypatch.setattr(analysis, "_CHUNK", chunk)
    indices, cosines = nearest_items(PROTOTYPES, ITEMS, 3)
    np.testing.assert_array_equal(indices, [[0, 1, 2], [2, 1, 0]])
    np.testing.assert_allclose(cosines, [[1, 0.6, 0], [1, 0.8, 0]], atol=1e-12)
    assert nearest_items(PROTOTYPES, ITEMS, 9)[0].shape == (2, 4)


@pytest.mark.parametrize("chunk", [3, 65_536])
def test_nearest_prototypes(chunk, monkeypatch):
    monkeypatch.setattr(analysis, "_CHUNK", chunk)
    np.testing.assert_array_equal(nearest_prototypes(ITEMS, PROTOTYPES), [0, 1, 1, 1])
    assert nearest_prototypes(ITEMS[:0], PROTOTYPES).shape == (0,)


def test_counts_of_categories():
    np.testing.assert_array_equal(category_counts(ITEMS, PROTOTYPES, np.array([2, 0, 2, -1])), [[0, 0, 1], [1, 0, 1]])


def test_nmi_by_hand():
    """Prototypes (0, 1, 1), categories (0, 0, 1): both have entropy log 3 - (2 / 3) log 2, together log 3."""
    nmi = prototype_category_nmi(ITEMS, PROTOTYPES, np.array([0, 0, 1, -1]))
    entropy = np.log(3) - 2 / 3 * np.log(2)
    joint = np.log(3)
    assert nmi == pytest.approx((2 * entropy - joint) / entropy)
    assert prototype_category_nmi(ITEMS, PROTOTYPES, np.array([3, 1, 1, 1])) == pytest.approx(1)
    assert prototype_category_nmi(ITEMS, PROTOTYPES, np.array([1, 1, 1, 1])) == pytest.approx(0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: 0"):
        nearest_items(PROTOTYPES, ITEMS, 0)
    with pytest.raises(ValueError, match="Received: none"):
        prototype_category_nmi(ITEMS, PROTOTYPES, np.array([-1] * 4))
    with pytest.raises(ValueError, match=r"should be 4 categories. Received: 1"):
        prototype_category_nmi(ITEMS, PROTOTYPES, np.array([0]))


def test_mean_cosine():
    """Cosines 0.6, 0 and 0.8 of the three pairs; lengths do not matter."""
    assert mean_cosine(ITEMS[:3]) == pytest.approx((0.6 + 0 + 0.8) / 3)
    assert mean_cosine(np.array([[1.0, 1], [3, 3]])) == pytest.approx(1)
    assert np.isnan(mean_cosine(ITEMS[:1]))
