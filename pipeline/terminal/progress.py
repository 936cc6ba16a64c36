"""Progress of a run, as printed."""

import logging
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from pipeline.terminal.data_report import data_report
from pipeline.terminal.kept_warnings import keep_warnings, kept_warnings

if TYPE_CHECKING:
    from pipeline.engines.local import Output

PROGRESS_LOGGER = "polyrec.progress"


class Progress(logging.Handler):
    """One line per component with its time, what it counted in the data, and what is sent to the progress logger.

    Records of the level WARNING are marked, and kept to be repeated when the run ends (:func:`show_warnings`) and when
    a later run takes the component from the cache. A listener of :mod:`pipeline.engines.local` and a context manager.

    Args:
      console: where to print; on a terminal the running component is shown with a spinner.
      warnings: to append the warnings to, each once.
    """

    def __init__(self, console: Console, warnings: list[str] | None = None) -> None:
        super().__init__(logging.INFO)
        self._console, self._label, self._warnings = console, "", [] if warnings is None else warnings
        self._status = Status("", console=console)
        self._of_component: list[str] = []

    def __enter__(self) -> "Progress":
        logger = logging.getLogger(PROGRESS_LOGGER)
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        logging.getLogger(PROGRESS_LOGGER).removeHandler(self)

    def started(self, component: str, number: int, total: int) -> None:
        """See :class:`pipeline.engines.local.Listener`."""
        self._label = f"{number:>2}/{total}  {component:<22}"
        self._status.update(self._label)
        self._of_component = []

    def finished(self, component: str, seconds: float, cached: bool, outputs: "Mapping[str, Output]") -> None:
        """See :class:`pipeline.engines.local.Listener`; what was told of cached results is told again."""
        self._console.print(f"{self._label} {'cached' if cached else f'{seconds:6.1f} s'}")
        lines, warnings = data_report(outputs)
        for line in lines:
            self._tell(line)
        if cached:
            warnings += kept_warnings(outputs)
        else:
            keep_warnings(outputs, self._of_component)
        for warning in warnings:
            self._warn(warning)

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line of the running component below its number."""
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            self._tell(message)
            return
        self._of_component.append(message)
        self._warn(message)

    def _tell(self, line: str) -> None:
        self._console.print(f"       [dim]{escape(line)}[/dim]", soft_wrap=True)

    def _warn(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)
            self._console.print(f"       [yellow]Warning:[/] {escape(warning)}", soft_wrap=True)


def show_warnings(console: Console, warnings: Iterable[str]) -> None:
    """Repeats the warnings of a run below its results, where they are read."""
    found = list(warnings)
    if found:
        console.print(f"\n[bold yellow]{len(found)} warning{'' if len(found) == 1 else 's'}[/]")
    for warning in found:
        console.print(f"[yellow]-[/] {escape(warning)}", soft_wrap=True)
