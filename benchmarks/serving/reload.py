"""New versions under constant load: what failed, how long answers took, what was refused, and memory.

The same load twice, first on one version, then while versions are pushed one after another, each as soon as the one
before answers and a pause is over. Among them are a corrupt one, of which a file was changed, and a half-written one,
of which the manifest is missing. The generator is that of the command ``load``.
"""

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.serving import made_up_model
from benchmarks.serving.load import COLUMNS, Measured, requests, row, send
from benchmarks.serving.server_process import ServerProcess

_CORRUPT, _HALF_WRITTEN = 3, 5
_CHANGED, _MISSING = "assets.extra/scann/variables/variables.index", "assets.extra/manifest.json"
_SETTLE_SECONDS = 10


@dataclass
class Pushed:
    """What was pushed and what became of it.

    Attributes:
      served: versions that answered.
      refused: version -> the reason that GetModelStatus gave.
      seconds: from the push to the first answer, of each version that was served.
    """

    served: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def push_versions(server: ServerProcess, bundle: Path, seconds: float, pause: float) -> Pushed:
    """Pushes version 2, 3 ... and waits for each to answer or to be refused, until the time is over."""
    end, pushed = time.monotonic() + seconds, Pushed()
    for number in itertools.count(2):
        if time.monotonic() > end - pause:
            return pushed
        started = time.monotonic()
        server.push(
            bundle,
            number,
            changed=_CHANGED if number == _CORRUPT else None,
            without=_MISSING if number == _HALF_WRITTEN else None,
        )
        state, reason = server.wait_until_decided(number)
        if state == "AVAILABLE":
            pushed.served.append(number)
            pushed.seconds.append(time.monotonic() - started)
        else:
            pushed.refused[number] = reason
        time.sleep(pause)
    raise AssertionError("versions do not end")


def measure(
    server: ServerProcess, bundle: Path, items: int, k: int, rate: float, seconds: float, pause: float
) -> tuple[list[tuple[str, Measured, float]], Pushed]:
    """The two loads, each with its name and the server's CPU seconds, and what was pushed during the second."""
    sent, rows = requests(items, k), []
    asyncio.run(send(server.target, sent, rate, 3.0))
    cpu = server.cpu_seconds()
    rows.append(("one version", asyncio.run(send(server.target, sent, rate, seconds)), server.cpu_seconds() - cpu))
    with ThreadPoolExecutor(1) as pool:
        cpu = server.cpu_seconds()
        load = pool.submit(lambda: asyncio.run(send(server.target, sent, rate, seconds)))
        pushed = push_versions(server, bundle, seconds, pause)
        rows.append(("new versions", load.result(), server.cpu_seconds() - cpu))
    return rows, pushed


@click.command("reload", help=__doc__)
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder for the made-up bundle.")
@click.option("--items", default=1_000_000, show_default=True)
@click.option("--k", default=100, show_default=True, help="Items wanted.")
@click.option("--rate", default=200.0, show_default=True, help="Requests a second.")
@click.option("--seconds", default=120.0, show_default=True, help="Of each of the two loads.")
@click.option("--pause", default=2.0, show_default=True, help="Seconds from an answering version to the next push.")
@click.option("--server-options", default="", help="Options of python -m serving.server, in one text.")
def reload_command(
    root: Path, items: int, k: int, rate: float, seconds: float, pause: float, server_options: str
) -> None:
    """Measures and prints."""
    bundle = made_up_model.bundle(root, items)
    with ServerProcess(root / "served", made_up_model.MODEL, server_options.split()) as server:
        server.push(bundle)
        server.wait_until_available()
        asyncio.run(send(server.target, requests(items, k), rate, 10.0))
        before = server.resident_mib()
        rows, pushed = measure(server, bundle, items, k, rate, seconds, pause)
        time.sleep(_SETTLE_SECONDS)
        after, peak = server.resident_mib(), server.peak_mib()
    print(f"{items:,} items, one user a request, top {k}, history of 50 excluded; {seconds:g} s a row\n")
    print(f"| load | {COLUMNS} |\n|{'---|' * (2 + COLUMNS.count('|'))}")
    for name, measured, cpu in rows:
        print(f"| {name} | {row(measured, cpu)} |")
    beyond = rows[1][1].latency.max() - rows[0][1].latency.max()
    print(f"\n- Failed requests during {len(pushed.served)} reloads: {sum(rows[1][1].errors.values())}.")
    print(f"- Largest latency beyond that of the load without reloads: {beyond:.0f} ms.")
    if pushed.seconds:
        print(f"- From a push to the new version's answers: {min(pushed.seconds):.1f} to {max(pushed.seconds):.1f} s.")
    for number, reason in pushed.refused.items():
        print(f"- Version {number} was refused: {reason}")
    print(f"- Resident memory: {before:,.0f} MiB before, {after:,.0f} MiB after, {peak:,.0f} MiB at most.")
