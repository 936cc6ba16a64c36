"""Runs the pipeline of a configuration and reports the results."""

import dataclasses
import errno
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from pipeline.config.contradictions import check_model
from pipeline.config.run import Config, family_of, with_absolute_paths
from pipeline.engines.run_lock import run_lock
from pipeline.records.record import RunRecord
from pipeline.records.recorder import Recorder
from pipeline.terminal.paths import shown
from pipeline.terminal.progress import Progress, show_warnings
from pipeline.terminal.quiet import log_everything, quiet
from trainer.errors import GateRefused, InputError

if TYPE_CHECKING:
    from pipeline.engines.local import Listener, Outputs

RESULTS = "results.json"

NEVER_TAKEN_FROM_THE_CACHE = ("Pusher",)
"""What it pushed once may have been removed since, or something else pushed after it. It leaves alone what is there."""


class RunFailed(RuntimeError):
    """A component ended with an error that is not the user's; the message names it and the log."""


@dataclass(frozen=True)
class Results:
    """A run that went all the way.

    Attributes:
      version: the version folder.
      examples: folder of the raw examples, a subfolder ``Split-NAME`` each.
      log: the log file.
      results: what the table shows, as JSON; the next run replaces it.
      record: metrics, gates, costs, settings and versions of the run.
      record_file: where the record stays.
    """

    version: str
    examples: str
    log: Path
    results: Path
    record: RunRecord
    record_file: Path


class RunRefused(GateRefused):
    """A gate refused the data or the model; nothing was pushed.

    Attributes:
      record: of the run; with metrics, if it came as far as the evaluation.
      record_file: where it stays.
    """

    def __init__(self, message: str, record: RunRecord, record_file: Path) -> None:
        """Keeps the record."""
        super().__init__(message)
        self.record, self.record_file = record, record_file


def run(config: Config) -> Results:
    """Runs the pipeline in this process, prints its progress and its results, and leaves a record.

    Args:
      config: relative folders start at the working directory.

    Returns:
      what was found and where things are.

    Raises:
      InputError: the data cannot be used, the folder is in use, or the disk is full.
      RunRefused: a gate refused the data or the model; nothing was pushed.
      RunFailed: a component failed for a reason that is not the user's; the log has the details.
    """
    config = with_absolute_paths(config)
    folder = Path(config.pipeline.root) / config.pipeline.name
    with run_lock(folder):
        recorder = Recorder(config, folder)
        try:
            with quiet(recorder.log) as console, recorder.recording(console):
                console.print(
                    f"Pipeline {escape(config.pipeline.name)} in {escape(shown(folder))}\n"
                    f"Log: {escape(shown(recorder.log))}"
                )
                version, examples, file = _run(config, console, recorder)
        except GateRefused as error:
            raise RunRefused(str(error), recorder.record, recorder.file) from error
    return Results(version, examples, recorder.log, file, recorder.record, recorder.file)


def _run(config: Config, console: Console, recorder: Recorder) -> tuple[str, str, Path]:
    """The version folder, the folder of the examples, and the file of results."""
    # Told when the configuration was read, and to be repeated with the others.
    family = family_of(config)
    warnings = check_model(config, family)
    recorder.add(warnings=warnings)
    from pipeline.graph.component_code import code_keys

    recorder.add_code(code_keys(config))
    outputs = execute(config, console, recorder.log, warnings=warnings, listeners=[recorder])
    from components.ingestion.files.storage import write_text
    from pipeline.records import measures
    from pipeline.results import result_table
    from pipeline.results import run_result as results
    from pipeline.results.training_report import training_line, training_reports

    result = results.read(outputs, config.evaluation, family.name)
    name = config.model.model_dump()["name"]
    result_table.show(console, name, result)
    trainings = training_reports(outputs)
    console.print(training_line(trainings), soft_wrap=True, highlight=False)
    found = result_table.found(name, result)
    warnings += [finding.warning for finding in found if finding.warning is not None]
    said = [finding.text for finding in found]
    examples = outputs["InteractionExampleGen"]["examples"].uri
    recorder.add(**measures.facts(result), findings=said, trainings=trainings, examples=examples)
    show_warnings(console, warnings)
    file = Path(config.pipeline.root) / config.pipeline.name / RESULTS
    cost = dataclasses.asdict(recorder.cost)
    more = {"findings": said, "examples": examples, "warnings": warnings, "cost": cost, "training": trainings}
    write_text(str(file), json.dumps({**dataclasses.asdict(result), **more}, indent=1))
    if result.pushed is None:
        reasons = result.refusals or [f"Serving validation: {result.serving_reason}"]
        raise GateRefused(" ".join(reasons))
    return result.pushed, examples, file


def execute(
    config: Config,
    console: Console,
    log: Path,
    deliver: bool = True,
    warnings: list[str] | None = None,
    listeners: "Sequence[Listener]" = (),
) -> "Outputs":
    """Runs the components one after the other and shows their progress.

    Args:
      config: with absolute paths.
      console: where to show it.
      log: the log file, to be named in errors.
      deliver: see :func:`pipeline.graph.build.create_pipeline`.
      warnings: what should be repeated at the end is appended.
      listeners: are told of the components as well.

    Returns:
      What each component wrote.

    Raises:
      InputError, GateRefused, RunFailed: see :func:`run`.
    """
    with console.status("Loading TensorFlow and TFX (about 15 s)"):
        from components.ingestion.files.inputs import check_inputs

        # Before the 12 s that TFX takes: most mistakes are found here.
        check_inputs(config.data)
        from pipeline.engines import local as local_engine
        from pipeline.graph import build as graph

        log_everything()
        pipeline = graph.create_pipeline(config, deliver=deliver)
    with Progress(console, warnings) as progress:
        try:
            return local_engine.run(pipeline, [*listeners, progress], uncached=NEVER_TAKEN_FROM_THE_CACHE)
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
