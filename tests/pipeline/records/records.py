"""Records as runs of a small shop would leave them."""

import datetime

from pipeline.records.outcome import EXIT_CODES
from pipeline.records.record import Code, Data, Metric, RunRecord, Step

BEGUN = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.timezone.utc)


def recall(value, baseline=None, difference=None, error=None):
    return Metric(title="Recall@50", value=value, baseline=baseline, difference=difference, error=error)


def record(minute=0, outcome="pushed", **fields):
    """A record of a run that began ``minute`` minutes after noon."""
    begun = BEGUN + datetime.timedelta(minutes=minute)
    data = Data(fingerprint="interactions:a", rows={"interactions": 10}, used={"interactions": 9}, counts={},
                examples={"train": 3}, targets={"train": 6})  # fmt: skip
    given = {
        "id": f"{begun:%Y%m%d-%H%M%S}",
        "pipeline": "shop",
        "model": "comirec_sa",
        "started": begun,
        "ended": begun + datetime.timedelta(seconds=30),
        "outcome": outcome,
        "exit_code": EXIT_CODES[outcome],
        "config": {"model": {"name": "comirec_sa", "num_interests": 4}, "training": {"seed": 1}},
        "seed": 1,
        "code": Code(version="0.1.0", commit="c" * 40, modified=False, components={"Trainer": "1" * 16}),
        "packages": {"tensorflow": "2.16.2"},
        "python": "3.10.13",
        "machine": "Linux, 2 cores",
        "data": {"InteractionExampleGen": data},
        "test_examples": 50,
        "baseline": "two_tower",
        "headline": "recall_at_50",
        "metrics": {"recall_at_50": recall(0.25, 0.2, 0.05, 0.01)},
        "log": "/log",
        "seconds": 30.0,
        "cpu_seconds": 40.0,
        "steps": [Step(name="Trainer", state="done", seconds=20.0, cpu_seconds=30.0)],
    }
    return RunRecord(**{**given, **fields})
