"""`make run`: train on MovieLens-100K or accounts generated from it, serve, and recommend for a test user."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console

from pipeline.config.run import load
from pipeline.config.writable import check_run_paths
from pipeline.data_sources import movielens_100k, shared_accounts
from pipeline.runs.run import run
from pipeline.terminal.answer_table import answer_table, read_titles
from pipeline.terminal.quiet import quiet
from pipeline.terminal.shelves import shelves, shelves_table
from serving.client import Client
from trainer.data import schema

SHOWN_HISTORY = 8
RECOMMENDED = 10
CANDIDATES = 300
SHELF = 5
LOADING_SECONDS = 120
SHARED_ACCOUNTS = "shared_accounts"
"""The preset whose data are made of MovieLens-100K."""

_LISTENING = re.compile(rb"on (\S+:\d+)$")


def demo(preset: str = "shrinkage") -> None:
    """Fetches the data, runs the pipeline, serves the pushed model and asks it for one test user.

    Args:
      preset: a configuration of MovieLens-100K, or SHARED_ACCOUNTS.

    Raises:
      InputError: the data cannot be had, or the folder is in use.
      GateRefused: the model was not pushed.
      RuntimeError: the server did not start or does not load the model.
    """
    console = Console(highlight=False)
    config = load(preset)
    check_run_paths(config)
    directory = Path(config.data.directory)
    if not (directory / config.data.interactions).is_file():
        (shared_accounts if preset == SHARED_ACCOUNTS else movielens_100k).fetch(directory)
    if preset == SHARED_ACCOUNTS:
        console.print("Each account is made up: two people of MovieLens share it, and take turns.")
    console.print(movielens_100k.LICENCE, soft_wrap=True)
    pushed = run(config)
    with quiet(pushed.log):
        history, times = _test_user(Path(pushed.examples))
    name = config.serving.model_name
    with _server(config.serving.directory, name, pushed.log) as address, Client(address, name) as client:
        _wait(client)
        (found,) = client.recommend([history], k=CANDIDATES, exclude_history=True, times=[times])
        (explained,) = client.explain([history], [[item.item_id for item in found.items]], times=[times])
    items = directory / (config.data.items or "")
    titles, answer = read_titles(items), replace(found, items=found.items[:RECOMMENDED])
    console.print(f"\nAsked {name} over gRPC for a user of the test split ({len(history)} films seen).")
    console.print(
        "Seen last: " + "; ".join(titles.get(item, item) for item in history[-SHOWN_HISTORY:]), soft_wrap=True
    )
    console.print(shelves_table(shelves(explained, _categories(items), SHELF), titles))
    console.print(answer_table(answer, titles))
    console.print(f"Serve it yourself: .venv/bin/polyrec serve {config.serving.directory}")


def _categories(items: Path) -> dict[str, list[str]]:
    """Item id -> categories."""
    table = pq.read_table(items, columns=["item_id", "category"])
    return dict(zip(*(table.column(name).to_pylist() for name in ("item_id", "category")), strict=True))


def _test_user(examples: Path) -> tuple[list[str], list[int]]:
    """History and times of the test user whose history is of middling length."""
    from serving.users import read_users

    files = [str(path) for path in (examples / f"Split-{schema.TEST_SPLIT}").iterdir()]
    users = sorted(read_users(files, {}, count=1000), key=lambda user: (len(user.history), user.history))
    user = users[len(users) // 2]
    return user.history, user.times


def _wait(client: Client) -> None:
    """Until the model is available: the server listens before it has loaded anything."""
    deadline = time.monotonic() + LOADING_SECONDS
    while True:
        newest = next(iter(client.status()), None)
        if newest is not None and newest.state == "AVAILABLE":
            return
        if newest is not None and newest.error:
            raise RuntimeError(f"The server refuses version {newest.version}: {newest.error}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"The server did not load the model within {LOADING_SECONDS} s.")
        time.sleep(0.2)


@contextmanager
def _server(directory: str, model_name: str, log: Path) -> Iterator[str]:
    """A server in a process of its own, on a free port; yields its address."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", directory, "--model-name", model_name, "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    assert process.stdout is not None
    try:
        # The line comes when the server listens; end of file, when the process ended without it.
        for line in process.stdout:
            if found := _LISTENING.search(line.strip()):
                yield found.group(1).decode()
                break
        else:
            raise RuntimeError(f"The server did not start. See {log}.")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
