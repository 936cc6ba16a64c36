"""What a run shows while it runs."""

import logging
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

PROGRESS_LOGGER = "polyrec.progress"


class Progress(logging.Handler):
    """One line per component with its time, and the lines that components send to the progress logger.

    A listener of :mod:`pipeline.local_engine` and a context manager.

    Args:
      console: where to print; on a terminal the running component is shown with a spinner.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console, self._label = console, ""
        self._status = Status("", console=console)

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
        """See :class:`pipeline.local_engine.Listener`."""
        self._label = f"{number:>2}/{total}  {component:<22}"
        self._status.update(self._label)

    def finished(self, component: str, seconds: float, cached: bool) -> None:
        """See :class:`pipeline.local_engine.Listener`."""
        self._console.print(f"{self._label} {'cached' if cached else f'{seconds:6.1f} s'}")

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line of the running component below its number."""
        self._console.print(f"       [dim]{escape(record.getMessage())}[/dim]", soft_wrap=True)
