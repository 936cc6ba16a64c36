"""Two small shops to a base model, and a third one's pipeline from there to a served item that nobody ever clicked."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.data_sources.synthetic import write
from serving.bundle.manifest import verify
from serving.runtime.servable import Servable
from trainer.training import pretrained as base_model

TABLES = {"interactions": "interactions.parquet", "items": "items.parquet",
          "item_columns": {"category": "category", "title": "title"}}  # fmt: skip
SMALL = {
    "transform": {"max_history": 10},
    "training": {"max_steps": 30, "evaluate_every": 15, "num_negatives": 50, "batch_size": 32},
}
MODEL = {"dimension": 16, "num_interests": 4, "experts": 2, "encoder_layers": 1}
NEW = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three shops whose items' titles are words of the planted interest; the third has new items."""
    folder = tmp_path_factory.mktemp("shops")
    random = np.random.default_rng(0)
    for number, shop in enumerate(("toys", "sports", "beauty")):
        write(folder / shop, users=250, items=60, interests=5, interactions=5_000, seed=number)
        items = pq.read_table(folder / shop / "items.parquet").to_pylist()
        if shop == "beauty":
            items += [{"item_id": f"new{n}", "category": f"interest{n}"} for n in range(NEW)]
        for item in items:
            item["title"] = " ".join(f"{item['category']}word{n}" for n in random.integers(0, 6, 3))
        pq.write_table(pa.Table.from_pylist(items), folder / shop / "items.parquet")
    domains = {shop: {"directory": shop, **TABLES} for shop in ("toys", "sports")}
    (folder / "shops.yaml").write_text(
        yaml.safe_dump({"domains": domains, "base": "bases/two", "model": MODEL, **SMALL})
    )
    config = {
        "data": {"directory": "beauty", **TABLES},
        "model": {"name": "miracle", "base_model": "bases/two", "item_ids": False, **MODEL},
        "evaluation": {"baseline": False, "max_regression": None},
        "index": {"kind": "exact"},
        "serving": {"model_name": "beauty", "validation_users": 8},
        "pipeline": {"name": "beauty"},
        **SMALL,
    }
    (folder / "beauty.yaml").write_text(yaml.safe_dump(config))
    return folder


def _polyrec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    checkout = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "120"}
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_pre_training_leaves_a_base_model(folder):
    done = _polyrec(folder, "pretrain", "shops.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for words in ("Pre-training on sports, toys", "tfidf: vectors", "Base model: ", "model.base_model="):
        assert words in done.stdout
    described = base_model.read(str(folder / "bases" / "two"))
    assert set(described.parts) == {"adaptor", "encoder", "capsules", "recency", "projection"}
    assert described.settings["item_ids"] is False and described.max_history == 10


def test_another_shop_starts_from_it_and_serves_items_nobody_clicked(folder):
    done = _polyrec(folder, "run", "beauty.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    described = base_model.read(str(folder / "bases" / "two"))
    for words in (f"starts from the base model {described.fingerprint[:12]}", f"{NEW} items of the table", "Pushed to"):
        assert words in done.stdout
    (version,) = (folder / "served" / "beauty").iterdir()
    assert verify(version).fingerprint.text == described.text_encoder.fingerprint
    assert verify(version).items >= 60
    servable = Servable(version)
    answer = servable.run(
        "recommend",
        {
            "history": np.array([["new0"]], object),
            "history_time": np.zeros((1, 1), np.int64),
            "exclude": np.zeros((1, 0), object),
            "exclude_history": np.array(True),
            "k": np.array(100, np.int32),
            "diversity": np.array(0.0, np.float32),
        },
    )
    servable.close()
    assert not answer["fallback"][0]
    found = set(answer["item_ids"][0][answer["valid"][0]].tolist())
    assert {f"new{number}".encode() for number in range(1, NEW)} <= found and b"new0" not in found


def test_a_base_model_that_does_not_fit_is_wrong_input(folder):
    done = _polyrec(folder, "run", "beauty.yaml", "--set", "model.num_interests=3")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "model.base_model" in done.stderr and "'num_interests': 4" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
