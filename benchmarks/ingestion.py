"""What ingestion costs: python -m benchmarks.ingestion [--interactions 1000000 10000000]

Makes up a log with planted interests, ingests it in a fresh process with Beam's DirectRunner in memory,
and prints a Markdown table. CPU seconds are user + system time of that process, the imports included
once as a line of their own (0 interactions).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TARGET = "Target: 10 M interactions in at most 60 CPU-seconds and 2 GiB, at a cost per million that does not grow."


def _ingest(directory: Path | None) -> None:
    """Runs in the fresh process: one ingestion, its cost on the last line."""
    start = time.perf_counter()
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.ingestion.flow import ingest_interactions
    from components.settings import DataSettings

    if directory is not None:
        settings = DataSettings(directory=str(directory), interactions="interactions.parquet")
        options = PipelineOptions(["--direct_running_mode=in_memory", "--direct_num_workers=1"])
        with tempfile.TemporaryDirectory() as out:
            ingest_interactions(settings, 50, out, lambda: beam.Pipeline(options=options))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cost = {
        "wall": time.perf_counter() - start,
        "cpu": sum(usage.ru_utime + usage.ru_stime for usage in used),
        "rss": max(usage.ru_maxrss for usage in used) / 2**20,
    }
    print(json.dumps(cost))


def _measure(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingestion", "--ingest", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--ingest", nargs="?", const="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ingest is not None:
        _ingest(Path(arguments.ingest) if arguments.ingest else None)
        return
    from pipeline.data_sources import synthetic

    imports = _measure()
    print(f"{_TARGET} One process, T 50, 50 interactions a user, 50,000 items.\n")
    print("| interactions | wall s | CPU s | of which imports | CPU s per million, imports apart | peak RSS GiB |")
    print("|---|---|---|---|---|---|")
    costs = []
    for count in arguments.interactions:
        with tempfile.TemporaryDirectory() as folder:
            synthetic.write(Path(folder), users=max(1, count // 50), items=50_000, interests=100, interactions=count)
            cost = _measure(folder)
        costs.append((cost["cpu"] - imports["cpu"]) / count * 1e6)
        print(
            f"| {count:,} | {cost['wall']:.1f} | {cost['cpu']:.1f} | {imports['cpu']:.1f} | {costs[-1]:.2f} "
            f"| {cost['rss']:.2f} |",
            flush=True,
        )
    print(f"\nCost per million, last to first: {costs[-1] / costs[0]:.2f}")


if __name__ == "__main__":
    main()
