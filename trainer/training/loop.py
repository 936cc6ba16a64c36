"""Training loop: all-prefix batches, early stopping on validation, resumable checkpoints."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import tensorflow as tf

from trainer.data.sequences import Batch, targets_in
from trainer.keras_api import keras
from trainer.models.registry import Model
from trainer.settings import TrainingSettings
from trainer.training.optimizer import optimizer
from trainer.training.schedule import PlateauRate, learning_rate, steady_steps
from trainer.training.step import training_step
from trainer.training.validation import Validator

progress = logging.getLogger("polyrec.progress")


@dataclass(frozen=True)
class FitReport:
    """How training went.

    Attributes:
      steps: steps taken, those before an interruption included.
      best_step: the step whose weights were kept.
      watched: the metric on the validation split that decided.
      best: its value at that step.
      targets: training targets seen, those before an interruption included.
      seconds: wall time since the (re)start, validation included.
      training_cpu_seconds: processor time of the training steps, those before an interruption included.
      resumed_at: the step training was resumed at; 0 for a fresh start.
      converged: whether validation had stopped rising before ``max_steps`` made an end.
    """

    steps: int
    best_step: int
    watched: str
    best: float
    targets: int
    seconds: float
    training_cpu_seconds: float
    resumed_at: int
    converged: bool


def fit(
    model: Model,
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    settings: TrainingSettings,
    checkpoint_directory: str,
    summary_directory: str | None = None,
    prepare: Callable[[], None] | None = None,
) -> FitReport:
    """Trains ``model`` in place, to the end, and leaves it with the weights that were best on validation.

    The arguments are those of :class:`Fitting`.

    Raises:
      FloatingPointError: the loss is not finite.
    """
    fitting = Fitting(model, training, validation, settings, checkpoint_directory, summary_directory, prepare)
    fitting.run()
    return fitting.finish()


class Validation(Protocol):
    """What training asks of a validator.

    Attributes:
      watched: the metric that decides.
      title: its name for people.
    """

    watched: ClassVar[str]
    title: ClassVar[str]

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Metric -> value over all of ``batches``."""


class Fitting:
    """The training of one model, which may be left for a while and taken up again.

    Validation decides when it is over. ``schedule: plateau`` trains at a constant rate until ``patience`` validations
    have brought no better value of what is watched (Recall@50; for models of profiles the mean AUC of the tasks),
    goes back to the best weights and lets the rate fall to zero over ``cool_down`` of the steps that led there: what
    WSD schedules do (Hu et al., "MiniCPM", COLM 2024, section 4), with validation to say when. The other schedules end
    where validation stalls. ``max_steps`` ends all of them, and that it did is told.

    State is written to ``checkpoint_directory`` at every validation; made again with the same directory, training
    goes on from there (sampling and dropout draw anew, so the result is as good but not the same to the bit).

    Attributes:
      model: the model.

    Args:
      model: a model, built or not; made inside ``trainer.training.precision.mixed_precision`` where settings ask for
        it.
      training: endless batches (trainer.data.sequences.training_dataset or, of impressions, trainer.data.impressions).
      validation: batches of whole histories (trainer.data.sequences.evaluation_dataset), or of impressions.
      settings: the training section.
      checkpoint_directory: where to keep and look for state.
      summary_directory: where to write TensorBoard summaries; None for none.
      prepare: is called when the model is built, before a state is looked for; may set weights.
      title: what its lines of progress begin with; the model's name by default.
      validator: makes, of the built model, what is watched.
    """

    def __init__(
        self,
        model: Model,
        training: tf.data.Dataset,
        validation: tf.data.Dataset,
        settings: TrainingSettings,
        checkpoint_directory: str,
        summary_directory: str | None = None,
        prepare: Callable[[], None] | None = None,
        title: str = "",
        validator: Callable[[Any], Validation] = Validator,
    ) -> None:
        self._started = time.monotonic()
        self.model, self._validation, self._settings, self._title = model, validation, settings, title or model.name
        self._state = _State(model, training, settings, checkpoint_directory)
        if prepare is not None:
            prepare()
        self._resumed_at = self._state.restore()
        self._validator = validator(model)
        self._writer = (
            tf.summary.create_file_writer(summary_directory) if summary_directory else tf.summary.create_noop_writer()
        )
        self._run_steps = _training_function(model)

    def run(self, until: int | None = None) -> None:
        """Trains to the end, or as far as step ``until``.

        Raises:
          FloatingPointError: the loss is not finite.
        """
        state = self._state
        while block := state.next_block():
            if until is not None:
                block = min(block, until - state.steps)
            if block <= 0:
                return
            self._train(block)

    def finish(self) -> FitReport:
        """Gives the model its best weights, and says how training went."""
        self._writer.close()
        state, settings = self._state, self._settings
        state.restore_best()
        if not state.next_block() and not state.converged:
            progress.warning(
                "%s: training ended at training.max_steps = %d before validation had stopped rising (%s %.4f, best at "
                "step %d). Raise training.max_steps.",
                self._title, settings.max_steps, self._validator.title, state.best, state.best_step,
            )  # fmt: skip
        return FitReport(
            steps=state.steps, best_step=state.best_step, watched=self._validator.watched, best=state.best,
            targets=state.targets, seconds=time.monotonic() - self._started,
            training_cpu_seconds=state.cpu_seconds, resumed_at=self._resumed_at, converged=state.converged,
        )  # fmt: skip

    @property
    def best(self) -> float:
        """The best value on validation so far."""
        return self._state.best

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the training steps so far."""
        return self._state.cpu_seconds

    def _train(self, block: int) -> None:
        state, validator = self._state, self._validator
        wall, cpu = time.monotonic(), time.process_time()
        loss, targets = self._run_steps(state.iterator, tf.constant(block))
        if not tf.math.is_finite(loss):
            raise FloatingPointError(
                f"The loss became {float(loss)} between steps {state.steps} and {state.steps + block}. Lower "
                "training.learning_rate or set training.clip_norm."
            )
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        measured = validator.evaluate(self._validation)
        value = measured[validator.watched]
        state.advance(block, value, int(targets), cpu)
        with self._writer.as_default(step=state.steps):
            tf.summary.scalar("loss", loss)
            for name, mean in measured.items():
                tf.summary.scalar(f"validation/{name}", mean)
            tf.summary.scalar("targets_per_second", int(targets) / wall)
        progress.info(
            "%s  step %d/%d  %s targets/s  loss %.3f  valid %s %.4f (best %.4f at %d)%s",
            self._title, state.steps, self._settings.max_steps, f"{int(targets) / wall:,.0f}", float(loss),
            validator.title, value, state.best, state.best_step, "  rate falling" if state.falling else "",
        )  # fmt: skip


def _training_function(model: Model) -> tf.types.experimental.GenericFunction:
    # The loop alone has to become an operation: rewriting the source of every function below it takes seconds.
    step = tf.autograph.experimental.do_not_convert(training_step)

    @tf.function(reduce_retracing=True)
    def run(iterator: Iterator[Batch], steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean loss and number of targets of ``steps`` steps."""
        loss, targets = tf.constant(0.0), tf.constant(0, tf.int64)
        for _ in tf.range(steps):
            batch = next(iterator)
            loss += step(model, batch)
            targets += targets_in(batch)
        return loss / tf.cast(steps, tf.float32), targets

    return run


class _State:
    """All that has to survive an interruption, in two checkpoints: the latest state and the best weights."""

    def __init__(self, model: Model, training: tf.data.Dataset, settings: TrainingSettings, directory: str):
        keras.utils.set_random_seed(settings.seed)
        self._settings, rate = settings, learning_rate(settings)
        model.compile(optimizer=optimizer(settings, rate))
        model.compute_loss(next(iter(training.take(1))))
        model.optimizer.build(model.trainable_variables)
        self.iterator = iter(training)
        self._steps, self._best_step, self._stale, self._targets = (tf.Variable(0, dtype=tf.int64) for _ in range(4))
        self._best, self._cpu = tf.Variable(-1.0), tf.Variable(0.0, dtype=tf.float64)
        self._converged = tf.Variable(False)
        self._plateau = rate if isinstance(rate, PlateauRate) else None
        falling = {"start": self._plateau.start, "length": self._plateau.length} if self._plateau else {}
        latest = tf.train.Checkpoint(
            model=model, optimizer=model.optimizer, iterator=self.iterator, steps=self._steps,
            best=self._best, best_step=self._best_step, stale=self._stale, targets=self._targets, cpu=self._cpu,
            converged=self._converged, **falling,
        )  # fmt: skip
        self._latest = tf.train.CheckpointManager(latest, os.path.join(directory, "latest"), max_to_keep=1)
        # Not the model as a whole: its optimiser is one of its attributes, and twice as large as the weights.
        self._best_weights = tf.train.CheckpointManager(
            tf.train.Checkpoint(weights=model.weights), os.path.join(directory, "best"), max_to_keep=1
        )

    steps = property(lambda self: int(self._steps))
    best_step = property(lambda self: int(self._best_step))
    best = property(lambda self: float(self._best))
    targets = property(lambda self: int(self._targets))
    cpu_seconds = property(lambda self: float(self._cpu))
    converged = property(lambda self: bool(self._converged))
    falling = property(lambda self: self._plateau is not None and self._plateau.falling)

    def restore(self) -> int:
        self._latest.restore_or_initialize()
        if self.steps:
            progress.info("resumed at step %d (best %.4f at %d)", self.steps, self.best, self.best_step)
        return self.steps

    def next_block(self) -> int:
        """Steps to take before the next validation, 0 at the end; lets the rate fall where it is time."""
        settings, steady = self._settings, steady_steps(self._settings)
        # Back to multiples of it, wherever a trial ended.
        block = settings.evaluate_every - self.steps % settings.evaluate_every
        if not self.falling:
            stalled = int(self._stale) >= settings.patience
            if not stalled and self.steps < steady:
                return min(block, steady - self.steps)
            if self._plateau is None:
                # A cosine ends at max_steps whatever happens; that it was still rising shows in its last validation.
                self._converged.assign(stalled or self.best_step < self.steps)
                return 0
            self._fall(self._plateau, stalled)
        return 0 if self._plateau is None else max(0, min(block, self._plateau.end - self.steps))

    def advance(self, steps: int, value: float, targets: int, cpu_seconds: float) -> None:
        self._steps.assign_add(steps)
        self._targets.assign_add(targets)
        self._cpu.assign_add(cpu_seconds)
        if value > self.best:
            self._best.assign(value)
            self._best_step.assign(self._steps)
            self._stale.assign(0)
            self._best_weights.save(checkpoint_number=self.steps)
        else:
            self._stale.assign_add(1)
        self._latest.save(checkpoint_number=self.steps)

    def restore_best(self) -> None:
        self._best_weights.checkpoint.restore(self._best_weights.latest_checkpoint).expect_partial()

    def _fall(self, rate: PlateauRate, stalled: bool) -> None:
        """From the best weights on. The moments stay: they forget in tens of steps."""
        self._converged.assign(stalled)
        self.restore_best()
        length = math.ceil(self._settings.cool_down * self.best_step) if stalled else self._settings.max_steps
        rate.fall(self.steps, min(length, self._settings.max_steps - self.steps))
