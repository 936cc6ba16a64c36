"""`polyrec refresh`: a new version of the pushed model with other items, validated, without training."""

import glob
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from pipeline.config.run import Config, with_absolute_paths
from pipeline.records.cost import Cost, now
from pipeline.runs.newest_version import newest_version
from pipeline.runs.run import RESULTS
from pipeline.terminal.paths import shown
from pipeline.terminal.progress import Progress
from pipeline.terminal.quiet import log_everything, quiet
from trainer.data import schema
from trainer.errors import GateRefused, InputError

if TYPE_CHECKING:
    from serving.publish.pushed_model import PushedModel
    from serving.users import RawUser


@dataclass(frozen=True)
class Options:
    """What the command was told.

    Attributes:
      items: table of items, with the columns of ``data.item_columns``; None: no table is read.
      vectors: Parquet file of given vectors.
      vector_column: its column of vectors; ids are in ``data.item_columns.item``.
      remove: ids as ``a,b``, or a file of them; or a list of ids.
      remove_missing: remove what the table lacks.
      add: whether new items are added.
      leave_out: whether new items without a place are left out.
    """

    items: str | None = None
    vectors: str | None = None
    vector_column: str = "vector"
    remove: str | Sequence[str] = ""
    remove_missing: bool = False
    add: bool = True
    leave_out: bool = False


def refresh(config: Config, options: Options, version: Path | None, log: Path) -> str | None:
    """Makes the version, asks the real server about it, and pushes it.

    Args:
      config: by which the model was trained.
      options: what to change.
      version: the pushed version to start from; None for the newest one that ``serving`` names.
      log: where the noise goes.

    Returns:
      the new version folder; None where there was nothing to change.

    Raises:
      InputError: the table, the model or what is asked cannot be used.
      GateRefused: the new version does not serve as it should; nothing was pushed.
    """
    if not (options.items or options.vectors or options.remove):
        raise InputError("Nothing to do: give --items TABLE, --vectors FILE or --remove IDS.")
    if options.remove_missing and not options.items:
        raise InputError("--remove-missing removes what a table lacks: give one with --items.")
    items = None if options.items is None else os.path.abspath(options.items)
    config = with_absolute_paths(config)
    config = config.model_copy(update={"data": config.data.model_copy(update={"items": items})})
    version = version or newest_version(config)
    with quiet(log) as console:
        console.print(
            f"Model {escape(config.serving.model_name)}, from version {version.name}. Log: {escape(shown(log))}",
            soft_wrap=True,
        )
        return _refresh(config, options, version, console)


def _refresh(config: Config, options: Options, version: Path, console: Console) -> str | None:
    start = now()
    with console.status("Loading TensorFlow and the model"), Progress(console):
        from components.jobs import refresh as refreshing
        from components.jobs.item_table import ItemTable, read_item_table
        from serving.publish.push import push_bundle
        from serving.publish.pushed_model import read_pushed, save_changed
        from serving.publish.writer import build_bundle
        from serving.validation.validate import validate

        log_everything()
        pushed = read_pushed(str(version))
        given = {}
        if options.vectors is not None:
            columns = config.data.item_columns.item, options.vector_column
            given = refreshing.read_given_vectors(
                options.vectors, *columns, pushed.stated.dimension, pushed.items.constant_components
            )
        table = ItemTable()
        if config.data.items is not None:
            table = read_item_table(config.data, None if config.text is None else config.text.fields)
        wishes = refreshing.Wishes(
            table, given, refreshing.read_ids(options.remove), options.remove_missing, options.add, options.leave_out
        )
        items, made_from = refreshing.change_items(pushed, wishes)
    if not made_from.added + made_from.removed + made_from.updated:
        console.print("Nothing to change: what is served stays.")
        return None
    how = ", ".join(f"{getattr(made_from, f'by_{name}'):,} by {name}" for name in ("text", "category", "vector"))
    console.print(
        f"{len(items.ids):,} items: {made_from.added:,} added ({how}), {made_from.removed:,} removed, "
        f"{made_from.updated:,} with other attributes.",
        soft_wrap=True,
    )
    changed = _step(console, "Items", start)
    with tempfile.TemporaryDirectory(prefix="polyrec-refresh-") as scratch:
        model_dir, bundle = os.path.join(scratch, "model"), os.path.join(scratch, "bundle")
        save_changed(pushed, items, made_from, model_dir)
        users = _users(config, pushed, console)
        build_bundle(model_dir, bundle, config.index, config.serving, users)
        built = _step(console, "Index and bundle", changed)
        with console.status("Asking the real server"):
            report = validate(model_dir, bundle, users, config.serving)
        checked = _step(console, "Serving validation", built)
        if not report.blessed:
            console.print("[bold]Nothing was pushed;[/] what was served before stays.")
            raise GateRefused(f"Serving validation: {report.reason}")
        target = str(push_bundle(bundle, os.path.join(config.serving.directory, config.serving.model_name)))
        _step(console, "Push", checked)
    console.print(f"Serving validation: [bold green]blessed[/]. {escape(report.reason)}", soft_wrap=True)
    console.print(f"Pushed to {escape(shown(target))}", soft_wrap=True)
    console.print(f"Cost: {now() - start}{_cost_of_the_run(config)}", soft_wrap=True)
    return target


def _step(console: Console, name: str, since: Cost) -> Cost:
    end = now()
    console.print(f"  {name:<20} {end - since}")
    return end


def _results(config: Config) -> dict[str, Any]:
    """What the last run of the pipeline left, if it is there."""
    try:
        return dict(json.loads((Path(config.pipeline.root) / config.pipeline.name / RESULTS).read_text()))
    except (OSError, ValueError):
        return {}


def _cost_of_the_run(config: Config) -> str:
    cost = _results(config).get("cost")
    return "" if cost is None else f"; the last full run took {Cost(**cost)} (less what came from the cache)"


def _users(config: Config, pushed: "PushedModel", console: Console) -> "Sequence[RawUser]":
    """Users of the last run's test split, where it is still there; otherwise histories drawn from the items."""
    from serving.users import drawn_users, read_users

    wanted = config.serving.validation_users
    folder = glob.escape(os.path.join(str(_results(config).get("examples", "")), f"Split-{schema.TEST_SPLIT}"))
    files = glob.glob(os.path.join(folder, "*"))
    if files:
        return read_users(files, pushed.stated.inputs.user_features, wanted)
    console.print("No users of a run to validate with: histories are drawn from the items.")
    return drawn_users([item.decode() for item in pushed.items.all_ids], pushed.max_history, wanted)
