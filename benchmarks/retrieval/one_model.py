"""Trains and tests one model, in a process of its own: python -m benchmarks.retrieval.one_model JOB.json OUT.

The job names the prepared data and the settings. The model is trained, exported and loaded as the pipeline does it
(trainer.run_fn), and the test users go through the exported metrics: what is printed is what would be served. Pages of
shelf recall have four rows for every model. OUT.json gets the means and what all users together make up, OUT.npz the
metrics of every user in the order of the examples, and with ``half `` in front of their names those where half of each
sequence is given.
"""

import glob
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

BATCH, PAGE_ROWS = 256, 4
HALF = "half "
"""In front of the name of a metric of the same users with half of their sequences given."""


def train(data: dict[str, str], config: dict[str, Any], folder: str) -> tuple[str, dict[str, Any]]:
    """Trains and exports as the pipeline does.

    Args:
      data: :meth:`benchmarks.retrieval.prepared.Prepared.as_dict`.
      config: what the Trainer component would be given.
      folder: for the model and its summaries.

    Returns:
      the folder of the SavedModel, and the report of training.
    """
    from trainer.run_fn import REPORT, run_fn

    model, run = os.path.join(folder, "model"), os.path.join(folder, "run")
    run_fn(
        SimpleNamespace(
            train_files=[f"{data['transformed']}/Split-train/*"],
            eval_files=[f"{data['transformed']}/Split-valid/*"],
            transform_output=data["transform_graph"],
            serving_model_dir=model,
            model_run_dir=run,
            custom_config={**config, "item_files": [f"{data['items']}/Split-items/*"]},
        )
    )
    return model, json.loads(Path(run, REPORT).read_text())


def measure(model: Any, examples: str) -> dict[str, np.ndarray]:
    """The metrics of every test user, in the order of the examples: name -> float32 [users].

    In place of metrics of all users together, int32 [users, n]: the items that each is shown.

    Args:
      model: a loaded SavedModel of a retrieval model.
      examples: folder of raw examples.
    """
    import tensorflow as tf

    files = sorted(glob.glob(f"{examples}/Split-test/*.gz"))
    values: dict[str, list[np.ndarray]] = {}
    for batch in tf.data.TFRecordDataset(files, "GZIP").batch(BATCH):
        for name, value in model.evaluate_beside(batch, tf.constant(PAGE_ROWS)).items():
            values.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(parts) for name, parts in values.items()}


def summary(users: dict[str, np.ndarray]) -> dict[str, float]:
    """Means over the users who have a value, and the metrics of all users together.

    Args:
      users: of :func:`measure`.
    """
    from trainer.metrics import table
    from trainer.metrics.exposure import Exposure

    found = {}
    for name in table.model_metrics(filtered=True):
        if (values := users.get(table.output_of(name))) is None:
            continue
        if table.of_all_users(name):
            exposure = Exposure()
            exposure.add(values)
            found[name] = table.together(name, exposure.counts(int(users[table.CATALOGUE_SIZE][0])))
        else:
            found[name] = float(np.nanmean(values))
    return found


def main(job: dict[str, Any], output: Path) -> None:
    """Does it, and writes both files whole."""
    import tensorflow as tf

    data = job["data"]
    with tempfile.TemporaryDirectory() as folder:
        path, report = train(data, job["config"], folder)
        model = tf.saved_model.load(path)
    users = measure(model, data["examples"])
    half = {HALF + name: value for name, value in measure(model, data["half_given"]).items()}
    means = summary(users)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    of_each = {name: value for name, value in (users | half).items() if value.dtype.kind == "f"}
    np.savez_compressed(f"{output}.partial.npz", **of_each)
    os.replace(f"{output}.partial.npz", f"{output}.npz")
    Path(f"{output}.partial").write_text(
        json.dumps({**job, "report": report, "metrics": means, "peak_gib": memory}, indent=1)
    )
    os.replace(f"{output}.partial", f"{output}.json")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
