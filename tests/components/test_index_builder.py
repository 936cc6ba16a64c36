"""The IndexBuilder writes a bundle that TFX's own path functions find."""

import json

import pytest
import yaml
from tfx.components import ImportExampleGen
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.index_builder import IndexBuilder, IndexBuilderExecutor
from components.pusher import BundlePusher
from components.serving_validator import ServingValidator
from serving import manifest
from serving.settings import IndexSettings, ServingSettings
from tests.components.artifacts import artifact, toy_artifacts
from trainer.errors import InputError

EXECUTION = {
    "index": IndexSettings(kind="exact", max_k=50).model_dump_json(),
    "serving": ServingSettings(default_k=9).model_dump_json(),
    "code_fingerprint": "",
}


def test_the_bundle_is_written_as_a_model(tmp_path):
    model, _ = toy_artifacts(tmp_path)
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    IndexBuilderExecutor().Do({"model": [model]}, {"bundle": [bundle]}, EXECUTION)
    stated = manifest.verify(path_utils.serving_model_path(bundle.uri))
    assert (stated.kind, stated.default_k, stated.items) == ("exact", 9, 300)


def test_a_model_that_is_not_the_trainers_is_refused(tmp_path):
    model = artifact(standard_artifacts.Model, tmp_path / "model")
    bundle = artifact(standard_artifacts.Model, tmp_path / "built")
    with pytest.raises(InputError, match="no model that polyrec's trainer saved"):
        IndexBuilderExecutor().Do({"model": [model]}, {"bundle": [bundle]}, EXECUTION)


def test_builder_validator_and_pusher_compile_for_kubeflow(tmp_path):
    serving, index = ServingSettings(directory="/served"), IndexSettings(max_k=77)
    trained = Importer(source_uri="/model", artifact_type=standard_artifacts.Model).with_id("Trained")
    examples = ImportExampleGen(input_base="/examples")
    model = trained.outputs["result"]
    builder = IndexBuilder(model, examples.outputs["examples"], index, serving, "abc")
    validator = ServingValidator(model, builder.outputs["bundle"], examples.outputs["examples"], serving, "abc")
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
    for name in ("index_builder.IndexBuilder", "serving_validator.ServingValidator", "pusher.BundlePusher"):
        assert f"components.{name}Executor" in executors
