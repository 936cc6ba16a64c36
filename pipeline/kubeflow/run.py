"""Runs a compiled pipeline on a cluster, shows its progress, and leaves a record."""

import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape

from components.push_log import pushed_in
from pipeline.config.run import Config
from pipeline.kubeflow.cluster import ENDED, Cluster, Task, Unreachable
from pipeline.kubeflow.step_log import error_in
from pipeline.records.record import Gate, Step
from pipeline.records.recorder import Recorder
from pipeline.runs.run import RunFailed
from pipeline.terminal.paths import shown
from pipeline.terminal.progress import Progress
from pipeline.terminal.quiet import quiet
from trainer.errors import GateRefused

PUSHER = "Pusher"

UNANSWERED = 10
"""Looks at a run in a row that may get no answer, as when the API restarts."""


def run(config: Config, package: Path) -> None:
    """Submits the pipeline, follows it to its end, and leaves a record below ``pipeline.root`` on this machine.

    Args:
      config: with absolute paths, ``pipeline.root`` on this machine.
      package: what ``polyrec compile`` made of it.

    Raises:
      InputError: the cluster cannot be reached or refuses the pipeline, or a step found its input to be wrong.
      GateRefused: a gate refused the data or the model; nothing was pushed.
      RunFailed: a step failed for another reason, or the run was cancelled.
    """
    folder = Path(config.pipeline.root) / config.pipeline.name
    recorder = Recorder(config, folder, elsewhere=f"Kubeflow, image {config.kubeflow.image}")
    with quiet(recorder.log) as console, recorder.recording(console):
        cluster = Cluster(config.kubeflow)
        steps = _steps(package)
        run_id = cluster.submit(package, config.pipeline.name, f"{config.pipeline.name}-{recorder.id}")
        recorder.add(cluster_run=run_id)
        console.print(
            f"Pipeline {escape(config.pipeline.name)} on Kubeflow, run {escape(run_id)}\n"
            f"Log: {escape(shown(recorder.log))}"
        )
        try:
            state, tasks = _follow(cluster, run_id, steps, console, config.kubeflow.poll_seconds)
        except KeyboardInterrupt:
            console.print(f"Run {escape(run_id)} goes on in the cluster.")
            raise
        for task in tasks:
            recorder.add_step(Step(name=task.name, state=_STATES[task.state], seconds=round(task.seconds, 3)))
        _end(cluster, run_id, state, tasks, config, recorder, console)


_STATES: dict[str, Any] = {"SUCCEEDED": "done", "SKIPPED": "cached", "FAILED": "failed", "CANCELED": "failed"}


def _steps(package: Path) -> list[str]:
    """Names of the steps that run a container."""
    specification = next(yaml.safe_load_all(package.read_text(encoding="utf-8")))
    executors, components = specification["deploymentSpec"]["executors"], specification["components"]
    return [
        name
        for name, task in specification["root"]["dag"]["tasks"].items()
        if "container" in executors[components[task["componentRef"]["name"]]["executorLabel"]]
    ]


def _follow(cluster: Cluster, run_id: str, steps: list[str], console: Console, pause: float) -> tuple[str, list[Task]]:
    """State at the end, and the steps that ended, in that order."""
    ended: dict[str, Task] = {}
    unanswered = 0
    with Progress(console) as progress:
        while True:
            try:
                state, tasks = cluster.look(run_id)
                unanswered = 0
            except Unreachable as error:
                unanswered += 1
                if unanswered == UNANSWERED:
                    raise RunFailed(
                        f"The cluster does not answer any more: {error}. Run {run_id} goes on there, and is "
                        "followed no longer."
                    ) from error
                time.sleep(pause)
                continue
            ours = [task for task in tasks if task.name in steps and task.name not in ended]
            for task in ours:
                if task.state in ENDED:
                    ended[task.name] = task
                    progress.started(task.name, len(ended), len(steps))
                    # Of a failed step, the error is told at the end.
                    if task.state in ("SUCCEEDED", "SKIPPED"):
                        progress.finished(task.name, task.seconds, task.state == "SKIPPED", {})
            if state in ENDED:
                return state, list(ended.values())
            if running := [task.name for task in ours if task.state == "RUNNING"]:
                progress.started(", ".join(running), len(ended) + 1, len(steps))
            time.sleep(pause)


def _end(
    cluster: Cluster, run_id: str, state: str, tasks: list[Task], config: Config, recorder: Recorder, console: Console
) -> None:
    if state != "SUCCEEDED":
        raise _failure(cluster, run_id, state, tasks, recorder)
    last = next((task for task in tasks if task.name == PUSHER), None)
    logs = (cluster.log(run_id, pod) for pod in reversed(last.pods)) if last else iter(())
    told = [pushed for log in logs if log and (pushed := pushed_in(log))[0]]
    version = told[0][1] if told else None
    if told and version is None:
        recorder.add(gates=[Gate(name=PUSHER, passed=False, reasons=["A gate refused the model."])])
        raise GateRefused("A gate refused the model, and nothing was pushed: see the logs of its steps.")
    if not told and not config.kubeflow.fail_when_refused:
        raise RunFailed(
            f"Run {run_id} ended, and whether it pushed a model cannot be told: its Pusher's log is not to be had. "
            f"Look into {config.serving.directory}, or leave kubeflow.fail_when_refused on."
        )
    recorder.add(pushed=version or f"{config.serving.directory}/{config.serving.model_name}")
    console.print(f"Pushed: {escape(version or 'see ' + config.serving.directory)}", soft_wrap=True)


def _failure(cluster: Cluster, run_id: str, state: str, tasks: list[Task], recorder: Recorder) -> Exception:
    """Why a run did not succeed, in the words of the first step that failed and says so."""
    failed = [task for task in tasks if task.state == "FAILED"]
    for task in failed:
        for pod in reversed(task.pods):
            error = error_in(cluster.log(run_id, pod) or "")
            if error is not None:
                if isinstance(error, GateRefused):
                    recorder.add(gates=[Gate(name=task.name, passed=False, reasons=[str(error)])])
                return error
    if state == "CANCELED":
        return RunFailed(f"Run {run_id} was cancelled.")
    where = f" in {', '.join(task.name for task in failed)}" if failed else ""
    return RunFailed(
        f"Run {run_id} failed{where}, and its log names no reason that polyrec knows: look at it in Kubeflow."
    )
