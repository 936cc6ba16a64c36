"""Pre-training: a base model from several logs."""

import datetime
import os
import shutil
import tempfile
from pathlib import Path

from rich.markup import escape

from pipeline.config.pretraining import Pretraining
from pipeline.engines.run_lock import run_lock
from pipeline.graph.code_fingerprint import Sources
from pipeline.runs.run import execute
from pipeline.terminal.paths import shown
from pipeline.terminal.progress import show_warnings
from pipeline.terminal.quiet import quiet


def pretrain(pretraining: Pretraining) -> str:
    """Merges the domains, trains on all of them, and puts the base model into its folder, whole or not at all.

    Args:
      pretraining: see :func:`pipeline.config.pretraining.load`.

    Returns:
      the folder of the base model, for ``model.base_model``.

    Raises:
      InputError, GateRefused, RunFailed: see :func:`pipeline.runs.run.run`.
    """
    config = pretraining.config
    folder = Path(config.pipeline.root) / config.pipeline.name
    with run_lock(folder):
        log = folder / "logs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"
        with quiet(log) as console:
            console.print(
                f"Pre-training on {escape(', '.join(pretraining.domains))} in {escape(shown(folder))}\n"
                f"Log: {escape(shown(log))}"
            )
            with console.status("Merging the domains"):
                from components.ingestion.domains import merge_domains
                from trainer.training.pretrained import FOLDER

                code = Sources().key(["components.ingestion.domains"])
                merge_domains(pretraining.domains, pretraining.merged, config.data.max_bad_rows, code)
            warnings: list[str] = []
            outputs = execute(config, console, log, deliver=False, warnings=warnings)
            model = outputs["Trainer"]["model"].uri
            replace_folder(os.path.join(model, "Format-Serving", FOLDER), pretraining.base)
            show_warnings(console, warnings)
    return pretraining.base


def replace_folder(source: str, target: str) -> None:
    """Copies ``source`` to ``target``, which until the end is what it was before, or absent."""
    parent, name = os.path.split(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=parent) as scratch:
        shutil.copytree(source, f"{scratch}/new")
        if os.path.exists(target):
            os.rename(target, f"{scratch}/old")
        os.rename(f"{scratch}/new", target)
