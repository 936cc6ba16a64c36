"""Models of profiles on several data sets: python -m benchmarks.tag_profiles --data DIRECTORY.

Ingests and transforms each data set once a seed (of the split of users, of training, and of the made-up log), trains
every row of models.yaml with the same features and the same budget, and prints Markdown. DIRECTORY holds
``movielens-100k`` (polyrec data movielens-100k) and ``lastfm``; the made-up logs are written beside them. Finished rows
are kept in ROOT/measured and not done again: stop it and start it as you like.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from benchmarks.retrieval.prepared import prepare, trainer_config
from benchmarks.tag_profiles import report

CONFIGS, MODELS = Path(__file__).parent / "configs", Path(__file__).parent / "models.yaml"
SYNTHETIC = "synthetic"
WORLD = {"users": 4_000, "items": 2_000, "tags": 40}
IMPRESSIONS = 300_000


def rows_of(data_set: str, models: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The settings of each row's model, without rows of one task where the log has no other."""
    labels = yaml.safe_load((CONFIGS / f"{data_set}.yaml").read_text())["data"]["labels"]
    rows = {}
    for row, settings in yaml.safe_load(MODELS.read_text()).items():
        tasks = settings.get("train_tasks", [])
        if (not models or row in models) and set(tasks) <= set(labels) and (len(labels) > 1 or not tasks):
            own = {key: value for key, value in settings.items() if key != "model"}
            rows[row] = {"name": settings.get("model", row), **own}
    return rows


def run(data_set: str, seed: int, models: tuple[str, ...], data: Path, root: Path, extra: tuple[str, ...]) -> None:
    """Measures what is not measured yet."""
    measured = root / "measured" / data_set
    measured.mkdir(parents=True, exist_ok=True)
    rows = rows_of(data_set, models)
    missing = {row: settings for row, settings in rows.items() if not (measured / f"{row}-{seed}.json").exists()}
    if not missing:
        return
    config = CONFIGS / f"{data_set}.yaml"
    directory = data / yaml.safe_load(config.read_text())["data"]["directory"]
    world = None
    if data_set == SYNTHETIC:
        directory, world = directory.with_name(f"{SYNTHETIC}-{seed}"), {**WORLD, "seed": seed}
        if not (directory / "impressions.parquet").exists():
            from pipeline.data_sources.synthetic_profiles import write

            write(directory, impressions=IMPRESSIONS, **world)
    overrides = [
        *(f"data.directory={directory}", f"data.split.seed={seed}", f"training.seed={seed}"),
        *(f"pipeline.name={data_set}-{seed}", *extra),
    ]
    prepared = prepare(config, overrides, root / "prepared").as_dict()
    outputs = {str(measured / f"{row}-{seed}"): trainer_config(config, overrides, missing[row]) for row in missing}
    job = {"data": prepared, "outputs": outputs, "world": world and {**world, "directory": str(directory)}}
    file = measured / f"{seed}.job"
    file.write_text(json.dumps(job, indent=1))
    click.echo(f"{data_set}, seed {seed}: {', '.join(missing)}", err=True)
    with file.with_suffix(".log").open("w") as log:
        command = [sys.executable, "-m", "benchmarks.tag_profiles.rows", str(file)]
        if subprocess.run(command, stdout=log, stderr=log).returncode:
            raise click.ClickException(f"{data_set} with seed {seed} failed: see {log.name}.")
    file.unlink()


@click.command(help=__doc__)
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--set", "data_sets", multiple=True, help="Data sets of benchmarks/tag_profiles/configs; all by default.")
@click.option("--model", "models", multiple=True, help="Rows of models.yaml; all by default.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2, 3), show_default=True)
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/profile"), show_default=True)
@click.option("--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Of the configuration of all rows.")
@click.option("--only-report", is_flag=True, help="Print what is there.")
def main(
    data: Path,
    data_sets: tuple[str, ...],
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    root: Path,
    overrides: tuple[str, ...],
    only_report: bool,
) -> None:
    """The command."""
    data_sets = data_sets or tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    if not only_report:
        for seed in seeds:
            for name in data_sets:
                run(name, seed, models, data.absolute(), root.absolute(), overrides)
    report.show(root / "measured", data_sets, seeds)


if __name__ == "__main__":
    main()
