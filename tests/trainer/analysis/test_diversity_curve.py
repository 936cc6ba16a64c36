"""The curve of a made-up server against numbers computed by hand."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.analysis.diversity_curve import Batch, diversity_curve, plot_diversity
from trainer.analysis.figures import save_figure

IDS = [f"i{number}" for number in range(60)]
CATEGORIES = np.array([0] * 30 + [1] * 30, np.int32)


def _recommend(inputs, weight):
    """The first items, all of one category; with a weight from both ends in turns. A user may be told to get none."""
    spread = [item for pair in zip(IDS, reversed(IDS), strict=True) for item in pair]
    rows = [(spread if weight else IDS)[:50] if wanted else [""] * 50 for wanted in inputs["wanted"].numpy()]
    return tf.constant(rows)


def test_by_hand():
    """Targets i0, i59 and one that is unknown; then a user of whom nothing is listed."""
    batches = [
        Batch({"wanted": tf.constant([True])}, [["i0", "i59", "?"]]),
        Batch({"wanted": tf.constant([False])}, [["i1"]]),
    ]
    plain, spread = diversity_curve(_recommend, batches, IDS, CATEGORIES, weights=(0.0, 0.5))
    assert (plain["weight"], spread["weight"]) == (0, 0.5)
    assert plain["recall_at_20"] == pytest.approx((1 / 3 + 0) / 2)
    assert spread["recall_at_20"] == pytest.approx((2 / 3 + 0) / 2)
    # The second user has no list and does not count.
    assert plain["diversity_at_20"] == 0
    assert spread["diversity_at_20"] == pytest.approx(10 * 10 / 190)
    assert plain["diversity_at_50"] == pytest.approx(30 * 20 / (50 * 49 / 2))


def test_the_drawing(tmp_path):
    curve = [
        {"weight": weight, "recall_at_20": 0.2, "recall_at_50": 0.3, "diversity_at_20": weight, "diversity_at_50": 0.5}
        for weight in (0.0, 0.25)
    ]
    save_figure(plot_diversity(curve, "shop"), str(tmp_path / "curve.png"))
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    save_figure(plot_diversity(curve, "shop"), str(tmp_path / "curve.svg"))
    words = (tmp_path / "curve.svg").read_text()
    for text in ("N = 20", "0.25", "Recall@N"):
        assert f"<!-- {text} -->" in words
    assert len(list(tmp_path.iterdir())) == 2
