"""Reads what was measured: the rows of a data set, at the temperature that validates best."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieval.rows import at, rows
from trainer.models.retrieval.settings import TEMPERATURES

Runs = dict[str, list[dict[str, Any]]]
Users = list[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Measured:
    """The rows of a data set that have all seeds.

    Attributes:
      runs: row -> what one_model wrote, a seed each, at the temperature that is best on the validation users; of
        baselines, metrics alone.
      users: row -> metric -> a value of each test user, a seed each.
      jobs: the same of every job, whatever its temperature.
      cpu_seconds: row -> of training at all temperatures, the mean of the seeds.
    """

    runs: Runs
    users: dict[str, Users]
    jobs: dict[str, Users]
    cpu_seconds: dict[str, float]

    def temperatures(self, row: str) -> list[float]:
        """Of the trained models, a seed each."""
        return [float(run["report"]["settings"]["temperature"]) for run in self.runs[row]]


def read(folder: Path, seeds: tuple[int, ...]) -> Measured:
    """What is there of a data set; rows that lack a seed or a temperature are left out."""
    runs: Runs = {}
    jobs: dict[str, Users] = {}
    baselines: Runs = {}
    for seed in seeds:
        for file in sorted(folder.glob(f"*-{seed}.json")):
            content, job = json.loads(file.read_text()), file.stem.removesuffix(f"-{seed}")
            if job == "baselines":
                for row, metrics in content.items():
                    baselines.setdefault(row, []).append({"metrics": metrics})
                continue
            runs.setdefault(job, []).append(content)
            with np.load(file.parent / f"{file.stem}.npz") as values:
                jobs.setdefault(job, []).append(dict(values))
    runs = {job: of for job, of in runs.items() if len(of) == len(seeds)}
    best: Runs = {}
    users: dict[str, Users] = {}
    cpu: dict[str, float] = {}
    for row, settings in rows().items():
        tried = [row] if "temperature" in settings else [at(row, value) for value in TEMPERATURES]
        if not set(tried) <= set(runs):
            continue
        cpu[row] = sum(run["report"]["training_cpu_seconds"] for job in tried for run in runs[job]) / len(seeds)
        for seed in range(len(seeds)):
            job = max(reversed(tried), key=lambda job: float(runs[job][seed]["report"]["best"]))
            best.setdefault(row, []).append(runs[job][seed])
            users.setdefault(row, []).append(jobs[job][seed])
    whole = {row: of for row, of in baselines.items() if len(of) == len(seeds)}
    return Measured(best | whole, users, {job: jobs[job] for job in runs}, cpu)
