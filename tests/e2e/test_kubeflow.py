"""A compiled pipeline, walked step by step as Kubeflow does it, ends with the model that a local run pushes.

What stands for the cluster is tests/e2e/kubeflow_pods.py; no cluster is there.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.config.run import load
from pipeline.data_sources.synthetic import write
from pipeline.kubeflow_runner import compile_pipeline
from serving.bundle import manifest
from serving.publish.pushed_model import read_pushed
from tests.e2e.kubeflow_pods import allowed
from tests.e2e.test_pipeline import environment

CONFIG: dict[str, Any] = {
    "data": {"directory": "/data", "interactions": "interactions.parquet", "items": "items.parquet",
             "item_columns": {"category": "category", "title": "title"}},
    "transform": {"max_history": 10},
    "model": {"name": "comirec_sa", "dimension": 8},
    "training": {"max_steps": 20, "evaluate_every": 10, "num_negatives": 50, "batch_size": 32},
    "evaluation": {"baseline": False},
    "index": {"kind": "exact"},
    "serving": {"model_name": "shop", "directory": "/served", "validation_users": 16},
    "kubeflow": {"volumes": {"log": "/data", "served": "/served"}},
    "pipeline": {"name": "shop", "root": "minio://bucket/v2"},
}  # fmt: skip
STEPS = {"InteractionExampleGen", "ItemExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataGate",
         "Transform", "Trainer", "Evaluator", "IndexBuilder", "ServingValidator", "Pusher"}  # fmt: skip
KILLED = {"Trainer": 4, "IndexBuilder": 2}
"""Step -> seconds of CPU after which it is killed: in the middle of its work."""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kubeflow")
    write(folder / "log", users=300, items=80, interests=4, interactions=5_000)
    (folder / "shop.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "served").mkdir()
    return folder


@pytest.fixture(scope="module")
def walked(folder) -> list[dict[str, Any]]:
    """One line a pod, after a walk in which Trainer and IndexBuilder were killed once."""
    if not allowed():
        pytest.skip("this machine lets no process have mounts of its own (unshare)")
    compile_pipeline(load(str(folder / "shop.yaml")), folder / "compiled.yaml", "polyrec:1")
    done = _run(
        *(folder, "tests.e2e.kubeflow_pods", "compiled.yaml", "pods", "--exec=Pusher"),
        *(f"--volume={path}={folder / name}" for path, name in (("/data", "log"), ("/served", "served"))),
        *(f"--kill={step}={seconds}" for step, seconds in KILLED.items()),
    )
    pods = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, Path(pods[-1]["log"]).read_text()[-3000:] if pods else done.stderr
    return pods


def _version(folder: Path) -> Path:
    (version,) = (folder / "shop").iterdir()
    return version


def test_every_step_ends_well_and_those_that_were_killed_in_their_second_pod(walked):
    ends = {step: [pod["code"] for pod in walked if pod["step"] == step] for step in STEPS}
    assert ends == {step: [-signal.SIGKILL, 0] if step in KILLED else [0] for step in STEPS}
    assert {pod["step"] for pod in walked} == STEPS


def test_the_bucket_holds_the_artifacts_under_their_addresses(folder, walked):
    outputs = json.loads((folder / "pods" / "walk.json").read_text())["outputs"]
    artifacts = {(step, key): artifact for step, made in outputs.items() for key, artifact in made.items()}
    for (step, key), artifact in artifacts.items():
        assert artifact["uri"].startswith("minio://bucket/v2/shop/") and artifact["uri"].endswith(f"/{key}"), step
        assert "/minio/" not in json.dumps(artifact)
    pushed = artifacts["Pusher", "pushed_model"]["metadata"]
    assert (pushed["pushed"], pushed["pushed_destination"]) == (1, f"/served/shop/{_version(folder / 'served').name}")
    blessing = artifacts["Evaluator", "blessing"]["metadata"]
    assert blessing["current_model"] == artifacts["Trainer", "model"]["uri"]
    bundle = folder / "pods" / "bucket" / artifacts["IndexBuilder", "bundle"]["uri"].removeprefix("minio://")
    manifest.verify(bundle / "Format-Serving")
    assert [path.name for path in bundle.iterdir()] == ["Format-Serving"]


def test_the_pushed_model_is_that_of_a_local_run(folder, walked):
    values = {"data.directory": "log", "pipeline.root": "runs", "serving.directory": "local"}
    done = _run(folder, "pipeline.cli", "run", "shop.yaml", *(f"--set={key}={value}" for key, value in values.items()))
    assert done.returncode == 0, done.stdout + done.stderr
    walk, local = (read_pushed(str(_version(folder / name))) for name in ("served", "local"))
    for key in ("vocabulary", "index"):
        assert getattr(walk.stated.fingerprint, key) == getattr(local.stated.fingerprint, key)
    np.testing.assert_array_equal(walk.items.vectors, local.items.vectors)
