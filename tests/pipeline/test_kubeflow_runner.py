import kfp.components
import pytest
import yaml

from pipeline.config.run import load, with_absolute_paths
from pipeline.graph.component_code import code_keys
from pipeline.kubeflow_runner import compile_pipeline
from trainer.errors import InputError


@pytest.fixture(scope="module")
def specification(tmp_path_factory):
    path = tmp_path_factory.mktemp("kubeflow") / "new" / "pipeline.yaml"
    compile_pipeline(with_absolute_paths(load("comirec_sa")), path, "registry/polyrec:1")
    return path


def test_kfp_s_own_loader_accepts_it(specification):
    component = kfp.components.load_component_from_file(str(specification))
    assert component.name == "movielens-100k-comirec-sa"
    assert component.pipeline_spec.schema_version == "2.1.0"


def test_steps_order_environment_and_caching(specification):
    spec = yaml.safe_load(specification.read_text())
    tasks = spec["root"]["dag"]["tasks"]
    assert len(tasks) == 15
    assert not [name for name in tasks if "esolver" in name or name.startswith("Last")]
    assert "DataGate" in tasks["Transform"]["dependentTasks"]
    assert set(tasks["Pusher"]["dependentTasks"]) == {"Evaluator", "IndexBuilder", "ServingValidator"}
    for name, task in tasks.items():
        cached = task["cachingOptions"].get("enableCache", False)
        assert cached == (name not in ("InteractionExampleGen", "ItemExampleGen"))
    for executor in spec["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"] == "registry/polyrec:1"
        assert executor["container"]["command"] == ["python3", "-m", "pipeline.kubeflow_step"]
        assert executor["container"]["env"] == [{"name": "TF_USE_LEGACY_KERAS", "value": "1"}]


def test_the_keys_of_the_code_are_parameters_of_the_steps(specification):
    tasks = yaml.safe_load(specification.read_text())["root"]["dag"]["tasks"]
    stated = {
        name: task.get("inputs", {}).get("parameters", {}).get("code_fingerprint") for name, task in tasks.items()
    }
    keys = {name: value["runtimeValue"]["constant"] for name, value in stated.items() if value}
    expected = code_keys(load("comirec_sa"))
    assert keys == {name: expected[name] for name in tasks.keys() - {"StatisticsGen", "ExampleValidator"}}


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [("Shop_1", "p.yaml", "pipeline.name: Kubeflow takes"), ("shop", "p.json", "has to end in .yaml")],
)
def test_what_kubeflow_does_not_take_is_refused(tmp_path, name, file, words):
    config = load("comirec_sa", [f"pipeline.name={name}"])
    with pytest.raises(InputError, match=words):
        compile_pipeline(config, tmp_path / file, "image")
    assert not list(tmp_path.iterdir())
