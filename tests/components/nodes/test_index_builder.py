"""The IndexBuilder writes a bundle that TFX's own path functions find."""

import json
import os

import numpy as np
import pytest
import yaml
from tfx.components import ImportExampleGen
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.nodes.index_builder import IndexBuilder
from components.nodes.pusher import BundlePusher
from components.nodes.serving_validator import ServingValidator
from serving.bundle import manifest
from serving.settings import IndexSettings, ServingSettings
from serving.users import RawUser
from tests.components.artifacts import artifact, examples_artifact, execute, toy_artifacts
from tests.serving.toy_bundle import recalls, toy_bundle
from tests.serving.toy_model import ITEM_IDS
from trainer.errors import InputError

EXECUTION = {
    "index": IndexSettings(kind="exact", max_k=50).model_dump_json(),
    "serving": ServingSettings(default_k=9).model_dump_json(),
}


def _examples(folder):
    """No file: who does not tune the index reads none."""
    examples = artifact(standard_artifacts.Examples, folder / "examples")
    examples.split_names = '["valid"]'
    return examples


def test_the_bundle_is_written_as_a_model(tmp_path):
    model, _ = toy_artifacts(tmp_path)
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    execute(IndexBuilder, {"model": [model], "examples": [_examples(tmp_path)]}, {"bundle": [bundle]}, EXECUTION)
    stated = manifest.verify(path_utils.serving_model_path(bundle.uri))
    assert (stated.kind, stated.default_k, stated.items) == ("exact", 9, 300)


def test_a_retry_replaces_what_a_killed_attempt_left(tmp_path):
    """On a volume, or in a bucket that the step writes itself, the folder is the same and what is in it stays."""
    model, _ = toy_artifacts(tmp_path)
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    for left in (".Format-Serving-x1/saved_model.pb", "Format-Serving/variables/half"):
        (tmp_path / "built" / left).parent.mkdir(parents=True)
        (tmp_path / "built" / left).write_bytes(b"half")
    execute(IndexBuilder, {"model": [model], "examples": [_examples(tmp_path)]}, {"bundle": [bundle]}, EXECUTION)
    manifest.verify(path_utils.serving_model_path(bundle.uri))
    assert [path.name for path in (tmp_path / "built").iterdir()] == ["Format-Serving"]


def test_the_index_is_tuned_on_the_users_of_the_split_valid(tmp_path, caplog):
    model, _ = toy_artifacts(tmp_path)
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    rng = np.random.default_rng(3)
    histories = rng.integers(0, 299, (50, 4))
    examples = examples_artifact(tmp_path / "examples", rng.integers(0, 299, (7, 4)), valid=histories)
    index = IndexSettings(kind="scann", num_leaves=25, leaves_to_search=1, max_k=50, target_recall=0.97)
    execution = {**EXECUTION, "index": index.model_dump_json()}
    with caplog.at_level("INFO", "polyrec.progress"):
        execute(IndexBuilder, {"model": [model], "examples": [examples]}, {"bundle": [bundle]}, execution)
    assert "recall@9" in caplog.text and "on 50 users" in caplog.text
    directory = path_utils.serving_model_path(bundle.uri)
    users = [RawUser([ITEM_IDS[row] for row in history], [1, 2, 3, 4]) for history in histories]
    vectors = toy_bundle("exact").vectors
    assert np.mean(recalls(os.path.join(directory, manifest.SCANN_MODEL), users, vectors, 9)) >= 0.97


def test_a_target_without_users_in_the_split_valid_is_refused(tmp_path):
    model, _ = toy_artifacts(tmp_path)
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    examples = examples_artifact(tmp_path / "examples", [[1, 2]], valid=[[]])
    execution = {**EXECUTION, "index": IndexSettings(num_leaves=10, target_recall=0.9).model_dump_json()}
    with pytest.raises(InputError, match="the split valid is empty"):
        execute(IndexBuilder, {"model": [model], "examples": [examples]}, {"bundle": [bundle]}, execution)


def test_a_model_that_is_not_the_trainers_is_refused(tmp_path):
    model = artifact(standard_artifacts.Model, tmp_path / "model")
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    with pytest.raises(InputError, match="no model that polyrec's trainer saved"):
        execute(IndexBuilder, {"model": [model], "examples": [_examples(tmp_path)]}, {"bundle": [bundle]}, EXECUTION)


def test_builder_validator_and_pusher_compile_for_kubeflow(tmp_path):
    serving, index = ServingSettings(directory="/served"), IndexSettings(max_k=77)
    trained = Importer(source_uri="/model", artifact_type=standard_artifacts.Model).with_id("Trained")
    examples = ImportExampleGen(input_base="/examples")
    model = trained.outputs["result"]
    raw, as_json = examples.outputs["examples"], serving.model_dump_json()
    builder = IndexBuilder(model=model, examples=raw, index=index.model_dump_json(), serving=as_json)
    validator = ServingValidator(model=model, bundle=builder.outputs["bundle"], examples=raw, serving=as_json)
    pusher = BundlePusher(builder.outputs["bundle"], serving, infra_blessing=validator.outputs["blessing"])
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image="polyrec", use_pipeline_spec_2_1=True)
    output = tmp_path / "pipeline.yaml"
    kubeflow_v2_dag_runner.KubeflowV2DagRunner(config, output_filename=str(output)).run(
        Pipeline("toy", "/root", components=[trained, examples, builder, validator, pusher])
    )
    spec = next(yaml.safe_load_all(output.read_text()))
    tasks = spec["root"]["dag"]["tasks"]
    stated = tasks["IndexBuilder"]["inputs"]["parameters"]["index"]["runtimeValue"]["constant"]
    assert IndexSettings.model_validate_json(stated) == index
    assert "ServingValidator" in tasks["BundlePusher"]["dependentTasks"]
    executors = json.dumps(spec["deploymentSpec"])
    for name in ("index_builder.IndexBuilder_", "serving_validator.ServingValidator_", "pusher.BundlePusher"):
        assert f"components.nodes.{name}Executor" in executors
