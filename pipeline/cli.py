"""The ``polyrec`` command line. Nothing heavy is imported before a command needs it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.analyse import analyse
from pipeline.commands.data import data
from pipeline.commands.query import query
from pipeline.commands.refresh import refresh
from pipeline.commands.rollout import rollout
from pipeline.commands.runs import runs
from pipeline.records.outcome import EXIT_CODES
from pipeline.terminal.any_letter import write_any_letter
from serving.settings_command import SettingsCommand
from trainer.errors import GateRefused, InputError

if TYPE_CHECKING:
    from serving.server_settings import ServerSettings

REFUSED, WRONG_INPUT = EXIT_CODES["refused"], EXIT_CODES["wrong input"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polyrec")
def cli() -> None:
    """Multi-interest retrieval: from a click log to a served top-N."""


def main() -> None:
    """Runs a command. Exit codes: 0 done, 2 wrong input or configuration, 4 a gate refused, 1 anything else."""
    write_any_letter()
    sys.exit(run_command(cli))


def run_command(command: Callable[..., Any], *args: Any) -> int:
    """Runs a click command and turns errors that a user can act on into a message and an exit code."""
    try:
        command(*args, standalone_mode=False)
    except InputError as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        return WRONG_INPUT
    except GateRefused as error:
        click.secho(f"Refused: {error}", fg="red", err=True)
        return REFUSED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again to go on.", err=True)
        return EXIT_CODES["interrupted"]
    return 0


_SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. model.num_interests=6."
)
_CONFIG = click.argument("config", metavar="CONFIG")


@cli.command()
@_CONFIG
@_SET
@click.option("--engine", type=click.Choice(["local", "kubeflow"]), default="local", show_default=True)
@click.option("--beam-arg", "beam_args", multiple=True, metavar="ARG", help="Pass this option to every Beam job.")
def run(config: str, overrides: tuple[str, ...], engine: str, beam_args: tuple[str, ...]) -> None:
    """Train, evaluate and push a model.

    CONFIG is a YAML file or a preset; everything runs on this machine, or on the cluster of its section kubeflow.
    """
    from pipeline.config.writable import check_run_paths
    from pipeline.runs.run import RunFailed
    from pipeline.runs.run import run as run_pipeline

    loaded = _load(config, overrides, beam_args)
    try:
        if engine == "kubeflow":
            _run_on_cluster(loaded)
        else:
            check_run_paths(loaded)
            run_pipeline(loaded)
    except RunFailed as error:
        raise click.ClickException(str(error)) from error


def _run_on_cluster(loaded: Any) -> None:
    """Compiles, submits and follows; what can be refused without TensorFlow is refused first."""
    from pipeline.config.run import with_absolute_paths
    from pipeline.config.writable import check_writable
    from pipeline.kubeflow.volumes import refuse_unmounted

    loaded = with_absolute_paths(loaded)
    if "://" in loaded.pipeline.root:
        raise InputError(
            f"pipeline.root: {loaded.pipeline.root} is a URL, and records and logs are kept on this machine. Give a "
            "local folder, and the bucket in kubeflow.pipeline_root."
        )
    refuse_unmounted(loaded)
    folder = Path(loaded.pipeline.root) / loaded.pipeline.name
    check_writable({"pipeline.root": str(folder)})
    package = folder / "pipeline.yaml"
    _compile(loaded, package, loaded.kubeflow.image)
    from pipeline.kubeflow.run import run as run_on_cluster

    run_on_cluster(loaded, package)


def _compile(loaded: Any, output: Path, image: str) -> None:
    from pipeline.terminal.quiet import quiet

    with quiet(Path(os.devnull)):
        from pipeline.kubeflow_runner import compile_pipeline

        compile_pipeline(loaded, output, image)


@cli.command()
@_CONFIG
@_SET
def pretrain(config: str, overrides: tuple[str, ...]) -> None:
    """Train a base model on several logs.

    The logs are the domains of CONFIG; name the result in model.base_model.
    """
    from pipeline.config.pretraining import load as load_pretraining
    from pipeline.config.writable import check_run_paths, check_writable
    from pipeline.runs.pretrain import pretrain as run_pretraining
    from pipeline.runs.run import RunFailed

    loaded = load_pretraining(config, overrides)
    check_run_paths(loaded.config)
    check_writable({"base": loaded.base})
    try:
        base = run_pretraining(loaded)
    except RunFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Base model: {base}\nStart from it with: polyrec run CONFIG --set model.base_model={base}")


def _load(config: str, overrides: tuple[str, ...], beam_args: tuple[str, ...] = ()) -> Any:
    from pipeline.config.run import load

    loaded = load(config, overrides)
    if beam_args:
        extended = loaded.pipeline.model_copy(update={"beam_args": [*loaded.pipeline.beam_args, *beam_args]})
        loaded = loaded.model_copy(update={"pipeline": extended})
    return loaded


@cli.command("compile")
@_CONFIG
@_SET
@click.option("--engine", type=click.Choice(["kubeflow"]), default="kubeflow", show_default=True)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), default="pipeline.yaml", show_default=True
)
@click.option("--image", help="Run the steps in this container image; kubeflow.image by default.")
def compile_(config: str, overrides: tuple[str, ...], engine: str, output: Path, image: str | None) -> None:
    """Compile the pipeline of CONFIG for Kubeflow Pipelines 2."""
    from pipeline.config.run import with_absolute_paths

    loaded = with_absolute_paths(_load(config, overrides))
    image = image or loaded.kubeflow.image
    _compile(loaded, output, image)
    click.echo(f"{output}: {engine} specification of {loaded.pipeline.name}, steps run {image}")


@cli.command()
def models() -> None:
    """List the models, their papers and their settings."""
    from rich.console import Console

    from pipeline.commands.models import model_list
    from pipeline.config.run import model_registry

    Console(highlight=False).print(model_list(model_registry()))


@cli.command()
def doctor() -> None:
    """Check this machine and print the fixes.

    The exit code is 2 if there is a fix to make.
    """
    from rich.console import Console
    from rich.markup import escape

    from pipeline.commands.doctor import examine

    console, healthy = Console(highlight=False), True
    for finding in examine():
        mark = "[green]ok   [/]" if finding.ok else "[red]to do[/]"
        console.print(f"{mark}  {escape(finding.subject):<10} {escape(finding.words)}", soft_wrap=True)
        healthy = healthy and finding.ok
    if not healthy:
        raise InputError("Something has to be done first, see above.")


def _server_settings() -> "type[ServerSettings]":
    from serving.server_settings import ServerSettings

    return ServerSettings


@cli.command(cls=SettingsCommand, settings=_server_settings)
@click.argument("directory", metavar="[SERVING_DIR]", required=False)
def serve(settings: "ServerSettings") -> None:
    """Serve the models of SERVING_DIR over gRPC, and over REST with --rest-port, until stopped.

    SERVING_DIR is a folder of models (SERVING_DIR/MODEL/VERSION), or of one model's versions.
    """
    from serving.server import Server
    from serving.server.command import serve as serve_models

    serve_models(settings, Server)


@cli.command()
@_CONFIG
@_SET
@click.option("--tag", "tags", multiple=True, required=True, help="Tag that the users should like; repeat for more.")
@click.option(
    "--k", default=1000, show_default=True, type=click.IntRange(min=1), help="Number of users per tag and task."
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), default="audience.parquet")
@click.option(
    "--model", "version", type=click.Path(path_type=Path, exists=True), help="Version folder; by default the newest."
)
def audience(
    config: str, overrides: tuple[str, ...], tags: tuple[str, ...], k: int, output: Path, version: Path | None
) -> None:
    """Find the users who like a tag most.

    The newest pushed version of the tag-profile model of CONFIG scores them.
    """
    from pipeline.commands.audience import audience as write

    loaded = _load(config, overrides)
    write(loaded, tags, k, output, version, Path(loaded.pipeline.root) / loaded.pipeline.name / "logs" / "audience.log")


@cli.command("tune-index")
@click.argument("run", metavar="RUN_DIR", type=click.Path(path_type=Path))
@click.option("--target", default=0.995, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="Recall.")
@click.option(
    "--k", type=click.IntRange(min=1), help="Length of the lists; by default the model's (serving.default_k)."
)
@click.option("--users", default=256, show_default=True, type=click.IntRange(min=1))
@click.option("--leaves", type=click.IntRange(min=1), help="Leaves of the index; by default from the catalogue's size.")
@click.option("--model", "version", type=click.Path(path_type=Path), help="Version folder; by default the run's.")
def tune_index(run: Path, target: float, k: int | None, users: int, leaves: int | None, version: Path | None) -> None:
    """Find the cheapest index that reaches a recall for the validation users of a run.

    RUN_DIR is the folder of a run (pipeline.root/pipeline.name); its pushed version is tuned.
    """
    from pipeline.commands.tune_index import print_tuning

    print_tuning(run, target, k, users, leaves, version)


@cli.command()
@click.option("--preset", default="shrinkage", show_default=True, help="Preset of MovieLens-100K, or shared_accounts.")
def demo(preset: str) -> None:
    """Train on MovieLens-100K, serve, and recommend.

    This is what `make run` does after the set-up.
    """
    from pipeline.commands.demo import demo as run_demo
    from pipeline.runs.run import RunFailed

    try:
        run_demo(preset)
    except RunFailed as error:
        raise click.ClickException(str(error)) from error


for _command in (analyse, data, query, refresh, rollout, runs):
    cli.add_command(_command)


if __name__ == "__main__":
    main()
