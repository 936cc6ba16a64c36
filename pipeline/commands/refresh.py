"""`polyrec refresh`: change the items of the pushed model. Nothing heavy is imported before it is called."""

from pathlib import Path
from typing import Any

import click

from pipeline.terminal.id_options import RULE, given_ids


@click.command()
@click.argument("config", metavar="CONFIG")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. serving.model_name=shop."
)
@click.option("--items", type=click.Path(exists=True), help="Add and update items from this item table.")
@click.option(
    "--remove", multiple=True, metavar="A,B,...|FILE", help=f"Remove these items: a file of ids; or ids, {RULE}."
)
@click.option("--remove-missing", is_flag=True, help="Remove the items that the table lacks.")
@click.option(
    "--vectors", type=click.Path(exists=True, dir_okay=False), help="Parquet file with vectors of items to add."
)
@click.option("--vector-column", default="vector", show_default=True, help="Its column of vectors.")
@click.option("--add/--no-add", default=True, show_default=True, help="Add new items.")
@click.option("--leave-out", is_flag=True, help="Leave out new items without a vector, instead of failing.")
@click.option(
    "--model",
    "version",
    type=click.Path(path_type=Path, exists=True),
    help="Start from this version folder; the newest by default.",
)
def refresh(
    config: str, overrides: tuple[str, ...], version: Path | None, remove: tuple[str, ...], **options: Any
) -> None:
    """Add and remove items without training.

    This pushes a new version of the model of CONFIG.
    """
    from pipeline.config.run import load
    from pipeline.operations.refresh import Options
    from pipeline.operations.refresh import refresh as run_refresh

    loaded = load(config, overrides)
    log = Path(loaded.pipeline.root) / loaded.pipeline.name / "logs" / "refresh.log"
    is_file = len(remove) == 1 and Path(remove[0]).exists()
    removed = remove[0] if is_file else given_ids("remove", remove)
    run_refresh(loaded, Options(remove=removed, **options), version, log)
