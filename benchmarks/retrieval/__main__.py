"""Every model on several data sets: python -m benchmarks.retrieval --data DIRECTORY.

Ingests and transforms each data set once a seed (the seed of the split of users and of training), trains every model
of models.yaml with the same features until validation stops rising, and popularity, item-kNN and EASE beside them; then
prints Markdown and draws. Finished parts are kept in ROOT/measured and not done again: stop it and start it as you
like.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from benchmarks import baselines
from benchmarks.alone import alone
from benchmarks.retrieval import report
from benchmarks.retrieval.prepared import Prepared, half_given, prepare, trainer_config
from benchmarks.retrieval.rows import at, rows
from trainer.models.retrieval.settings import TEMPERATURES

CONFIGS = Path(__file__).parent / "configs"
PROTOCOLS = {"user_hash": [], "leave_last_out": ["data.split.method=leave_last_out"]}


def jobs(
    data_sets: tuple[str, ...], models: tuple[str, ...], seeds: tuple[int, ...], protocol: str, data: Path
) -> Iterator[tuple[str, int, list[str], dict[str, dict[str, Any]]]]:
    """Data set, seed, overrides of the configuration, and the models' settings by name.

    A model without a temperature is trained at each of ``TEMPERATURES``, a job each.
    """
    own = rows()
    for seed, name in itertools.product(seeds, data_sets):
        directory = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["data"]["directory"]
        overrides = [
            *(f"data.directory={data / directory}", f"data.split.seed={seed}", f"training.seed={seed}"),
            *(f"pipeline.name={name}-{protocol}-{seed}", *PROTOCOLS[protocol]),
        ]
        chosen = {}
        for model in models or own:
            settings = {key: value for key, value in own[model].items() if key != "ablates"}
            only = settings.pop("only", {}).get(name, {})
            settings = {"name": settings.pop("model", model), **settings, **only}
            if "temperature" in settings:
                chosen[model] = settings
            else:
                chosen |= {at(model, value): {**settings, "temperature": value} for value in TEMPERATURES}
        yield name, seed, overrides, chosen


def run(
    data_set: str,
    seed: int,
    overrides: list[str],
    models: dict[str, dict[str, Any]],
    changes: tuple[str, ...],
    root: Path,
    folder: str,
) -> None:
    """Measures what is not measured yet, into a folder of ROOT/measured; changes overrule the models' settings."""
    measured = root / "measured" / folder / data_set
    measured.mkdir(parents=True, exist_ok=True)
    baseline_file = measured / f"baselines-{seed}.json"
    missing = [model for model in models if not (measured / f"{model}-{seed}.json").exists()]
    if not missing and baseline_file.exists():
        return
    config = CONFIGS / f"{data_set}.yaml"
    given = config, [*overrides, *changes], root / "prepared"
    prepared = prepare(*given)
    data = {**prepared.as_dict(), "half_given": half_given(*given)}
    for model in missing:
        click.echo(f"{data_set}, seed {seed}: {model}", err=True)
        output = measured / f"{model}-{seed}"
        job = {
            "data": data,
            "config": trainer_config(config, overrides, models[model], changes),
        }
        file = Path(f"{output}.job")
        file.write_text(json.dumps(job, indent=1))
        with Path(f"{output}.log").open("w") as log:
            command = [sys.executable, "-m", "benchmarks.retrieval.one_model", str(file), str(output)]
            if subprocess.run(command, stdout=log, stderr=log).returncode:
                raise click.ClickException(f"{model} on {data_set} failed: see {log.name}.")
        file.unlink()
    if not baseline_file.exists():
        _baselines(prepared, baseline_file)


def _baselines(prepared: Prepared, file: Path) -> None:
    measured = baselines.measure(Path(prepared.examples))
    file.write_text(json.dumps({label.split(" (")[0]: metrics for label, metrics in measured.items()}, indent=1))


@click.command(help=__doc__)
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--set", "data_sets", multiple=True, help="Data sets of benchmarks/retrieval/configs; all by default.")
@click.option("--model", "models", multiple=True, help="Of models.yaml; all by default.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2, 3), show_default=True)
@click.option("--protocol", type=click.Choice(list(PROTOCOLS)), default="user_hash", show_default=True)
@click.option("--override", "changes", multiple=True, metavar="KEY=VALUE", help="For all models, above models.yaml.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/retrieval"), show_default=True)
@click.option("--only-report", is_flag=True, help="Print what is there.")
def main(
    data: Path,
    data_sets: tuple[str, ...],
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    protocol: str,
    changes: tuple[str, ...],
    root: Path,
    only_report: bool,
) -> None:
    """The command."""
    folder = "-".join((protocol, *changes))
    data_sets = data_sets or tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    if not only_report:
        with alone(root):
            for name, seed, overrides, chosen in jobs(data_sets, models, seeds, protocol, data.absolute()):
                run(name, seed, overrides, chosen, changes, root.absolute(), folder)
    report.show(root / "measured" / folder, data_sets, seeds)


if __name__ == "__main__":
    main()
