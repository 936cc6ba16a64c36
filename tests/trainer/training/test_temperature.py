import pytest

from trainer.models.retrieval.settings import ModelSettings
from trainer.settings import TrainingSettings
from trainer.training.temperature import Choice, train_at_the_best


class _Training:
    """One at a temperature that validates as the table says, 2 CPU seconds a step."""

    def __init__(self, temperature, best, log):
        self.temperature, self.best, self.cpu_seconds, self._log = temperature, best, 0.0, log
        log.append(("made", temperature))

    def run(self, until=None):
        self._log.append((self.temperature, until))
        self.cpu_seconds = 2.0 * (until or 100)


def _choose(values, **settings):
    log = []
    done, choice = train_at_the_best(
        lambda temperature: _Training(temperature, values[temperature], log),
        tuple(values),
        TrainingSettings(**settings),
        "comirec_sa",
    )
    return done, choice, log


def test_the_better_one_goes_on_to_its_end():
    done, choice, log = _choose({0.1: 0.31, 0.15: 0.30}, trial_steps=50, max_steps=1000)
    assert done.temperature == 0.1
    assert choice == Choice(0.1, {0.1: 0.31, 0.15: 0.30}, 50, 100.0)
    # The first one is taken up again from its folder; the last goes on without.
    assert log == [("made", 0.1), (0.1, 50), ("made", 0.15), (0.15, 50), ("made", 0.1), (0.1, None)]


def test_the_last_one_goes_on_as_it_is_and_wins_a_tie():
    done, choice, log = _choose({0.1: 0.3, 0.15: 0.3}, trial_steps=25)
    assert done.temperature == choice.temperature == 0.15
    assert log == [("made", 0.1), (0.1, 25), ("made", 0.15), (0.15, 25), (0.15, None)]


def test_without_a_trial_all_go_to_their_end():
    done, choice, log = _choose({0.1: 0.31, 0.15: 0.30})
    assert choice == Choice(0.1, {0.1: 0.31, 0.15: 0.30}, None, 200.0)
    # The best is made again where it is not the last: its folder holds a training that is over.
    assert done.temperature == 0.1 and log[:4] == [("made", 0.1), (0.1, None), ("made", 0.15), (0.15, None)]


def test_one_temperature_is_no_choice():
    _, choice, log = _choose({0.3: 0.3})
    assert choice == Choice(0.3, {}, None, 0.0) and log == [("made", 0.3), (0.3, None)]


def test_what_a_model_has_to_choose_from():
    assert ModelSettings(name="x").temperatures == (0.1, 0.15)
    assert ModelSettings(name="x", normalize=False).temperatures == (1.0,)
    assert ModelSettings(name="x", temperature=0.3).temperatures == (0.3,)
    assert ModelSettings(name="x", normalize=False, temperature="0.1").temperatures == (0.1,)


@pytest.mark.parametrize("value", [0, -1, "warm", None, float("nan"), float("inf"), True, [0.1]])
def test_no_temperature(value):
    with pytest.raises(ValueError, match=r"should be auto or a number above 0. Received"):
        ModelSettings(name="x", temperature=value)
