"""Compiles the pipeline for Kubeflow Pipelines 2."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

from pipeline.config.run import Config
from pipeline.graph.build import create_pipeline
from pipeline.graph.component_code import CURATED_SCHEMA
from pipeline.kubeflow.platform_document import platform_document
from pipeline.kubeflow.resources import resources
from pipeline.kubeflow.volumes import refuse_unmounted
from pipeline.kubeflow_step import COMMAND
from trainer.errors import InputError
from trainer.plain_paths import refuse_patterns

ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}
"""Of every step, so that an image without it works as well."""

NOT_CACHED = ("InteractionExampleGen", "ItemExampleGen", CURATED_SCHEMA, "Pusher")
"""The backend does not look at files: cached, these would not notice new data, another schema, or that what was pushed
is gone. Nor can a step behind one of them be found in the cache, which goes by the ids of input artifacts."""

_RETRIED_WITHIN = f"{7 * 24 * 3600}s"
"""Counted from the start of the first attempt. The default of an hour would end before a training that fails late."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


def compile_pipeline(config: Config, output: Path, image: str) -> None:
    """Writes the specification: a YAML file that `kfp.Client` submits.

    The file's first document is the pipeline, with the resources and retries of each step; the second, where the
    section ``kubeflow`` asks for any, are volumes, secrets and nodes. Every path in the configuration has to mean the
    same in all steps: a mounted volume, or a URL. Artifacts are in the bucket of the pipeline's root, whatever its
    scheme (:mod:`pipeline.kubeflow_step`). On this backend resolvers are
    not available, so that the change threshold and drift have nothing to compare with; schema, value thresholds and
    serving validation stay.

    Args:
      config: with absolute paths.
      output: the file to write; its name ends in .yaml.
      image: the container image of the steps, with polyrec and its requirements installed.

    Raises:
      InputError: the file's name does not end in .yaml, it cannot be written, or the pipeline's name is none that
        Kubeflow takes, a folder is one that TensorFlow would take for a pattern, a local path is on no volume, or the
        settings name a step that there is not.
    """
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output}: the specification's name has to end in .yaml: kfp reads no other.")
    if not _NAME.fullmatch(config.pipeline.name):
        raise InputError(
            f"pipeline.name: Kubeflow takes lower-case letters, digits and hyphens. Received: {config.pipeline.name!r}."
        )
    refuse_patterns("pipeline.root", config.pipeline.root)
    refuse_patterns("serving.directory", config.serving.directory)
    refuse_unmounted(config)
    pipeline = create_pipeline(config, history=False, local=False)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".compile-", dir=output.parent) as scratch:
            new = Path(scratch) / output.name
            runner = KubeflowV2DagRunner(
                config=KubeflowV2DagRunnerConfig(
                    default_image=image, default_commands=COMMAND, use_pipeline_spec_2_1=True
                ),
                output_dir=scratch,
                output_filename=new.name,
            )
            runner.run(pipeline, write_out=True)
            header, specification = _read(new)
            _adapt(specification, config)
            executors = specification["deploymentSpec"]["executors"]
            containers = [label for label, executor in executors.items() if "container" in executor]
            platform = platform_document(config.kubeflow, containers)
            documents = [specification, platform] if platform else [specification]
            new.write_text(header + yaml.safe_dump_all(documents, sort_keys=True))
            new.replace(output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}).") from error


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    text = path.read_text()
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return header, yaml.safe_load(text)


def _adapt(specification: dict[str, Any], config: Config) -> None:
    settings, executors = config.kubeflow, specification["deploymentSpec"]["executors"]
    tasks = specification["root"]["dag"]["tasks"]
    steps = {
        name: executors[specification["components"][task["componentRef"]["name"]]["executorLabel"]]
        for name, task in tasks.items()
    }
    containers = {name: executor["container"] for name, executor in steps.items() if "container" in executor}
    for name, wanted in resources(settings, containers).items():
        containers[name]["env"] = [{"name": k, "value": v} for k, v in (settings.env | ENVIRONMENT).items()]
        asked = {
            "cpuRequest": wanted.cpu,
            "cpuLimit": wanted.cpu_limit,
            "memoryRequest": wanted.memory,
            "memoryLimit": wanted.memory_limit,
        }
        containers[name]["resources"] = {key: value for key, value in asked.items() if value is not None}
        if wanted.retries:
            tasks[name]["retryPolicy"] = {
                "maxRetryCount": wanted.retries,
                "backoffDuration": f"{settings.retry_seconds}s",
                "backoffFactor": 2.0,
                "backoffMaxDuration": _RETRIED_WITHIN,
            }
    for name in _never_found(tasks):
        tasks[name]["cachingOptions"] = {}
    # Without one, the installation's own is taken.
    root = settings.pipeline_root
    if root is None and "://" in config.pipeline.root:
        root = f"{config.pipeline.root}/{config.pipeline.name}/artifacts"
    if root is not None:
        specification["defaultPipelineRoot"] = root


def _never_found(tasks: Mapping[str, Any]) -> set[str]:
    """Those of NOT_CACHED, and all that read what they write or come after them."""
    found = tasks.keys() & set(NOT_CACHED)
    while more := {name for name in tasks if found & set(tasks[name].get("dependentTasks", ()))} - found:
        found |= more
    return found
