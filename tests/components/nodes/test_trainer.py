"""What the run function is told by the component."""

import pytest
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from components.nodes.trainer import ModelTrainerExecutor
from tests.components.artifacts import artifact
from trainer.run_fn import _resume_directory


@pytest.fixture
def told(tmp_path):
    """The arguments of the run function in the n-th attempt, by the key of the code."""
    examples = artifact(standard_artifacts.Examples, tmp_path / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "valid"])
    items = artifact(standard_artifacts.Examples, tmp_path / "items")
    items.split_names = artifact_utils.encode_split_names(["items"])
    schema = artifact(standard_artifacts.Schema, tmp_path / "schema")
    (tmp_path / "schema" / "schema.pbtxt").touch()
    inputs = {
        "examples": [examples],
        "transform_graph": [artifact(standard_artifacts.TransformGraph, tmp_path / "graph")],
        "schema": [schema],
        "items": [items],
    }

    def tell(attempt, code):
        model = artifact(standard_artifacts.Model, tmp_path / "Trainer" / "model" / str(attempt))
        run = artifact(standard_artifacts.ModelRun, tmp_path / "Trainer" / "model_run" / str(attempt))
        parameters = {
            "train_args": proto_utils.proto_to_json(trainer_pb2.TrainArgs(splits=["train"])),
            "eval_args": proto_utils.proto_to_json(trainer_pb2.EvalArgs(splits=["valid"])),
            "custom_config": '{"model": {"name": "mind"}}',
            "code_fingerprint": code,
        }
        return ModelTrainerExecutor()._GetFnArgs(inputs, {"model": [model], "model_run": [run]}, parameters)

    return tell


def test_items_and_no_texts(told, tmp_path):
    found = told(1, "a").custom_config
    assert found["model"] == {"name": "mind"}
    assert found["item_files"] == [str(tmp_path / "items" / "Split-items" / "*")]
    assert found["text_vectors"] is None and told(1, "a").base_model is None


def test_an_interrupted_training_is_continued_by_the_same_code_only(told, tmp_path):
    first, again, other = (_resume_directory(told(*run)) for run in ((1, "a"), (2, "a"), (3, "b")))
    assert first == again != other
    assert first.startswith(str(tmp_path / "Trainer" / "interrupted"))
