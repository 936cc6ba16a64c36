"""Texts and base model in the graph, and compiled for Kubeflow."""

from pathlib import Path

import pytest
import yaml

from components.text import language_model
from pipeline.config.run import load, with_absolute_paths
from pipeline.graph.build import create_pipeline
from pipeline.kubeflow_runner import compile_pipeline
from tests.trainer.data.text_vectors_on_disk import write_text_vectors
from trainer.errors import InputError
from trainer.keras_api import keras
from trainer.training import pretrained as base_model


@pytest.fixture
def base(tmp_path):
    part = keras.layers.Dense(2)
    part.build((None, 3))
    texts = write_text_vectors(tmp_path / "texts", {"a": [1.0, 2.0]})
    base_model.save(str(tmp_path / "base"), {"adaptor": part}, "miracle", 50, {}, f"{texts}/encoder")
    return str(tmp_path / "base")


def _nodes(*overrides, preset="miracle_text"):
    config = with_absolute_paths(load(preset, overrides))
    return {node.id: node for node in create_pipeline(config).components}


def test_only_the_model_gets_texts_not_the_two_tower():
    nodes = _nodes()
    assert "texts" in nodes["Trainer"].inputs and "texts" not in nodes["TwoTowerTrainer"].inputs
    assert "TextEncoder" not in _nodes(preset="miracle")


def test_a_base_model_brings_its_encoder_and_its_hash(base, tmp_path):
    nodes = _nodes(f"model.base_model={base}", preset="miracle")
    assert "base_model" in nodes["Trainer"].inputs and "base_model" in nodes["TextEncoder"].inputs
    importer = nodes["BaseModel"]
    assert importer.exec_properties["artifact_uri"] == base
    stated = importer.outputs["result"].additional_custom_properties
    assert stated == {"fingerprint": base_model.read(base).fingerprint}


def test_the_key_has_the_files_of_a_language_model_also_of_one_on_the_hub(tmp_path, monkeypatch):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(language_model, "locate", lambda text: {"some/bert": str(tmp_path)}[text.model])
    overrides = ["text.encoder=transformer", "text.model=some/bert"]
    keys = set()
    for weights in ("1", "2", "2"):
        (tmp_path / "model.safetensors").write_text(weights)
        keys.add(_nodes(*overrides)["TextEncoder"].exec_properties["model_files"])
    assert len(keys) == 2


def test_a_folder_that_is_no_base_model_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="is no base model"):
        _nodes(f"model.base_model={tmp_path}")


def test_texts_for_a_model_without_use_for_them_are_refused():
    with pytest.raises(InputError, match=r"model.name: comirec_sa makes no use of them"):
        load("comirec_sa", ["text.encoder=tfidf"])
    with pytest.raises(InputError, match="makes no use"):
        load("miracle_text", ["model.text=false"])


def test_paths_become_absolute_and_names_on_the_hub_stay(tmp_path):
    (tmp_path / "bert").mkdir()
    sections = ["text.encoder=transformer", "model.base_model=bases/one", "text.model="]
    there = with_absolute_paths(load("miracle_text", [*sections[:2], "text.model=bert"]), tmp_path)
    assert there.text.model == str(tmp_path / "bert") and there.text.cache == str(tmp_path / "runs" / "text_cache")
    assert there.model.base_model == str(tmp_path / "bases" / "one")
    assert with_absolute_paths(load("miracle_text", [*sections[:1], "text.model=some/bert"]), tmp_path).text.model == (
        "some/bert"
    )
    with pytest.raises(InputError, match="text: encoder: transformer needs model"):
        load("miracle_text", sections[:1])


def test_it_compiles_for_kubeflow(base, tmp_path):
    path = tmp_path / "pipeline.yaml"
    volumes = f"kubeflow.volumes={{base: {base}, shop: /shop}}"
    overrides = [f"model.base_model={base}", "pipeline.name=shop", volumes]
    compile_pipeline(with_absolute_paths(load("miracle_text", overrides), Path("/shop")), path, "polyrec:1")
    specification, platform = yaml.safe_load_all(path.read_text())
    tasks = specification["root"]["dag"]["tasks"]
    steps = {
        name.removesuffix("_executor") for name in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    }
    assert steps == tasks.keys() - {"BaseModel"}  # which is imported by the cluster itself
    assert {"TextEncoder", "BaseModel"} <= set(tasks["Trainer"]["dependentTasks"])
