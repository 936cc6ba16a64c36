"""A run from the configuration to the table at its end."""

import dataclasses
import datetime
import errno
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from pipeline.config import Config, model_registry, with_absolute_paths
from pipeline.contradictions import check_model
from pipeline.cost import now
from pipeline.progress import Progress, show_warnings
from pipeline.quiet import log_everything, quiet
from pipeline.result_paths import shown
from pipeline.run_lock import run_lock
from trainer.errors import GateRefused, InputError

if TYPE_CHECKING:
    from pipeline.local_engine import Outputs

RESULTS = "results.json"

NEVER_TAKEN_FROM_THE_CACHE = ("Pusher",)
"""What it pushed once may have been removed since, or something else pushed after it. It leaves alone what is there."""


class RunFailed(RuntimeError):
    """A component ended with an error that is not the user's; the message names it and the log."""


@dataclass(frozen=True)
class Pushed:
    """A run that went all the way.

    Attributes:
      version: the version folder.
      examples: folder of the raw examples, a subfolder ``Split-NAME`` each.
      log: the log file.
      results: what the table shows, as JSON.
    """

    version: str
    examples: str
    log: Path
    results: Path


def run(config: Config) -> Pushed:
    """Runs the pipeline in this process, shows its progress and its results.

    Args:
      config: relative folders start at the working directory.

    Returns:
      Where things are.

    Raises:
      InputError: the data cannot be used, the folder is in use, or the disk is full.
      GateRefused: a gate refused the data or the model; nothing was pushed.
      RunFailed: a component failed for a reason that is not the user's; the log has the details.
    """
    config = with_absolute_paths(config)
    folder = Path(config.pipeline.root) / config.pipeline.name
    with run_lock(folder):
        log = folder / "logs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"
        with quiet(log) as console:
            console.print(
                f"Pipeline {escape(config.pipeline.name)} in {escape(shown(folder))}\nLog: {escape(shown(log))}"
            )
            return _run(config, console, log)


def _run(config: Config, console: Console, log: Path) -> Pushed:
    start = now()
    # Told when the configuration was read, and to be repeated with the others.
    warnings = check_model(config, model_registry().get(config.model.model_dump()["name"]).kind)
    outputs = execute(config, console, log, warnings=warnings)
    from components.ingestion.storage import write_text
    from pipeline import result_table, results
    from pipeline.training_report import training_line, training_reports

    result = results.read(outputs, config.evaluation)
    name = config.model.model_dump()["name"]
    result_table.show(console, name, result)
    trainings = training_reports(outputs)
    console.print(training_line(trainings), soft_wrap=True, highlight=False)
    found = result_table.found(name, result)
    warnings += [finding.warning for finding in found if finding.warning is not None]
    show_warnings(console, warnings)
    file = Path(config.pipeline.root) / config.pipeline.name / RESULTS
    examples, cost = outputs["InteractionExampleGen"]["examples"].uri, dataclasses.asdict(now() - start)
    said = [finding.text for finding in found]
    more = {"findings": said, "examples": examples, "warnings": warnings, "cost": cost, "training": trainings}
    write_text(str(file), json.dumps({**dataclasses.asdict(result), **more}, indent=1))
    if result.pushed is None:
        reasons = result.refusals or [f"Serving validation: {result.serving_reason}"]
        raise GateRefused(" ".join(reasons))
    return Pushed(result.pushed, examples, log, file)


def execute(
    config: Config, console: Console, log: Path, deliver: bool = True, warnings: list[str] | None = None
) -> "Outputs":
    """Runs the components one after the other and shows their progress.

    Args:
      config: with absolute paths.
      console: where to show it.
      log: the log file, to be named in errors.
      deliver: see :func:`pipeline.graph.create_pipeline`.
      warnings: what should be repeated at the end is appended.

    Returns:
      What each component wrote.

    Raises:
      InputError, GateRefused, RunFailed: see :func:`run`.
    """
    with console.status("Loading TensorFlow and TFX (about 15 s)"):
        import trainer.keras_api  # noqa: F401  (decides on Keras before TensorFlow is imported)
        from components.ingestion.inputs import check_inputs

        # Before the 12 s that TFX takes: most mistakes are found here.
        check_inputs(config.data)
        from pipeline import graph, local_engine

        log_everything()
        pipeline = graph.create_pipeline(config, deliver=deliver)
    with Progress(console, warnings) as progress:
        try:
            return local_engine.run(pipeline, progress, uncached=NEVER_TAKEN_FROM_THE_CACHE)
        except local_engine.ComponentFailed as failure:
            logging.exception("The run failed.")
            if (cause := _cause_of(failure)) is not None:
                raise cause from failure
            raise RunFailed(
                f"{failure} {type(failure.__cause__).__name__}: {failure.__cause__}\nSee {log}"
            ) from failure


def _cause_of(failure: BaseException) -> InputError | GateRefused | None:
    """The error in the chain that a user can act on."""
    error: BaseException | None = failure
    while error is not None:
        if isinstance(error, InputError | GateRefused):
            return error
        # Libraries wrap the system's error in their own, and keep only its words.
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error):
            return InputError("There is no space left on the device. Free some and run again: finished parts are kept.")
        error = error.__cause__ or error.__context__
    return None
