from pathlib import Path

import kfp.components
import pytest
import yaml
from google.protobuf import json_format

from pipeline.config.run import load, with_absolute_paths
from pipeline.graph.component_code import code_keys
from pipeline.kubeflow_runner import compile_pipeline
from trainer.errors import InputError

SETTINGS = [
    "kubeflow.volumes={shop: /shop}",
    "kubeflow.secrets={AWS_ACCESS_KEY_ID: bucket/id, AWS_SECRET_ACCESS_KEY: bucket/key}",
    "kubeflow.env={AWS_REGION: eu-west-1}",
    "kubeflow.node_selector={pool: training}",
    "kubeflow.tolerations={dedicated: {operator: Equal, value: ml, effect: NoSchedule}}",
    "kubeflow.pipeline_root=s3://artifacts/shop",
    "kubeflow.steps={Trainer: {memory: 12, cpu_limit: 4, retries: 5}}",
    "pipeline.name=shop",
]
ON_VOLUME = "kubeflow.volumes={shop: /shop}"
SHOP = Path("/shop")


@pytest.fixture(scope="module")
def specification(tmp_path_factory):
    path = tmp_path_factory.mktemp("kubeflow") / "new" / "pipeline.yaml"
    compile_pipeline(with_absolute_paths(load("comirec_sa", SETTINGS), SHOP), path, "registry/polyrec:1")
    return path


@pytest.fixture(scope="module")
def documents(specification):
    return list(yaml.safe_load_all(specification.read_text()))


def test_kfp_s_own_loader_accepts_it(specification):
    component = kfp.components.load_component_from_file(str(specification))
    assert component.name == "shop"
    assert component.pipeline_spec.schema_version == "2.1.0"
    assert component.pipeline_spec.default_pipeline_root == "s3://artifacts/shop"
    trainer = component.pipeline_spec.deployment_spec["executors"]["Trainer_executor"]["container"]["resources"]
    # 1.5 times the 1.72 GB that were measured are replaced by the settings; 0.9 cores are one.
    assert dict(trainer) == {"cpuRequest": 1.0, "cpuLimit": 4.0, "memoryRequest": 12.0, "memoryLimit": 24.0}
    retried = component.pipeline_spec.root.dag.tasks["Trainer"].retry_policy
    assert (retried.max_retry_count, retried.backoff_duration.seconds) == (5, 60)
    assert retried.backoff_max_duration.seconds == 604_800
    platform = component.platform_spec.platforms["kubernetes"].deployment_spec.executors
    assert json_format.MessageToDict(platform["Pusher_executor"])["pvcMount"] == [
        {"mountPath": "/shop", "constant": "shop"}
    ]


def test_steps_order_environment_and_caching(documents):
    spec = documents[0]
    tasks = spec["root"]["dag"]["tasks"]
    assert len(tasks) == 15
    assert not [name for name in tasks if "esolver" in name or name.startswith("Last")]
    assert "DataGate" in tasks["Transform"]["dependentTasks"]
    assert set(tasks["Pusher"]["dependentTasks"]) == {"Evaluator", "IndexBuilder", "ServingValidator"}
    # Every step comes after the tables, which are read anew each time.
    assert not [name for name, task in tasks.items() if task["cachingOptions"].get("enableCache", False)]
    assert [name for name, task in tasks.items() if "retryPolicy" not in task] == ["DataGate"]
    for executor in spec["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"] == "registry/polyrec:1"
        environment = {variable["name"]: variable["value"] for variable in executor["container"]["env"]}
        assert environment == {"TF_USE_LEGACY_KERAS": "1", "AWS_REGION": "eu-west-1"}
        assert executor["container"]["command"] == ["python3", "-m", "pipeline.kubeflow_step"]


def test_kubernetes_is_told_the_same_of_every_step(documents):
    spec, platform = documents
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors.keys() == spec["deploymentSpec"]["executors"].keys()
    for executor in executors.values():
        assert executor == {
            "pvcMount": [{"mountPath": "/shop", "constant": "shop"}],
            "secretAsEnv": [
                {
                    "secretName": "bucket",
                    "keyToEnv": [
                        {"secretKey": "id", "envVar": "AWS_ACCESS_KEY_ID"},
                        {"secretKey": "key", "envVar": "AWS_SECRET_ACCESS_KEY"},
                    ],
                }
            ],
            "nodeSelector": {"labels": {"pool": "training"}},
            "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}],
        }


def test_the_pusher_is_told_that_a_refusal_fails_the_run(documents):
    parameters = documents[0]["root"]["dag"]["tasks"]["Pusher"]["inputs"]["parameters"]
    assert yaml.safe_load(parameters["custom_config"]["runtimeValue"]["constant"]) == {"fail_when_refused": True}


def test_the_keys_of_the_code_are_parameters_of_the_steps(documents):
    tasks = documents[0]["root"]["dag"]["tasks"]
    stated = {
        name: task.get("inputs", {}).get("parameters", {}).get("code_fingerprint") for name, task in tasks.items()
    }
    keys = {name: value["runtimeValue"]["constant"] for name, value in stated.items() if value}
    expected = code_keys(load("comirec_sa"))
    assert keys == {name: expected[name] for name in tasks.keys() - {"StatisticsGen", "ExampleValidator"}}


@pytest.mark.parametrize(
    ("name", "file", "overrides", "words"),
    [
        ("Shop_1", "p.yaml", [ON_VOLUME], "pipeline.name: Kubeflow takes"),
        ("shop", "p.json", [ON_VOLUME], "has to end in .yaml"),
        ("shop", "p.yaml", [], "serving.directory: /shop/.* is on no volume"),
        (
            "shop",
            "p.yaml",
            [ON_VOLUME, "kubeflow.steps={Trainr: {cpu: 1}}"],
            "steps.Trainr: there is no such step.*Tra",
        ),
    ],
)
def test_what_kubeflow_does_not_take_is_refused(tmp_path, name, file, overrides, words):
    config = load("comirec_sa", [f"pipeline.name={name}", *overrides])
    with pytest.raises(InputError, match=words):
        compile_pipeline(with_absolute_paths(config, SHOP), tmp_path / file, "image")
    assert not list(tmp_path.iterdir())
