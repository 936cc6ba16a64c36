"""Quality of a configuration over seeds: python -m benchmarks.quality CONFIG --set data.directory=PATH.

Runs the whole pipeline once a seed (the seed of training and of the split of users) and prints a Markdown table with
mean and standard error over the seeds: the configured model, the two-tower of the same features and budget, the
popular items, and item-kNN and EASE (benchmarks/baselines.py) on the same split; seen items kept and removed.
"""

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np

from benchmarks import baselines
from pipeline.config import load

COLUMNS = [f"{metric}_at_{n}" for metric in ("recall", "hit_rate", "ndcg") for n in (20, 50)]

Metrics = dict[str, float]
"""Metric -> mean over users."""


def main(config: str, overrides: tuple[str, ...], seeds: tuple[int, ...], root: str, shallow: bool) -> None:
    """Measures and prints."""
    loaded = load(config, overrides)
    rows: dict[str, list[Metrics]] = {}
    for seed in seeds:
        name = f"{loaded.pipeline.name}-seed-{seed}"
        for row, metrics in _run(config, overrides, seed, root, name, shallow).items():
            rows.setdefault(row, []).append(metrics)
    model = loaded.model.model_dump()
    print(f"\n`python -m benchmarks.quality {config}" + "".join(f" --set {o}" for o in overrides) + "`\n")
    print(
        f"{loaded.data.split.method} split, {loaded.data.split.train}:{loaded.data.split.valid}:"
        f"{loaded.data.split.test}, test users; T {loaded.transform.max_history}, d {model['dimension']}, "
        f"K {model['num_interests']}; seeds {', '.join(map(str, seeds))} (of the split and of training); "
        "% as mean ± standard error; catalogue scored in full.\n"
    )
    for title, suffix in (("Seen items kept", ""), ("Seen items removed", "_unseen")):
        print(f"| {title} | " + " | ".join(_title(column) for column in COLUMNS) + " |")
        print("|---" * (len(COLUMNS) + 1) + "|")
        for row, runs in rows.items():
            cells = [_cell([metrics[column + suffix] for metrics in runs]) for column in COLUMNS]
            print(f"| {row} | " + " | ".join(cells) + " |")
        print()


def _run(config: str, overrides: tuple[str, ...], seed: int, root: str, name: str, shallow: bool) -> dict[str, Metrics]:
    sets = [
        *overrides,
        *(f"training.seed={seed}", f"data.split.seed={seed}", f"pipeline.name={name}", f"pipeline.root={root}"),
        *(f"serving.directory={root}/served", f"serving.model_name={name}"),
    ]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", config]
    subprocess.run(command + [part for s in sets for part in ("--set", s)], check=True, stdout=sys.stderr)
    results = json.loads((Path(root) / name / "results.json").read_text())
    overall = results["model"]["overall"]
    found = {load(config, overrides).model.model_dump()["name"]: overall}
    if results["baseline"]:
        found["two_tower"] = results["baseline"]["overall"]
    found["popularity"] = {c.removeprefix("popularity_"): v for c, v in overall.items() if c.startswith("popularity_")}
    if not shallow:
        measured = baselines.measure(Path(results["examples"]))
        found |= {label.split(" (")[0]: metrics for label, metrics in measured.items() if label != "popularity"}
    return found


def _title(column: str) -> str:
    metric, n = column.split("_at_")
    return {"recall": "R", "hit_rate": "HR", "ndcg": "NDCG"}[metric] + f"@{n}"


def _cell(values: list[float]) -> str:
    percent = 100 * np.array(values)
    if len(percent) == 1:
        return f"{percent[0]:.2f}"
    return f"{percent.mean():.2f} ± {percent.std(ddof=1) / np.sqrt(len(percent)):.2f}"


@click.command(help=__doc__)
@click.argument("config")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2, 3), show_default=True)
@click.option("--root", default="runs/quality", show_default=True, help="Where the runs are kept.")
@click.option("--shallow", is_flag=True, help="Leave item-kNN and EASE out.")
def _command(config: str, overrides: tuple[str, ...], seeds: tuple[int, ...], root: str, shallow: bool) -> None:
    main(config, overrides, seeds, root, shallow)


if __name__ == "__main__":
    _command()
