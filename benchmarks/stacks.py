"""Stacks of packages side by side, on one machine and in turns.

python -m benchmarks.stacks --stack "today=chroot DEBIAN env -C /polyrec .venv/bin/python" --stack older=PYTHON

Each stack is a command that runs a Python with polyrec's packages in a checkout of this version. Prints CPU figures
(user and system time of the process, all threads): the import of the pipeline, training targets per CPU-second on
random full windows (benchmarks/training.py), and a request for recommendations on a made-up bundle. The mean of the
rounds, and the range.
"""

import json
import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np

MODELS = ("two_tower", "comirec_sa", "octopus", "shrinkage")
ITEMS, BATCHES, REQUESTS = 30_000, (1, 32), 300


def figures(seconds: float) -> dict[str, float]:
    """What this process's stack costs: name of a figure -> its value.

    Args:
      seconds: CPU-seconds of each training.
    """
    import pipeline.graph.build  # noqa: F401

    found = {"import of the pipeline, CPU s": time.process_time()}
    from benchmarks.training import targets_per_cpu_second

    for model in MODELS:
        rate, _ = targets_per_cpu_second(model, "mixture", 10_000, True, seconds)
        found[f"{model}, targets per CPU s"] = rate
    with tempfile.TemporaryDirectory() as folder:
        found |= _requests(Path(folder))
    return found


def _requests(folder: Path) -> dict[str, float]:
    from benchmarks.serving import made_up_model
    from serving.runtime.servable import load

    servable = load(made_up_model.bundle(folder, ITEMS))
    found = {}
    for users in BATCHES:
        history = np.array(made_up_model.histories(users, ITEMS), object)
        inputs = {
            "history": history,
            "history_time": np.zeros(history.shape, np.int64),
            "k": np.array(100, np.int32),
            "exclude": np.zeros((users, 0), object),
            "exclude_history": np.array(True),
            "diversity": np.array(0.0, np.float32),
        }
        asked = set(servable.signatures["recommend"].inputs)
        none = {name: np.zeros((users, 0), object) for name in asked - set(inputs)}
        wanted = {**none, **{name: value for name, value in inputs.items() if name in asked}}
        for _ in range(20):
            servable.run("recommend", wanted)
        started = time.process_time()
        for _ in range(REQUESTS // users):
            servable.run("recommend", wanted)
        spent = time.process_time() - started
        found[f"a request of {users} on {ITEMS:,} items, CPU ms a user"] = 1000 * spent / (REQUESTS // users * users)
    servable.close()
    return found


def compare(stacks: dict[str, str], rounds: int, seconds: float) -> None:
    """Measures the stacks in turns, and prints a Markdown table.

    Args:
      stacks: name -> command.
      rounds: how often each is measured.
      seconds: CPU-seconds of each training.
    """
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in stacks}
    for _ in range(rounds):
        for name, command in stacks.items():
            program = [*shlex.split(command), "-m", "benchmarks.stacks", "--seconds", str(seconds)]
            printed = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True).stdout
            measured[name].append(json.loads(printed.splitlines()[-1]))
    print("| figure |" + "".join(f" {name} |" for name in stacks))
    print("|---|" + "---|" * len(stacks))
    for figure in next(iter(measured.values()))[0]:
        cells = ([found[figure] for found in of_stack] for of_stack in measured.values())
        print(f"| {figure} |" + "".join(f" {_spread(values)} |" for values in cells))


def _spread(values: list[float]) -> str:
    form = "{:,.0f}" if max(values) >= 100 else "{:.2f}"
    return f"{form.format(np.mean(values))} ({form.format(min(values))} to {form.format(max(values))})"


@click.command(help=__doc__)
@click.option("--stack", "stacks", multiple=True, metavar="NAME=COMMAND", help="Compare these; else measure this one.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=8.0, show_default=True, help="CPU-seconds of each training.")
def main(stacks: tuple[str, ...], rounds: int, seconds: float) -> None:
    """The command."""
    if stacks:
        compare(dict(stack.split("=", 1) for stack in stacks), rounds, seconds)
    else:
        print(json.dumps(figures(seconds)))


if __name__ == "__main__":
    main()
