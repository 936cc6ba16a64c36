"""Chooses a model's temperature on validation users during training."""

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer.settings import TrainingSettings
from trainer.training.loop import Fitting

progress = logging.getLogger("polyrec.progress")


@dataclass(frozen=True)
class Choice:
    """Which temperature was taken, and what the choice cost.

    Attributes:
      temperature: the one of the trained model.
      tried: temperature -> the best value on validation after so many steps; empty where there was no choice.
      steps: of each trial; None where all went to the end.
      cpu_seconds: processor time of the trainings that came to nothing.
    """

    temperature: float
    tried: dict[float, float]
    steps: int | None
    cpu_seconds: float


def train_at_the_best(
    fitting_of: Callable[[float], Fitting], temperatures: Sequence[float], settings: TrainingSettings, name: str
) -> tuple[Fitting, Choice]:
    """Trains at each temperature, and takes the one that validates best.

    Each goes to its end; with ``trial_steps``, the best goes on from there and the others do not. Either way the choice
    costs what the others took. Early on a low temperature is ahead that may be behind in the end.

    Args:
      fitting_of: a training at a temperature, begun or taken up where it was left; each has a folder of its own.
      temperatures: those to try, the first guess last: a tie goes to it.
      settings: of the training.
      name: what is trained, for the progress.

    Returns:
      the training, done but for :meth:`Fitting.finish`, and the choice.

    Raises:
      FloatingPointError: a loss is not finite.
    """
    if len(temperatures) == 1:
        fitting = fitting_of(temperatures[0])
        fitting.run()
        return fitting, Choice(temperatures[0], {}, None, 0.0)
    steps = settings.trial_steps
    tried, cpu, last = {}, {}, None
    for temperature in temperatures:
        last = None
        # Of two item tables with their moments, one at a time: a model is in circles of references.
        gc.collect()
        last = fitting_of(temperature)
        last.run(until=steps)
        tried[temperature], cpu[temperature] = last.best, last.cpu_seconds
    best = max(reversed(temperatures), key=lambda temperature: tried[temperature])
    wasted = sum(cpu.values()) - cpu[best]
    values = ", ".join(f"{value:.4f} at {temperature:g}" for temperature, value in tried.items())
    progress.info(
        "%s  temperature %g: %s %s, the other training%s took %.0f CPU s",
        *(name, best, values, f"after {steps} steps" if steps else "in the end", "s" if len(tried) > 2 else "", wasted),
    )
    if last is None or best != temperatures[-1]:
        last = None
        gc.collect()
        last = fitting_of(best)
    last.run()
    return last, Choice(best, tried, steps, wasted)
