"""Trains and tests the rows of one data set and seed: python -m benchmarks.tag_profiles.rows JOB.json.

Each model is trained, exported and loaded as the pipeline does it (trainer.run_fn), and the test impressions go through
the exported ``evaluate`` signature: what is measured is what would be served. A row's JSON is written when it is done.
"""

import glob
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.retrieval.one_model import train
from benchmarks.tag_profiles import measure
from benchmarks.tag_profiles.truth import Truth

BATCH = 1024


def main(job: dict[str, Any]) -> None:
    """Does all rows of the job, and writes each row's file whole."""
    import tensorflow as tf

    files = sorted(glob.glob(f"{job['data']['examples']}/Split-test/*.gz"))
    serialized = list(tf.data.TFRecordDataset(files, "GZIP").batch(BATCH))
    truth = Truth(**job["world"]) if job["world"] else None
    for output, config in job["outputs"].items():
        with tempfile.TemporaryDirectory() as folder:
            path, trained = train(job["data"], config, folder)
            model = tf.saved_model.load(path)
        examples = measure.read(serialized, config["labels"])
        metrics = measure.metrics(_answers(model, serialized), examples)
        content = {"config": config, "report": trained, "metrics": metrics}
        if truth is not None:
            first = measure.first_of_each_user(examples.users)
            users = np.concatenate([batch.numpy() for batch in serialized])[first]
            content["recovered"] = truth.recovered(model, users, examples.users[first], config["user_features"])
            content["ceiling"] = measure.metrics(truth.probabilities(examples.users, examples.items), examples)
        Path(f"{output}.partial").write_text(json.dumps(content, indent=1))
        os.replace(f"{output}.partial", f"{output}.json")


def _answers(model: Any, serialized: list[Any]) -> dict[str, np.ndarray]:
    values: dict[str, list[np.ndarray]] = {}
    for batch in serialized:
        for name, value in model.signatures["evaluate"](examples=batch).items():
            values.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(parts) for name, parts in values.items()}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
