"""Cost and stopping point of each training in a run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.engines.local import Outputs
from pipeline.graph.component_code import BASELINE_TRAINER
from trainer.run_fn import REPORT


def training_reports(outputs: Outputs) -> list[dict[str, Any]]:
    """What trainer.run_fn wrote of the model and, if one was trained, of the baseline."""
    runs = [outputs[name]["model_run"] for name in ("Trainer", BASELINE_TRAINER) if name in outputs]
    return [json.loads((Path(run.uri) / REPORT).read_text()) for run in runs]


def training_line(reports: Sequence[Mapping[str, Any]]) -> str:
    """One line for below the table: processor time, steps and temperature of each training."""
    return "Training: " + "; ".join(map(_one, reports)) + "."


def _one(report: Mapping[str, Any]) -> str:
    choice = report.get("temperature") or {}
    said = [f"best at step {report['best_step']:,} of {report['steps']:,}"]
    if not report["converged"]:
        said[0] += ", ended by max_steps"
    if choice.get("tried"):
        said.append(f"temperature {choice['temperature']:g}, {choice['cpu_seconds']:.0f} CPU s to choose it")
    return f"{report['settings']['name']} {report['training_cpu_seconds']:.0f} CPU s ({', '.join(said)})"
