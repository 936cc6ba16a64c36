"""When training ends, and at which rate it gets there. What validation says is written down beforehand."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.models.retrieval.two_tower import TwoTower, TwoTowerSettings
from trainer.settings import TrainingSettings
from trainer.training import schedule, validation
from trainer.training.loop import fit
from trainer.training.schedule import PlateauRate

ITEMS, T = 9, 3
SETTINGS = TrainingSettings(
    batch_size=2, evaluate_every=2, patience=2, cool_down=0.5, max_steps=100, warmup_steps=1, num_negatives=3
)


def _model() -> TwoTower:
    catalogue = Catalogue(
        [b"%d" % i for i in range(ITEMS)], np.arange(ITEMS, 0, -1), np.zeros((ITEMS, 0), np.int32), []
    )
    return TwoTower(TwoTowerSettings(dimension=4), catalogue, T, {}, SETTINGS.num_negatives)


def _batches() -> tf.data.Dataset:
    history = np.array([[1, 2, 3], [4, 5, 0]])
    batch = {
        "history": history,
        "history_mask": (history > 0).astype(np.int64),
        "history_gap": np.zeros((2, T), np.float32),
        "targets": np.array([[2, 3, 4], [5, 6, 0]]),
    }
    return tf.data.Dataset.from_tensors(batch).repeat()


@pytest.fixture
def said(monkeypatch):
    """Sets what the validations say, and records the weights that each saw."""
    weights = []

    def script(values):
        remaining = list(values)

        def evaluate(self, batches):
            weights.append(self._model.item_tower.embeddings.numpy())
            value = remaining.pop(0)
            if value is None:
                raise KeyboardInterrupt
            return {"recall_at_50": value}

        monkeypatch.setattr(validation.Validator, "evaluate", evaluate)
        return weights

    return script


def _fit(folder, **changes):
    return fit(_model(), _batches(), _batches(), SETTINGS.model_copy(update=changes), str(folder))


def _warnings(caplog) -> list[str]:
    own = [record for record in caplog.records if record.name == "polyrec.progress"]
    return [record.getMessage() for record in own if record.levelno == logging.WARNING]


def test_the_rate_by_hand():
    rate = PlateauRate(0.1, warmup=4)
    assert not rate.falling
    np.testing.assert_allclose([rate(step) for step in (0, 1, 3, 10, 10**6)], [0.025, 0.05, 0.1, 0.1, 0.1], rtol=1e-6)
    rate.fall(10, 4)
    assert rate.falling and rate.end == 14
    found = [float(rate(step)) for step in (9, 10, 11, 13, 14, 20)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.075, 0.025, 0, 0], rtol=1e-6)


def test_validation_stalls_and_the_rate_falls_from_the_best_weights(tmp_path, said, monkeypatch, caplog):
    """Best at 4, stalled at 8: half of 4 steps more, from the weights of step 4."""
    weights, falls = said([0.1, 0.3, 0.2, 0.1, 0.35]), []
    fall, model = PlateauRate.fall, _model()

    def record(self, start, length):
        falls.append((start, length, model.item_tower.embeddings.numpy()))
        fall(self, start, length)

    monkeypatch.setattr(PlateauRate, "fall", record)
    report = fit(model, _batches(), _batches(), SETTINGS, str(tmp_path))
    assert (report.steps, report.best_step, report.converged) == (10, 10, True)
    assert report.best == pytest.approx(0.35) and report.targets == 10 * 5
    (start, length, at_the_fall) = falls[0]
    assert (start, length, len(falls)) == (8, 2, 1)
    np.testing.assert_array_equal(at_the_fall, weights[1])
    assert np.abs(at_the_fall - weights[3]).max() > 0
    assert not _warnings(caplog)


def test_what_the_fall_makes_worse_is_not_kept(tmp_path, said):
    weights, model = said([0.1, 0.3, 0.2, 0.1, 0.25]), _model()
    report = fit(model, _batches(), _batches(), SETTINGS, str(tmp_path))
    assert (report.steps, report.best_step, report.converged) == (10, 4, True)
    np.testing.assert_array_equal(model.item_tower.embeddings, weights[1])


def test_a_budget_that_ends_it_is_told(tmp_path, said, caplog):
    """Of 12 steps the last 4 are the fall, half of the 8 before."""
    said([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    report = _fit(tmp_path, max_steps=12)
    assert (report.steps, report.best_step, report.converged) == (12, 12, False)
    (warning,) = _warnings(caplog)
    assert "ended at training.max_steps = 12 before validation had stopped rising" in warning
    assert "Recall@50 0.6000, best at step 12" in warning and "Raise training.max_steps" in warning


@pytest.mark.parametrize("how", ["constant", "cosine"])
def test_the_other_schedules(tmp_path, said, caplog, how):
    said([0.1, 0.3, 0.2, 0.1])
    report = _fit(tmp_path / "stalled", schedule=how)
    assert (report.steps, report.best_step, report.converged) == (8, 4, True)
    assert not _warnings(caplog)
    said([0.1, 0.2, 0.3])
    report = _fit(tmp_path / "rising", schedule=how, max_steps=6)
    assert (report.steps, report.best_step, report.converged) == (6, 6, False)
    assert len(_warnings(caplog)) == 1


def test_an_interrupted_fall_goes_on_falling(tmp_path, said):
    said([0.1, 0.3, 0.2, 0.1, 0.2, None])
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path, cool_down=1.0)
    said([0.2])
    report = _fit(tmp_path, cool_down=1.0)
    assert (report.resumed_at, report.steps, report.best_step) == (10, 12, 4)
    assert report.converged and report.targets == 12 * 5


def test_the_steady_part_and_the_fall_fill_the_budget():
    for most, cool_down, steady in ((1000, 0.25, 800), (12, 0.5, 8), (10, 1.0, 5), (1, 0.25, 1)):
        settings = TrainingSettings(max_steps=most, cool_down=cool_down)
        assert schedule.steady_steps(settings) == steady
