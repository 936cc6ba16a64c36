"""The entry point of a step: bucket URLs outside, the launcher's folders inside."""

import json

import pytest
from tfx.components.trainer.executor import GenericExecutor
from tfx.types import standard_artifacts

from components.nodes.data_gate import DataGate
from pipeline.kubeflow_step import local_path, main, run
from trainer.errors import GateRefused, InputError

SEEN = {}


class Recorder(GenericExecutor):
    """Notes what it gets, and tells of its model as the Evaluator does."""

    def Do(self, input_dict, output_dict, exec_properties):
        SEEN.update(inputs=[a.uri for a in input_dict["examples"]], parameters=exec_properties)
        (model,) = output_dict["model"]
        SEEN["output"] = model.uri
        model.set_string_custom_property("checked", f"{input_dict['examples'][0].uri}/Split-test")
        model.set_string_custom_property("elsewhere", "/served/shop/7")


class Refusing(GenericExecutor):
    """A gate, or a reader of bad input."""

    error: Exception

    def Do(self, input_dict, output_dict, exec_properties):
        raise self.error


def executor_input(root, folder):
    def artifact(kind, uri):
        return {"artifacts": [{"name": "7", "uri": uri, "type": {"schemaTitle": f"tfx.{kind.TYPE_NAME}"}}]}

    return {
        "inputs": {
            "artifacts": {"examples": artifact(standard_artifacts.Examples, f"{root}/a/examples")},
            "parameterValues": {"note": "minio://bucket/of/another"},
        },
        "outputs": {
            "artifacts": {"model": artifact(standard_artifacts.Model, f"{root}/b/model")},
            "outputFile": str(folder / "out" / "output_metadata.json"),
        },
    }


def arguments(executor, given):
    spec = {"parameters": {"note": {"parameterType": "STRING"}}}
    return [
        *("--executor_class_path", f"{executor.__module__}.{executor.__name__}"),
        *("--json_serialized_invocation_args", json.dumps(given)),
        *("--json_serialized_inputs_spec_args", json.dumps(spec)),
        "--direct_num_workers=1",
    ]


@pytest.mark.parametrize(
    ("root", "native", "inside"),
    [
        ("minio://mlpipeline/v2/run", ("gs",), "/minio/mlpipeline/v2/run"),
        ("s3://bucket", ("gs",), "/s3/bucket"),
        ("gs://bucket/runs", (), "/gcs/bucket/runs"),
        ("gs://bucket/runs", ("gs",), "gs://bucket/runs"),
        ("/mounted", ("gs",), "/mounted"),
    ],
)
def test_a_step_sees_local_folders_and_tells_of_urls(tmp_path, root, native, inside):
    given = executor_input(root, tmp_path)
    run(arguments(Recorder, given), native)
    assert SEEN["inputs"] == [f"{inside}/a/examples"]
    assert SEEN["output"] == f"{inside}/b/model"
    assert SEEN["parameters"] == {"note": "minio://bucket/of/another"}
    told = json.loads((tmp_path / "out" / "output_metadata.json").read_text())["artifacts"]["model"]["artifacts"]
    assert [artifact["uri"] for artifact in told] == [f"{root}/b/model"]
    assert told[0]["metadata"]["checked"] == f"{root}/a/examples/Split-test"
    assert told[0]["metadata"]["elsewhere"] == "/served/shop/7"


def test_the_launchers_own_output_is_not_the_steps(tmp_path):
    given = executor_input("minio://bucket", tmp_path)
    logs = {
        "name": "executor-logs",
        "uri": "minio://bucket/b/executor-logs-0",
        "type": {"schemaTitle": "system.Artifact"},
    }
    given["outputs"]["artifacts"]["executor-logs"] = {"artifacts": [logs]}
    run(arguments(Recorder, given), ())
    told = json.loads((tmp_path / "out" / "output_metadata.json").read_text())["artifacts"]
    assert told.keys() == {"model"}


def test_the_schemes_that_tensorflow_has_stay_urls(tmp_path):
    run(arguments(Recorder, executor_input("ram://bucket", tmp_path)))
    assert SEEN["output"] == "ram://bucket/b/model"


def test_other_places_are_left_alone():
    assert local_path("/minio/bucket", ()) == "/minio/bucket"
    assert local_path("hdfs://bucket/a", ()) == "hdfs://bucket/a"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(InputError("no log"), 2, "Error: no log"), (GateRefused("drift"), 4, "Refused: drift")],
)
def test_what_a_user_can_change_is_the_last_line(tmp_path, capsys, monkeypatch, error, code, words):
    monkeypatch.setattr(Refusing, "error", error, raising=False)
    assert main(arguments(Refusing, executor_input("minio://bucket", tmp_path))) == code
    assert capsys.readouterr().err.splitlines()[-1] == words


def test_a_function_component_is_run_by_its_executor(tmp_path, monkeypatch):
    """Its class is made by TFX's decorator, and the step finds it by the path in the compiled specification."""
    executor = DataGate.EXECUTOR_SPEC.executor_class
    monkeypatch.setattr(executor, "Do", Recorder.Do)
    run(arguments(executor, executor_input("minio://bucket", tmp_path)), ())
    assert SEEN["output"] == "/minio/bucket/b/model"
