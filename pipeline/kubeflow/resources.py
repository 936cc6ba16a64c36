"""CPU and memory of each step on Kubeflow, from measured figures, and its retries."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.config.kubeflow import KubeflowSettings, StepSettings
from pipeline.records.record import RunRecord, UnreadableRecord, read
from trainer.errors import InputError

NOT_RETRIED = ("DataGate",)
"""It decides by its inputs alone: the same inputs are refused again."""


class Measured(NamedTuple):
    """What a step took.

    Attributes:
      peak_bytes: the most memory that its process held.
      cores: CPU-seconds per second.
    """

    peak_bytes: int
    cores: float


MEGABYTE = 1_000_000
MOVIELENS_100K = {
    "InteractionExampleGen": Measured(990 * MEGABYTE, 1.0),
    "ItemExampleGen": Measured(990 * MEGABYTE, 1.0),
    "StatisticsGen": Measured(1_030 * MEGABYTE, 1.0),
    "SchemaGen": Measured(1_030 * MEGABYTE, 0.7),
    "ExampleValidator": Measured(1_030 * MEGABYTE, 0.7),
    "DataGate": Measured(1_030 * MEGABYTE, 0.5),
    "Transform": Measured(1_080 * MEGABYTE, 1.0),
    "Trainer": Measured(1_720 * MEGABYTE, 0.9),
    "TwoTowerTrainer": Measured(1_770 * MEGABYTE, 0.8),
    "Comparison": Measured(1_900 * MEGABYTE, 1.0),
    "IndexBuilder": Measured(2_050 * MEGABYTE, 0.8),
    "TwoTowerEvaluator": Measured(2_100 * MEGABYTE, 1.0),
    "Evaluator": Measured(2_140 * MEGABYTE, 0.8),
    "ServingValidator": Measured(2_200 * MEGABYTE, 0.7),
    "Pusher": Measured(1_890 * MEGABYTE, 1.0),
}
"""Of the record of a run of the preset ``shrinkage`` on 2 cores. The steps shared a process, so that each peak holds
what earlier steps left in memory, and the figures are upper bounds for so few data."""

UNMEASURED = Measured(2_200 * MEGABYTE, 1.0)
"""Of a step that no figure is there for: the most of those that are."""


class Resources(NamedTuple):
    """What a step asks for.

    Attributes:
      cpu, cpu_limit: cores; None for no limit.
      memory, memory_limit: GB of 1e9 bytes.
      retries: after a failure.
    """

    cpu: float
    cpu_limit: float | None
    memory: float
    memory_limit: float
    retries: int


def resources(settings: KubeflowSettings, steps: Collection[str]) -> dict[str, Resources]:
    """What each step asks for.

    Memory is the measured peak times ``headroom``, in quarters of a GB upwards, with twice as much for the limit; CPUs
    are those it kept busy, in halves upwards, without a limit. Settings of a step go before.

    Args:
      settings: of Kubeflow.
      steps: names of the pipeline's steps.

    Raises:
      InputError: the settings name a step that there is not, or the record cannot be read.
    """
    for name in settings.steps:
        if name not in steps:
            raise InputError(
                f"kubeflow.steps.{name}: there is no such step. The steps are: {', '.join(sorted(steps))}."
            )
    figures = MOVIELENS_100K if settings.record is None else _of_record(settings.record)
    return {
        name: _of_step(figures.get(name, UNMEASURED), settings.steps.get(name, StepSettings()), settings, name)
        for name in steps
    }


def _of_step(measured: Measured, step: StepSettings, settings: KubeflowSettings, name: str) -> Resources:
    memory = step.memory
    if memory is None:
        memory = math.ceil(4 * settings.headroom * measured.peak_bytes / 1e9) / 4
        memory = memory if step.memory_limit is None else min(memory, step.memory_limit)
    cpu = step.cpu
    if cpu is None:
        cpu = max(math.ceil(2 * measured.cores) / 2, 0.5)
        cpu = cpu if step.cpu_limit is None else min(cpu, step.cpu_limit)
    retries = step.retries
    if retries is None:
        retries = 0 if name in NOT_RETRIED else settings.retries
    return Resources(cpu, step.cpu_limit, memory, step.memory_limit or 2 * memory, retries)


def _of_record(file: str) -> Mapping[str, Measured]:
    try:
        record: RunRecord = read(Path(file))
    except UnreadableRecord as error:
        raise InputError(
            f"kubeflow.record: {error}. Give the run.json of a run on a machine like the cluster's."
        ) from error
    figures = {
        step.name: Measured(step.peak_memory_bytes, (step.cpu_seconds or 0.0) / max(step.seconds, 1e-3))
        for step in record.steps
        # One from the cache did not do its work.
        if step.state == "done" and step.peak_memory_bytes is not None
    }
    if not figures:
        raise InputError(
            f"kubeflow.record: {file} holds no step with its memory. Give that of a run on one machine, not all "
            "from the cache."
        )
    return figures
