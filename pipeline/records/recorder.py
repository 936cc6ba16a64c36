"""Collects the record of a run, and writes it however the run ends."""

import contextlib
import datetime
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape

from pipeline.config.run import Config
from pipeline.records import environment
from pipeline.records.cost import Cost, now, peak_memory, reset_peak_memory
from pipeline.records.outcome import EXIT_CODES, Outcome, outcome_of
from pipeline.records.record import FILE, RECORDS, Data, Gate, RunRecord, Step, free_id, write
from pipeline.terminal.paths import shown
from trainer.errors import GateRefused

if TYPE_CHECKING:
    from pipeline.engines.local import Output

_DATA_GATE = "DataGate"


class Recorder:
    """Listens to a run (:class:`pipeline.engines.local.Listener`) and writes its record.

    Args:
      config: of the run, with absolute paths.
      folder: of the pipeline, ROOT/NAME.
      elsewhere: what the steps run on, if that is not this machine: what they cost and find there is not known here.

    Attributes:
      id: of the run.
      log: where the run's log belongs.
      file: where the record will be.
    """

    def __init__(self, config: Config, folder: Path, elsewhere: str | None = None) -> None:
        self._config, self._folder, self._elsewhere = config, folder, elsewhere
        self._begun, self._start = datetime.datetime.now().astimezone(), now()
        self.id = free_id(folder, self._begun)
        self.log = folder / "logs" / f"{self.id}.log"
        self.file = folder / RECORDS / self.id / FILE
        self._written: RunRecord | None = None
        self._facts: dict[str, Any] = {}
        self._code = environment.code()
        self._steps: list[Step] = []
        self._data: dict[str, Data] = {}
        self._gates: list[Gate] = []
        self._running: tuple[str, Cost] | None = None
        self._peaks: list[int] = []

    @property
    def record(self) -> RunRecord:
        """What was written, once :meth:`recording` has ended."""
        assert self._written is not None
        return self._written

    @property
    def cost(self) -> Cost:
        """Spent since the run began."""
        return now() - self._start

    def add(self, **facts: Any) -> None:
        """Adds fields of :class:`pipeline.records.record.RunRecord`; of ``gates``, those after the data's."""
        self._facts.update(facts)

    def add_code(self, components: dict[str, str]) -> None:
        """Adds the keys of the components' code."""
        self._code = self._code.model_copy(update={"components": components})

    def add_step(self, step: Step) -> None:
        """Adds a step that ran elsewhere."""
        self._steps.append(step)

    def started(self, component: str, number: int, total: int) -> None:
        """See :class:`pipeline.engines.local.Listener`."""
        self._note_peak()
        reset_peak_memory()
        self._running = component, now()

    def finished(self, component: str, seconds: float, cached: bool, outputs: "Mapping[str, Output]") -> None:
        """See :class:`pipeline.engines.local.Listener`."""
        from pipeline.records.measures import data_counts

        self._end_step("cached" if cached else "done")
        if (counted := data_counts(outputs)) is not None:
            self._data[component] = counted
        if component == _DATA_GATE:
            self._gates.append(Gate(name=component, passed=True))

    @contextlib.contextmanager
    def recording(self, console: Console) -> Iterator[None]:
        """Writes the record when the block ends, however it ends.

        Args:
          console: is told where the record is, or why it could not be written.
        """
        try:
            yield
        except BaseException as error:
            self._end(error, console)
            raise
        self._end(None, console)

    def _end(self, error: BaseException | None, console: Console) -> None:
        outcome, reason = self._outcome(error)
        if error is not None and self._running is not None:
            if isinstance(error, GateRefused):
                self._gates.append(Gate(name=self._running[0], passed=False, reasons=[reason]))
            self._end_step("failed")
        self._note_peak()
        self._written = self._record(outcome, reason)
        try:
            write(self._written, self._folder, self._config.pipeline.keep_records)
            told = f"Record: {escape(shown(self.file))}"
        except OSError as failure:
            # The run is what it is: it must not end otherwise for want of its record.
            told = f"[yellow]Warning:[/] {escape(str(self.file))} could not be written: {failure.strerror}."
        console.print(told, soft_wrap=True)

    def _outcome(self, error: BaseException | None) -> tuple[Outcome, str]:
        if error is None:
            return ("unchanged" if self._facts.pop("unchanged", False) else "pushed"), ""
        self._facts.pop("unchanged", None)
        outcome = outcome_of(error)
        return outcome, f"{type(error).__name__}: {error}" if outcome == "failed" else str(error)

    def _end_step(self, state: Literal["done", "cached", "failed"]) -> None:
        assert self._running is not None
        (name, before), self._running = self._running, None
        cost, peak = now() - before, self._note_peak()
        self._steps.append(
            Step(
                name=name,
                state=state,
                seconds=round(cost.seconds, 3),
                cpu_seconds=round(cost.cpu_seconds, 3),
                peak_memory_bytes=peak,
            )
        )

    def _note_peak(self) -> int | None:
        peak = peak_memory()
        if peak is not None:
            self._peaks.append(peak)
        return peak

    def _record(self, outcome: Outcome, reason: str) -> RunRecord:
        config, cost = self._config, self.cost
        gates = [*self._gates, *self._facts.pop("gates", [])]
        return RunRecord(
            id=self.id,
            pipeline=config.pipeline.name,
            model=config.model.model_dump()["name"],
            started=self._begun,
            ended=datetime.datetime.now().astimezone(),
            outcome=outcome,
            exit_code=EXIT_CODES[outcome],
            reason=reason,
            config=config.model_dump(mode="json"),
            seed=config.training.seed,
            code=self._code,
            packages={} if self._elsewhere else environment.packages(),
            python="" if self._elsewhere else platform.python_version(),
            machine=self._elsewhere or environment.machine(),
            data=self._data,
            gates=gates,
            log=str(self.log),
            seconds=round(cost.seconds, 3),
            cpu_seconds=None if self._elsewhere else round(cost.cpu_seconds, 3),
            peak_memory_bytes=None if self._elsewhere else max(self._peaks, default=None),
            steps=self._steps,
            **self._facts,
        )
