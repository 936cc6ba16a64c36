"""`polyrec tune-index`: find the cheapest index that reaches a recall for a model's own users."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from pipeline.commands.diversity_curve import read_run
from trainer.errors import InputError
from trainer.plain_paths import plain_path

if TYPE_CHECKING:
    from serving.index.sizes import ScannSizes
    from serving.index.tuning import Tuned


class _Pushed(NamedTuple):
    """What tuning needs of a pushed model.

    Attributes:
      vectors: float32 [N, D].
      interests: float32 [U, K, D].
      interest_mask: bool [U, K].
      default_k: length of the lists it answers with when none is asked for.
    """

    vectors: npt.NDArray[np.float32]
    interests: npt.NDArray[np.float32]
    interest_mask: npt.NDArray[np.bool_]
    default_k: int


def print_tuning(
    folder: Path, target: float, k: int | None, users: int, leaves: int | None, version: Path | None
) -> None:
    """Prints the settings that were tried and the lines for the configuration.

    Args:
      folder: of the run, with ``results.json``.
      target: part of the exact list that is to be found.
      k: length of the lists; None for the default of the model.
      users: of the split ``valid``, at most.
      leaves: of the index; None for what follows from the number of items.
      version: another version folder than the run's.

    Raises:
      InputError: the run left nothing to tune for, it is a model of profiles, or every item is scored anyway.
    """
    from pipeline.terminal.quiet import quiet

    with quiet(Path(os.devnull)):
        sizes, tuned, k = _tuned(folder, target, k, users, leaves, version)
    console = Console(highlight=False)
    console.print(table(tuned, sizes.num_leaves, k))
    if not tuned.chosen.reaches:
        console.print(f"No setting reaches {target:g}: these come nearest. Try other leaves (--leaves).")
    console.print("Put into the configuration (or leave it to the pipeline: index.target_recall):\n")
    console.print(f"index:\n  num_leaves: {sizes.num_leaves}")
    console.print(f"  leaves_to_search: {tuned.chosen.leaves_to_search}\n  reorder: {tuned.chosen.reorder}")


def table(tuned: "Tuned", num_leaves: int, k: int) -> Table:
    """One row a setting that was tried, the chosen one in bold."""
    result = Table(title=f"{num_leaves:,} leaves", title_justify="left")
    for column in ("leaves searched", "reordered", f"recall@{k}", "CPU ms a user"):
        result.add_column(column, justify="right")
    for trial in tuned.trials:
        cells = f"{trial.leaves_to_search:,}", f"{trial.reorder:,}", f"{trial.recall:.4f}", f"{trial.cpu_ms:.2f}"
        result.add_row(*cells, style="bold" if trial is tuned.chosen else None)
    return result


def _tuned(
    folder: Path, target: float, k: int | None, users: int, leaves: int | None, version: Path | None
) -> tuple["ScannSizes", "Tuned", int]:
    from serving.index import ExactIndex, build_index
    from serving.index.scann import ScannIndex
    from serving.index.tuning import tune
    from serving.settings import IndexSettings

    pushed = _read(folder, users, version)
    index = build_index(pushed.vectors, IndexSettings(num_leaves=leaves))
    if not isinstance(index, ScannIndex):
        raise InputError(
            f"Of a catalogue of {len(pushed.vectors):,} items every one is scored: recall is 1, and there is nothing "
            "to tune. With --leaves (and index.num_leaves) leaves are made all the same."
        )
    k = k or pushed.default_k
    tuned = tune(index, ExactIndex(pushed.vectors), pushed.interests, pushed.interest_mask, k, target)
    return index.sizes, tuned, k


def _read(folder: Path, users: int, version: Path | None) -> _Pushed:
    import tensorflow as tf

    from serving.bundle import manifest
    from serving.users import as_tensors, read_users
    from trainer.data import schema

    run = read_run(folder)
    directory = version or run.version
    stated = manifest.verify(directory)
    if stated.tasks:
        raise InputError(f"{directory} is a model of profiles: tune-index is for models that retrieve items.")
    files = sorted(map(str, run.test.with_name(f"Split-{schema.VALID_SPLIT}").glob("*")))
    found = read_users(files, stated.inputs.user_features, users)
    if not found:
        raise InputError(f"The split {schema.VALID_SPLIT} of the run in {folder} holds no user with a history.")
    history, times, profile = as_tensors(found, stated.inputs.user_features)
    loaded = tf.saved_model.load(plain_path(str(directory)))
    features = {schema.user_feature(name): values for name, values in profile.items()}
    answer = loaded.signatures["user_interests"](history=history, history_time=times, **features)
    interests, mask = answer["interests"].numpy(), answer["interest_mask"].numpy()
    return _Pushed(loaded.index.item_vectors.numpy(), interests, mask, stated.default_k)
