"""`polyrec analyse diversity`: measure recall and category diversity of served lists."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from trainer.errors import InputError
from trainer.plain_paths import plain_path

if TYPE_CHECKING:
    from trainer.analysis.diversity_curve import Batch

RESULTS = "results.json"
_BATCH = 128
_NUMBER = 50
_COLUMNS = {"Recall": "recall", "Diversity": "diversity"}


class Run(NamedTuple):
    """What a run left.

    Attributes:
      version: the pushed version folder.
      test: folder of the raw test examples.
    """

    version: Path
    test: Path


def print_curve(folder: Path, plot: Path | None, unseen: bool) -> None:
    """Prints a Markdown table over the weights of diversity, and draws it.

    Args:
      folder: of the run, with ``results.json``.
      plot: where to draw; None for nowhere.
      unseen: whether items of the history are excluded.

    Raises:
      InputError: the run pushed nothing, something is gone, or no item has a category.
    """
    run = read_run(folder)
    from pipeline.terminal.quiet import quiet

    with quiet(Path(os.devnull)):
        curve = _curve(run, unseen)
    click.echo("\n".join(markdown(curve)))
    if plot is not None:
        from trainer.analysis.diversity_curve import plot_diversity
        from trainer.analysis.figures import save_figure

        save_figure(plot_diversity(curve, f"{run.version.parent.name}: recall and diversity over lambda"), str(plot))
        click.echo(f"\n{plot}")


def read_run(folder: Path) -> Run:
    """Where a run's pushed version and its test examples are.

    Raises:
      InputError: there was no such run, it pushed nothing, or what it left is gone.
    """
    try:
        result = json.loads((folder / RESULTS).read_text())
        pushed, examples = result["pushed"], result["examples"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} holds no {RESULTS} of a run: give the folder ROOT/NAME, such as runs/shop."
        ) from error
    if pushed is None:
        raise InputError(f"The last run in {folder} pushed nothing: there is no served model to ask.")
    found = Run(Path(pushed), Path(examples) / "Split-test")
    for path in found:
        if not path.is_dir():
            raise InputError(f"{path}, which the run in {folder} wrote, is gone. Run the pipeline again.")
    return found


def markdown(curve: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """The lines of a Markdown table.

    Args:
      curve: of :func:`trainer.analysis.diversity_curve.diversity_curve`.
    """
    columns = {f"{label}@{n}": f"{name}_at_{n}" for label, name in _COLUMNS.items() for n in (20, 50)}
    yield "| lambda | " + " | ".join(columns) + " |"
    yield "|---:|" + "---:|" * len(columns)
    for point in curve:
        yield f"| {point['weight']:g} | " + " | ".join(f"{point[name]:.4f}" for name in columns.values()) + " |"


def _curve(run: Run, unseen: bool) -> list[dict[str, float]]:
    import tensorflow as tf

    from serving.bundle import manifest
    from trainer.analysis.diversity_curve import diversity_curve

    kinds = manifest.verify(run.version).inputs.user_features
    loaded = tf.saved_model.load(plain_path(str(run.version)))
    categories = loaded.items.item_category.numpy()
    if not (categories >= 0).any():
        raise InputError("The model's items have no categories. Set data.item_columns.category and train again.")
    ids = [item.decode() for item in loaded.items.item_ids.numpy().tolist()]

    def recommend(inputs: Mapping[str, tf.Tensor], weight: float) -> tf.Tensor:
        rows = tf.shape(inputs["history"])[0]
        return loaded.signatures["recommend"](
            allow=tf.constant([[""]]),
            deny=tf.constant([[""]]),
            **inputs,
            exclude=tf.fill([rows, 0], ""),
            exclude_history=tf.constant(unseen),
            k=tf.constant(_NUMBER),
            diversity=tf.constant(weight),
        )["item_ids"]

    return diversity_curve(recommend, _batches(run.test, kinds), ids, categories)


def _batches(folder: Path, kinds: Mapping[str, str]) -> Iterator["Batch"]:
    import tensorflow as tf

    from trainer.analysis.diversity_curve import Batch
    from trainer.data import schema

    spec: dict[str, Any] = {schema.HISTORY: tf.io.VarLenFeature(tf.string)}
    spec |= {schema.HISTORY_TIME: tf.io.VarLenFeature(tf.int64), schema.TARGETS: tf.io.VarLenFeature(tf.string)}
    for name, kind in kinds.items():
        dtype = tf.string if kind == "categorical" else tf.float32
        spec[schema.user_feature(name)] = tf.io.VarLenFeature(dtype)
    padding = {tf.string: "", tf.int64: 0, tf.float32: float("nan")}
    files = sorted(map(str, folder.iterdir()))
    for serialized in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_BATCH):
        parsed = tf.io.parse_example(serialized, spec)
        targets = tf.RaggedTensor.from_sparse(parsed.pop(schema.TARGETS)).to_list()
        inputs = {
            name: tf.RaggedTensor.from_sparse(value).to_tensor(padding[value.dtype]) for name, value in parsed.items()
        }
        yield Batch(inputs, [[item.decode() for item in items] for items in targets])
