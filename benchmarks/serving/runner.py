"""A process that builds an index, or loads and measures it: RUNNER build|serve KIND PROBLEM FOLDER NUMBER.

The number is the recall to tune for (build), or seconds of each measurement (serve).

Prints one JSON object as its last line. Building and measuring are apart, so that memory is what a server would need,
which loads the index from disk and has never seen the items.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.measure import Search, cost, recall, resident_mb, size_mb
from benchmarks.serving.problem import Problem

Build = Callable[[str, Problem, float, Path], dict[str, Any]]
Load = Callable[[str, Path, str], Search]
_FIGURES = "built.json"


def run(build: Build, load: Load) -> None:
    """Does what the command line says."""
    task, kind, file, number = sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[5])
    folder = Path(sys.argv[4])
    if task == "build":
        index = folder / "index"
        index.mkdir(parents=True)
        figures = build(kind, Problem.load(file).half(0), number, index)
        (folder / _FIGURES).write_text(json.dumps({**figures, "disk_mb": size_mb(index)}))
        return
    figures = json.loads((folder / _FIGURES).read_text())
    # Only the users are read before the memory is looked at.
    before = resident_mb()
    search = load(kind, folder / "index", figures["settings"])
    search(Problem.users(file)[:32])
    figures["memory_mb"] = resident_mb() - before
    problem = Problem.load(file).half(1)
    figures["recall"] = recall(search, problem)
    print(json.dumps({**figures, **cost(search, problem.interests, number)}))
