"""What a run asks of a family of models."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rich.table import Table
    from tensorflow_model_analysis.proto import config_pb2

    from pipeline.config.run import Config
    from pipeline.families.findings import Finding
    from pipeline.results.run_result import Evaluation, Metrics, RunResult

Column = tuple[str, "Evaluation", str]
"""Of a table of results: heading, evaluation, and prefix of the names of its metrics."""


class Family(ABC):
    """Models with the same metrics, baseline and demands on the data. Its methods import what is heavy.

    Attributes:
      name: as the trainer's families have it.
      purpose: what its models do, behind the name of one.
      baseline: name of the model that the others are compared with.
      evaluation: dotted name of the module whose code its metrics depend on.
      paired: whether model and baseline are compared user by user.
    """

    name: ClassVar[str]
    purpose: ClassVar[str]
    baseline: ClassVar[str]
    evaluation: ClassVar[str]
    paired: ClassVar[bool]

    @abstractmethod
    def check_data(self, config: "Config") -> None:
        """Refuses data that a model of the family cannot learn from.

        Raises:
          InputError: with the first reason.
        """

    def contradictions(self, config: "Config") -> Iterator[str]:
        """What the model's settings and the others cannot both mean, a line each; nothing by default."""
        yield from ()

    def unused(self, config: "Config") -> Iterator[str]:
        """Settings of the model that have no effect, a line each; nothing by default."""
        yield from ()

    @abstractmethod
    def gates(self, config: "Config") -> tuple[str, ...]:
        """Names of the metrics that a model can be blessed by."""

    def check_threshold(self, name: str, config: "Config") -> None:
        """Refuses a threshold on something that is no metric.

        Args:
          name: below ``evaluation.thresholds``.
          config: of the run.

        Raises:
          InputError: there is no such metric.
        """
        from components.evaluation.metric_names import check_metric

        check_metric(name, f"evaluation.thresholds.{name}", self.gates(config))

    @abstractmethod
    def eval_config(self, config: "Config", gated: bool) -> "config_pb2.EvalConfig":
        """What the Evaluator computes.

        Args:
          config: of the run.
          gated: whether the model has to pass; a baseline is measured only.

        Raises:
          InputError: a threshold or ``evaluation.gate_metric`` is not a metric's name.
        """

    @abstractmethod
    def headline(self, overall: "Metrics") -> str:
        """The metric that stands for a run, one of ``overall``."""

    @abstractmethod
    def title(self, metric: str) -> str:
        """A metric's name for people."""

    @abstractmethod
    def tables(self, columns: list[Column], result: "RunResult") -> "Iterable[Table]":
        """The results of a run.

        Args:
          columns: the model, first, and what it is compared with.
          result: of the run.
        """

    def summary(self, overall: "Metrics") -> list[str]:
        """Lines below the tables, in rich's markup; none by default."""
        return []

    def findings(self, name: str, result: "RunResult") -> "list[Finding]":
        """What is to be said of the model in words; nothing by default.

        Args:
          name: of the model.
          result: of the run.
        """
        return []
