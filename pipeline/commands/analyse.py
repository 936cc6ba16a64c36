"""`polyrec analyse`: inspect a trained model."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainer.errors import InputError
from trainer.plain_paths import plain_path

_SHUFFLES = 5
_FORMATS = (".png", ".svg", ".pdf")


class Learned(NamedTuple):
    """What the analyses need of a trained model.

    Attributes:
      prototypes: float [L, D].
      item_vectors: float [N, D].
      item_ids: N ids.
      item_category: int [N], -1 for none.
      category_names: of the categories.
    """

    prototypes: npt.NDArray[np.float32]
    item_vectors: npt.NDArray[np.float32]
    item_ids: list[str]
    item_category: npt.NDArray[np.int32]
    category_names: list[str]


@click.group()
def analyse() -> None:
    """Inspect a trained model."""


_MODEL = click.argument("model", metavar="MODEL_DIR", type=click.Path(path_type=Path))
_PLOT = click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Plot into this .png, .svg or .pdf file."
)


@analyse.command()
@_MODEL
@click.option(
    "-n", "number", default=5, show_default=True, type=click.IntRange(1), help="Number of items per prototype."
)
@click.option("--items", type=click.Path(path_type=Path), help="Read titles from this item table (Parquet or CSV).")
@click.option("--item-column", default="item_id", show_default=True)
@click.option("--title-column", default="title", show_default=True)
def prototypes(model: Path, number: int, items: Path | None, item_column: str, title_column: str) -> None:
    """List the items nearest to each prototype of a SINE or Octopus model.

    MODEL_DIR is the trained SavedModel, or the folder of the run's Model artifact that holds it.
    """
    from pipeline.terminal.answer_table import read_titles
    from trainer.analysis.prototypes import mean_cosine

    titles = read_titles(items, item_column, title_column) if items else {}
    learned = load(model)
    console = Console(highlight=False)
    console.print(prototype_table(learned, number, titles))
    if len(learned.prototypes) > 1:
        console.print(
            f"Mean cosine of two prototypes: {mean_cosine(learned.prototypes):.2f}. Near 1 they have become one: raise "
            "model.decorrelation."
        )


@analyse.command()
@_MODEL
@_PLOT
def categories(model: Path, plot: Path | None) -> None:
    """Measure how far prototypes and item categories agree (normalised mutual information).

    MODEL_DIR is the trained SavedModel, or the folder of the run's Model artifact that holds it.
    """
    _check_plot(plot)
    learned = load(model)
    nmi, chance = category_agreement(learned)
    words = f"NMI of {len(learned.prototypes)} prototypes and the items' categories: {nmi:.3f} (by chance {chance:.3f})"
    click.echo(words)
    if plot is not None:
        from trainer.analysis.prototype_plot import plot_categories
        from trainer.analysis.prototypes import category_counts

        counts = category_counts(learned.item_vectors, learned.prototypes, learned.item_category)
        plot_categories(counts, learned.category_names[: counts.shape[1]], words, str(plot))
        click.echo(plot)


@analyse.command()
@click.argument("run", metavar="RUN_DIR", type=click.Path(path_type=Path))
@_PLOT
@click.option("--unseen", is_flag=True, help="Exclude the items of the history.")
def diversity(run: Path, plot: Path | None, unseen: bool) -> None:
    """Measure what diverse lists cost: recall and category diversity over lambda, as the pushed model serves them.

    RUN_DIR is the folder of a run (pipeline.root/pipeline.name): its pushed version answers for its test users.
    """
    from pipeline.commands.diversity_curve import print_curve

    _check_plot(plot)
    print_curve(run, plot, unseen)


def _check_plot(plot: Path | None) -> None:
    if plot is not None and plot.suffix not in _FORMATS:
        raise InputError(f"--plot {plot}: the name should end in {', '.join(_FORMATS)}.")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise InputError(f"--plot {plot}: there is no folder {plot.absolute().parent}. Make it, or name another.")


def load(directory: Path) -> Learned:
    """Reads a trained model.

    Args:
      directory: the trainer's SavedModel, or the folder of TFX's Model artifact around it.

    Raises:
      InputError: there is no such model, or it has no prototypes.
    """
    inner = directory / "Format-Serving"
    path = inner if inner.is_dir() else directory
    if not (path / "saved_model.pb").is_file():
        raise InputError(
            f"{directory} holds no SavedModel. Give the folder of a trained model, such as "
            "runs/NAME/artifacts/Trainer/model/NUMBER."
        )
    loaded = _saved_model(path)
    tensors = getattr(loaded, "analysis", {})
    if "prototypes" not in tensors:
        raise InputError(
            f"{directory}: this model has no prototypes to look at. The models sine and octopus, and no pushed "
            "bundle, have: give the folder that the Trainer wrote."
        )
    return Learned(
        tensors["prototypes"].numpy(),
        loaded.item_vectors.numpy(),
        [item.decode() for item in loaded.item_ids.numpy().tolist()],
        loaded.item_category.numpy(),
        [name.decode() for name in tensors["category_names"].numpy().tolist()],
    )


def prototype_table(learned: Learned, number: int, titles: dict[str, str]) -> Table:
    """One row a prototype: how many items are nearest to it, and the nearest of them, with their cosines.

    Args:
      learned: the model.
      number: items of each prototype.
      titles: by id; an id without one stands for itself.
    """
    from trainer.analysis.prototypes import nearest_items, nearest_prototypes

    members = np.bincount(
        nearest_prototypes(learned.item_vectors, learned.prototypes), minlength=len(learned.prototypes)
    )
    indices, cosines = nearest_items(learned.prototypes, learned.item_vectors, number)
    table = Table(title="Prototypes, those with the most items first", title_justify="left")
    table.add_column("prototype", justify="right")
    table.add_column("items", justify="right")
    table.add_column("nearest items (cosine)")
    for prototype in np.argsort(-members, kind="stable"):
        named = (
            f"{escape(titles.get(learned.item_ids[item], learned.item_ids[item]))} ({cosine:.2f})"
            for item, cosine in zip(indices[prototype], cosines[prototype], strict=True)
        )
        table.add_row(str(prototype), f"{members[prototype]:,}", " · ".join(named))
    return table


def category_agreement(learned: Learned) -> tuple[float, float]:
    """NMI of prototypes and categories, and what it is with the categories shuffled.

    Raises:
      InputError: no item has a category.
    """
    from trainer.analysis.prototypes import prototype_category_nmi

    if not (learned.item_category >= 0).any():
        raise InputError("The model's items have no categories. Set data.item_columns.category and train again.")
    random = np.random.default_rng(0)
    shuffled = [random.permutation(learned.item_category) for _ in range(_SHUFFLES)]
    chance = [prototype_category_nmi(learned.item_vectors, learned.prototypes, order) for order in shuffled]
    nmi = prototype_category_nmi(learned.item_vectors, learned.prototypes, learned.item_category)
    return nmi, float(np.mean(chance))


def _saved_model(path: Path) -> Any:
    from pipeline.terminal.quiet import quiet

    with quiet(Path(os.devnull)):
        import tensorflow as tf

        return tf.saved_model.load(plain_path(str(path)))
