"""What is deployed: the image's packages, the manifests and TensorFlow Serving's configuration fit the server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from google.protobuf import text_format
from kubernetes.client import ApiClient
from tensorflow_serving.config import model_server_config_pb2

from pipeline.commands.doctor import TODAY, stack
from serving.server.command import main
from serving.settings import ServingSettings
from tests.serving.toy_bundle import toy_bundle

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "serving" / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KINDS = {
    "namespace": "V1Namespace",
    "storage": "V1PersistentVolumeClaim",
    "deployment": "V1Deployment",
    "service": "V1Service",
    "autoscaler": "V2HorizontalPodAutoscaler",
    "disruption-budget": "V1PodDisruptionBudget",
    "network-policy": "V1NetworkPolicy",
}

ONLY_THE_SERVER_S_PACKAGES = """
import importlib.metadata, json, re, sys

installed = set(json.loads(sys.argv[1]))
absent = {top for top, distributions in importlib.metadata.packages_distributions().items()
          if not {re.sub("[-_.]+", "-", name).lower() for name in distributions} & installed}

class Without:
    # A finder that does not find them: some packages ask whether others are there.

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in absent else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Without, sys.meta_path)
from pathlib import Path
from serving import server
from serving.runtime import servable
loaded = servable.load(Path(sys.argv[2]))
print(sorted(loaded.signatures), loaded.manifest.kind)
try:
    import tfx
except ModuleNotFoundError:
    print("without tfx")
"""

KERNELS = """
import sys
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels, op_def_registry
saved = saved_model_pb2.SavedModel.FromString(open(sys.argv[1] + "/saved_model.pb", "rb").read())
graph = saved.meta_graphs[0].graph_def
functions = {function.signature.name for function in graph.library.function}
nodes = list(graph.node) + [node for function in graph.library.function for node in function.node_def]
ops = {node.op for node in nodes} - functions
def on_cpu(op):
    return {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(op).kernel} & {"CPU", "DEFAULT"}
print(len(ops), sorted(op for op in ops if op_def_registry.get(op) is None or not on_cpu(op)))
"""


def pins(path):
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text(), re.MULTILINE)
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in lines}


def manifest(name):
    return yaml.safe_load((KUBERNETES / "base" / f"{name}.yaml").read_text())


def python(program, *arguments):
    # The trainer's choice of Keras is made by a variable, and the server has no such Keras.
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_pins_what_was_tested():
    image, tested = pins(DEPLOY / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert image.items() <= tested.items()
    wanted = {re.sub("[-_.]+", "-", name).lower() for name in (DEPLOY / "requirements.in").read_text().split()}
    assert wanted <= image.keys()
    assert not {"tfx", "apache-beam", "tf-keras", "pandas"} & image.keys()


@pytest.mark.skipif(stack() is not TODAY, reason="the image is of the stack of today, and this is the older one")
def test_the_server_runs_with_the_image_s_packages_alone():
    installed = [*pins(DEPLOY / "requirements.lock"), "polyrec"]
    printed = python(ONLY_THE_SERVER_S_PACKAGES, json.dumps(installed), toy_bundle().directory)
    signatures, without = printed.strip().split("\n")[-2:]
    assert "'recommend'" in signatures
    assert signatures.endswith("scann")
    assert without == "without tfx"


@pytest.mark.parametrize("profile", [False, True])
def test_every_op_of_the_stock_model_has_a_kernel_of_tensorflow_s_own(profile):
    number, missing = python(KERNELS, toy_bundle(kind="exact", profile=profile).directory).strip().split(" ", 1)
    assert int(number) > 50
    assert missing == "[]"


@pytest.mark.parametrize("name", KINDS)
def test_kubernetes_own_classes_know_every_field(name):
    client, written = ApiClient(), manifest(name)
    response = SimpleNamespace(data=json.dumps(written))
    assert client.sanitize_for_serialization(client.deserialize(response, KINDS[name])) == written


def test_every_manifest_is_applied_and_selects_the_server():
    applied = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())["resources"]
    assert sorted(applied) == sorted(f"{name}.yaml" for name in KINDS)
    deployment = manifest("deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        manifest("service")["spec"]["selector"],
        manifest("disruption-budget")["spec"]["selector"]["matchLabels"],
        manifest("network-policy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)
    target = manifest("autoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def arguments(container):
    directory = container["volumeMounts"][0]["mountPath"]
    return main.make_context("server", ["--directory", directory, *container["args"]]).params


def test_the_container_s_arguments_ports_and_probes_fit_the_server():
    spec = manifest("deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    options = arguments(container)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": options["port"], "metrics": options["metrics_port"]}
    assert container["readinessProbe"]["grpc"]["port"] == container["startupProbe"]["grpc"]["port"] == ports["grpc"]
    assert {port["targetPort"] for port in manifest("service")["spec"]["ports"]} <= ports.keys()
    wait = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] > wait + options["grace_seconds"]
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"] if volume["name"] == "models"]
    assert claims == [manifest("storage")["metadata"]["name"]]


def test_the_tls_variant_mounts_the_files_that_the_server_is_given():
    container = manifest("deployment")["spec"]["template"]["spec"]["containers"][0]
    patches = yaml.safe_load((KUBERNETES / "tls" / "deployment-patch.yaml").read_text())
    added = [patch["value"] for patch in patches if patch["path"].endswith("/args/-")]
    options = arguments({**container, "args": [*container["args"], *added]})
    (mount,) = [patch["value"]["mountPath"] for patch in patches if patch["path"].endswith("/volumeMounts/-")]
    files = [options[name] for name in ("tls_certificate", "tls_key", "tls_client_ca")]
    assert {str(Path(file).parent) for file in files} == {mount}
    replaced = {patch["path"].rpartition("/")[2] for patch in patches if patch["op"] == "replace"}
    assert replaced == {name for name in container if "grpc" in (container[name] if "Probe" in name else {})}


def test_the_image_starts_the_server_on_the_folder_that_is_mounted():
    instructions = re.findall(r"^(ENTRYPOINT|CMD) (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    started = {name: json.loads(value) for name, value in instructions}
    module, *rest = started["ENTRYPOINT"][2:]
    assert module == "serving.server"
    options = main.make_context("server", [*rest, *started["CMD"]]).params
    mounts = manifest("deployment")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert options["directory"] in [mount["mountPath"] for mount in mounts]


def test_tensorflow_serving_s_configuration_names_the_folder_that_a_run_pushes_to():
    text = (DEPLOY / "tensorflow_serving" / "models.config").read_text()
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert model.base_path == f"/models/{model.name}"
    assert model.name == ServingSettings().model_name
    compose = yaml.safe_load((DEPLOY / "tensorflow_serving" / "compose.yaml").read_text())
    (service,) = compose["services"].values()
    pushed, mounted = service["volumes"][0].split(":")[:2]
    assert mounted == str(Path(model.base_path).parent)
    served = (DEPLOY / "tensorflow_serving" / pushed).resolve()
    assert served == ROOT / ServingSettings().directory
