"""The training loop: all-prefix batches, early stopping on validation, checkpoints to resume from."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import tensorflow as tf

from trainer.input_pipeline import Batch, targets_in
from trainer.keras_api import keras
from trainer.lazy_adam import LazyAdam
from trainer.models.registry import Model
from trainer.settings import TrainingSettings
from trainer.training_step import training_step
from trainer.validation import validator_of

progress = logging.getLogger("polyrec.progress")


@dataclass(frozen=True)
class FitReport:
    """How training went.

    Attributes:
      steps: steps taken, those before an interruption included.
      best_step: the step whose weights were kept.
      watched: the metric on the validation split that decided.
      best: its value at that step.
      targets: training targets seen since the (re)start.
      seconds: wall time since the (re)start, validation included.
      training_cpu_seconds: processor time of the training steps since the (re)start.
      resumed_at: the step training was resumed at; 0 for a fresh start.
    """

    steps: int
    best_step: int
    watched: str
    best: float
    targets: int
    seconds: float
    training_cpu_seconds: float
    resumed_at: int


def fit(
    model: Model,
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    settings: TrainingSettings,
    checkpoint_directory: str,
    summary_directory: str | None = None,
    prepare: Callable[[], None] | None = None,
) -> FitReport:
    """Trains ``model`` in place and leaves it with the weights that were best on validation.

    Training stops after ``patience`` validations without a better value of what is watched (Recall@50; for models of
    profiles the mean AUC of the tasks) or after ``max_steps``. State is written
    to ``checkpoint_directory`` at every validation; called again with the same directory, training goes on from
    there (sampling and dropout draw anew, so the result is as good but not the same to the bit).

    Args:
      model: a model, built or not; made inside ``trainer.precision.mixed_precision`` where settings ask for it.
      training: endless batches (trainer.input_pipeline.training_dataset or, of impressions, trainer.impressions).
      validation: batches of whole histories (trainer.input_pipeline.evaluation_dataset), or of impressions.
      settings: the training section.
      checkpoint_directory: where to keep and look for state.
      summary_directory: where to write TensorBoard summaries; None for none.
      prepare: is called when the model is built, before a state is looked for; may set weights.

    Raises:
      FloatingPointError: the loss is not finite.
    """
    started, state = time.monotonic(), _State(model, training, settings, checkpoint_directory)
    if prepare is not None:
        prepare()
    resumed_at = state.restore()
    validator = validator_of(model)
    writer = tf.summary.create_file_writer(summary_directory) if summary_directory else tf.summary.create_noop_writer()
    run_steps = _training_function(model)
    seen, cpu = 0, 0.0
    while not state.finished(settings):
        block = min(settings.evaluate_every, settings.max_steps - state.steps)
        wall_before, cpu_before = time.monotonic(), time.process_time()
        loss, targets = run_steps(state.iterator, tf.constant(block))
        if not tf.math.is_finite(loss):
            raise FloatingPointError(
                f"The loss became {float(loss)} between steps {state.steps} and {state.steps + block}. Lower "
                "training.learning_rate or set training.clip_norm."
            )
        wall, cpu, seen = time.monotonic() - wall_before, cpu + time.process_time() - cpu_before, seen + int(targets)
        measured = validator.evaluate(validation)
        value = measured[validator.watched]
        state.advance(block, value)
        with writer.as_default(step=state.steps):
            tf.summary.scalar("loss", loss)
            for name, mean in measured.items():
                tf.summary.scalar(f"validation/{name}", mean)
            tf.summary.scalar("targets_per_second", int(targets) / wall)
        progress.info(
            "%s  step %d/%d  %s targets/s  loss %.3f  valid %s %.4f (best %.4f at %d)",
            model.name, state.steps, settings.max_steps, f"{int(targets) / wall:,.0f}",
            float(loss), validator.title, value, state.best, state.best_step,
        )  # fmt: skip
    writer.close()
    state.restore_best()
    return FitReport(
        steps=state.steps, best_step=state.best_step, watched=validator.watched, best=state.best, targets=seen,
        seconds=time.monotonic() - started, training_cpu_seconds=cpu, resumed_at=resumed_at,
    )  # fmt: skip


def learning_rate(settings: TrainingSettings) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """The schedule: constant, or a cosine to zero after a linear warm-up."""
    if settings.schedule == "constant":
        return settings.learning_rate
    warmup = min(settings.warmup_steps, settings.max_steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        decay_steps=max(settings.max_steps - warmup, 1),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _optimizer(settings: TrainingSettings) -> keras.optimizers.Optimizer:
    lazy_adam = LazyAdam(learning_rate(settings), global_clipnorm=settings.clip_norm)
    # bfloat16 has float32's exponents: no gradient is too small for it.
    return keras.mixed_precision.LossScaleOptimizer(lazy_adam) if settings.mixed_precision == "float16" else lazy_adam


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
        model.compile(optimizer=_optimizer(settings))
        model.compute_loss(next(iter(training.take(1))))
        model.optimizer.build(model.trainable_variables)
        self.iterator = iter(training)
        self._steps, self._best_step, self._stale = (tf.Variable(0, dtype=tf.int64) for _ in range(3))
        self._best = tf.Variable(-1.0)
        latest = tf.train.Checkpoint(
            model=model, optimizer=model.optimizer, iterator=self.iterator, steps=self._steps,
            best=self._best, best_step=self._best_step, stale=self._stale,
        )  # fmt: skip
        self._latest = tf.train.CheckpointManager(latest, os.path.join(directory, "latest"), max_to_keep=1)
        # Not the model as a whole: its optimiser is one of its attributes, and twice as large as the weights.
        self._best_weights = tf.train.CheckpointManager(
            tf.train.Checkpoint(weights=model.weights), os.path.join(directory, "best"), max_to_keep=1
        )

    steps = property(lambda self: int(self._steps))
    best_step = property(lambda self: int(self._best_step))
    best = property(lambda self: float(self._best))

    def restore(self) -> int:
        self._latest.restore_or_initialize()
        if self.steps:
            progress.info("resumed at step %d (best %.4f at %d)", self.steps, self.best, self.best_step)
        return self.steps

    def finished(self, settings: TrainingSettings) -> bool:
        return self.steps >= settings.max_steps or int(self._stale) >= settings.patience

    def advance(self, steps: int, value: float) -> None:
        self._steps.assign_add(steps)
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
