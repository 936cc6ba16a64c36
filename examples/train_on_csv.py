"""Train a model on a CSV file and look at what the run found.

    .venv/bin/python examples/train_on_csv.py [EVENTS.csv] [section.key=value ...]

EVENTS.csv has the columns user_id, item_id and timestamp; a file items.csv beside it (item_id, title, category) is used
where it is there. Without arguments a small made-up log is written to data/example and used. Settings may follow:
training.max_steps=200 makes the run shorter.
"""

import sys
import tempfile
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from pipeline.config.overrides import apply
from pipeline.config.run import validate
from pipeline.data_sources import synthetic
from pipeline.runs.run import Results, run
from trainer.errors import GateRefused, InputError

EXAMPLE = Path("data/example/events.csv")


def train(events: Path, overrides: list[str]) -> Results:
    """Runs the whole pipeline and pushes the model to served/example.

    Args:
      events: the log.
      overrides: ``section.key=value`` each.

    Raises:
      InputError, GateRefused: see pipeline.runs.run.run.
    """
    settings = {
        "data": {"directory": str(events.parent), "interactions": events.name},
        "model": {"name": "shrinkage", "num_interests": 4},
        "serving": {"model_name": "example"},
        "pipeline": {"name": "example"},
    }
    if events.with_name("items.csv").exists():
        settings["data"] |= {"items": "items.csv", "item_columns": {"title": "title", "category": "category"}}
    return run(validate(apply(settings, overrides), source=__file__))


def show(results: Results) -> None:
    """Prints a few of the things that a run knows of itself."""
    record = results.record
    metric = record.metrics["recall_at_50"]
    print(f"\n{record.model}: Recall@50 {metric.value:.4f}, popularity {metric.popularity:.4f}")
    if metric.baseline is not None:
        print(f"{record.baseline}: {metric.baseline:.4f}, so the difference is {metric.difference:+.4f}")
    slowest = max(record.steps, key=lambda step: step.seconds)
    print(f"Slowest step: {slowest.name}, {slowest.seconds:.1f} s of {record.seconds:.1f} s")
    print(f"Serve it: .venv/bin/polyrec serve served   (version {Path(results.version).name})")


def write_example(events: Path) -> None:
    """Writes a made-up log and its items; each user has one to four interests."""
    with tempfile.TemporaryDirectory() as folder:
        synthetic.write(Path(folder), users=400, items=100, interests=5, interactions=8_000)
        events.parent.mkdir(parents=True, exist_ok=True)
        for table, file in (("interactions", events), ("items", events.with_name("items.csv"))):
            pyarrow.csv.write_csv(pyarrow.parquet.read_table(f"{folder}/{table}.parquet"), file)


def main(arguments: list[str]) -> None:
    """Trains and prints."""
    files, overrides = [a for a in arguments if "=" not in a], [a for a in arguments if "=" in a]
    events = Path(files[0]) if files else EXAMPLE
    if not files and not events.exists():
        write_example(events)
    show(train(events, overrides))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (InputError, GateRefused) as error:
        sys.exit(f"Error: {error}")
