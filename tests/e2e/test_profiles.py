"""Profiles on a small made-up log of impressions: from raw tables to a pushed model, a served profile, an audience.

The tests share one folder and build on each other in order.
"""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.data_sources.synthetic_profiles import write
from serving.bundle.manifest import verify
from serving.client import Client
from serving.server import Server
from tests.e2e.test_pipeline import environment

CONFIG = {
    "data": {"directory": "log", "interactions": "impressions.parquet", "items": "items.parquet",
             "users": "users.parquet", "item_columns": {"tags": "tags", "title": "title"},
             "user_columns": {"features": {"topics": "categorical", "age": "numeric"}},
             "labels": {"click": {"column": "click"}, "conversion": {"column": "conversion", "among": "click"}},
             "min_history": 0},
    "transform": {"max_history": 20},
    "model": {"name": "mvke", "dimension": 8, "field_dimension": 8},
    "training": {"max_steps": 60, "evaluate_every": 30, "batch_size": 128},
    "serving": {"model_name": "people", "validation_users": 8, "default_k": 5},
    "pipeline": {"name": "people"},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write(folder / "log", users=400, items=80, tags=12, impressions=30_000)
    (folder / "people.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def _polyrec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def test_a_run_evaluates_both_models_and_pushes(folder):
    done = _polyrec(folder, "run", "people.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for words in ("mvke", "shared_bottom", "popularity", "click", "conversion", "AUC", "calibration", "Precision@5",
                  "Serving validation: blessed", "valid AUC"):  # fmt: skip
        assert words in done.stdout
    (version,) = (folder / "served" / "people").iterdir()
    stated = verify(version)
    assert stated.tasks == ["click", "conversion"] and stated.items == 12


def test_a_profile_and_scores_are_asked_for(folder):
    with Server(folder / "served", "people") as server:
        server.wait_until_available()
        target = f"127.0.0.1:{server.port}"
        user = ("--history", "i1,i2", "--user", "topics=topic1", "--user", "topics=topic2", "--user", "age=30")
        done = _polyrec(folder, "query", "--server", target, "--model", "people", "--k", "3", *user)
        assert done.returncode == 0, done.stderr
        features = [{"topics": ["topic1", "topic2"], "age": 30.0}]
        with Client(target, "people") as client:
            (profile,) = client.tag_profile([["i1", "i2"]], 3, user_features=features)
        for task, listed in profile.tasks.items():
            assert task in done.stdout and len(listed) == 3
            assert all(entry.tag in done.stdout and f"{entry.score:.3f}" in done.stdout for entry in listed)
        best = profile.tasks["click"][0]
        done = _polyrec(
            folder, "query", "--server", target, "--model", "people", "--tags", f"{best.tag},no such", *user
        )
        assert done.returncode == 0 and f"{best.score:.3f}" in done.stdout and "unknown" in done.stdout
        for wrong, words in (
            (("--exclude", "i1"), "describes users by tags"),
            (("--user", "age=old"), "age is numeric"),
            (("--user", "shoe=44"), "no profile feature 'shoe'"),
            (("--user", "age"), "NAME=VALUE"),
        ):
            done = _polyrec(folder, "query", "--server", target, "--model", "people", *wrong)
            assert done.returncode == 2 and words in done.stderr, done.stderr
            assert "Traceback" not in done.stderr


def test_the_users_who_like_a_tag_most(folder):
    tags = sorted({tag for tags in pq.read_table(folder / "log" / "items.parquet")["tags"].to_pylist() for tag in tags})
    done = _polyrec(folder, "audience", "people.yaml", "--tag", tags[0], "--k", "7", "-o", "out/liked.parquet")
    assert done.returncode == 0, done.stderr
    assert "14 rows in out/liked.parquet" in done.stdout and tags[0] in done.stdout
    found = pq.read_table(folder / "out" / "liked.parquet").to_pylist()
    assert [row["rank"] for row in found] == [*range(1, 8)] * 2
    assert all(one["score"] >= two["score"] for one, two in pairwise(found[:7]))
    done = _polyrec(folder, "audience", "people.yaml", "--tag", "no such tag")
    assert done.returncode == 2 and "knows no tag 'no such tag'" in done.stderr


def test_gates_name_the_metrics_of_tasks(folder):
    done = _polyrec(folder, "run", "people.yaml", "--set", "evaluation.thresholds.auc_conversion=0.999")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "auc_conversion is 0." in done.stderr and "wants at least 0.999" in done.stderr
    assert len(list((folder / "served" / "people").iterdir())) == 1
