"""Compiles the pipeline for Kubeflow Pipelines 2."""

import re
from pathlib import Path
from typing import Any

import yaml
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

from pipeline.config.run import Config
from pipeline.graph.build import create_pipeline
from pipeline.graph.component_code import CURATED_SCHEMA
from pipeline.kubeflow_step import COMMAND
from trainer.errors import InputError
from trainer.plain_paths import refuse_patterns

ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}
"""Of every step, so that an image without it works as well."""

NOT_CACHED = ("InteractionExampleGen", "ItemExampleGen", CURATED_SCHEMA)
"""The backend does not look at files: cached, these would not notice new data or another schema."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


def compile_pipeline(config: Config, output: Path, image: str) -> None:
    """Writes the specification: a YAML file that `kfp.Client` submits.

    Every path in the configuration has to mean the same in all steps: a mounted volume, or a URL. Artifacts are in the
    bucket of the pipeline's root, whatever its scheme (:mod:`pipeline.kubeflow_step`). On this backend resolvers are
    not available, so that the change threshold and drift have nothing to compare with; schema, value thresholds and
    serving validation stay.

    Args:
      config: with absolute paths.
      output: the file to write; its name ends in .yaml.
      image: the container image of the steps, with polyrec and its requirements installed.

    Raises:
      InputError: the file's name does not end in .yaml, it cannot be written, or the pipeline's name is none that
        Kubeflow takes, or a folder that TensorFlow would take for a pattern.
    """
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output}: the specification's name has to end in .yaml: kfp reads no other.")
    if not _NAME.fullmatch(config.pipeline.name):
        raise InputError(
            f"pipeline.name: Kubeflow takes lower-case letters, digits and hyphens. Received: {config.pipeline.name!r}."
        )
    refuse_patterns("pipeline.root", config.pipeline.root)
    refuse_patterns("serving.directory", config.serving.directory)
    pipeline = create_pipeline(config, history=False, local=False)
    runner = KubeflowV2DagRunner(
        config=KubeflowV2DagRunnerConfig(default_image=image, default_commands=COMMAND, use_pipeline_spec_2_1=True),
        output_dir=str(output.parent),
        output_filename=output.name,
    )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        runner.run(pipeline, write_out=True)
        header, specification = _read(output)
        _adapt(specification)
        temporary = output.with_name(f".{output.name}.new")
        temporary.write_text(header + yaml.safe_dump(specification, sort_keys=True))
        temporary.replace(output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}).") from error


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    text = path.read_text()
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return header, yaml.safe_load(text)


def _adapt(specification: dict[str, Any]) -> None:
    for executor in specification["deploymentSpec"]["executors"].values():
        if "container" in executor:
            executor["container"]["env"] = [{"name": k, "value": v} for k, v in ENVIRONMENT.items()]
    tasks = specification["root"]["dag"]["tasks"]
    for name in tasks.keys() & set(NOT_CACHED):
        tasks[name]["cachingOptions"] = {}
