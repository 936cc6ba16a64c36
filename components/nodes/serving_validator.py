"""TFX component: gate that validates the bundle in the real server before it is pushed."""

import json
import os
from typing import Any

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

from components.nodes.local_folder import local_copy
from serving.publish.writer import read_description
from serving.settings import ServingSettings
from serving.users import read_users
from serving.validation.report import ValidationReport
from serving.validation.validate import validate
from trainer.data import schema

REPORT = "report.json"
"""File in the blessing's folder with every check."""

REASON = "reason"
"""Custom property of the blessing: why not, in words."""


class ServingValidatorSpec(ComponentSpec):
    """Inputs, outputs and execution properties; the settings are JSON."""

    PARAMETERS = {
        "serving": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "bundle": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}


class ServingValidatorExecutor(base_executor.BaseExecutor):
    """Calls :func:`serving.validation.validate.validate` and writes down what it found."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Blesses the bundle or does not; a refusal is no error of the component."""
        serving = ServingSettings.model_validate_json(exec_properties["serving"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        bundle = artifact_utils.get_single_instance(input_dict["bundle"])
        examples = artifact_utils.get_split_uri(input_dict["examples"], schema.TEST_SPLIT)
        model_dir = path_utils.serving_model_path(model.uri)
        features = read_description(model_dir).user_features
        users = read_users(fileio.glob(os.path.join(examples, "*")), features, serving.validation_users)
        with local_copy(path_utils.serving_model_path(bundle.uri)) as bundle_dir:
            report = validate(model_dir, bundle_dir, users, serving)
        _write(report, artifact_utils.get_single_instance(output_dict["blessing"]))


def _write(report: ValidationReport, blessing: Artifact) -> None:
    content = {"blessed": report.blessed, "reason": report.reason, **report.model_dump()}
    io_utils.write_string_file(os.path.join(blessing.uri, REPORT), json.dumps(content, indent=1) + "\n")
    # The marker file and the properties are those of TFX's InfraValidator: its Pusher reads "blessed".
    marker = "INFRA_BLESSED" if report.blessed else "INFRA_NOT_BLESSED"
    io_utils.write_string_file(os.path.join(blessing.uri, marker), "")
    blessing.set_int_custom_property("blessed", int(report.blessed))
    blessing.set_int_custom_property("has_model", 0)
    blessing.set_string_custom_property(REASON, report.reason)


class ServingValidator(base_component.BaseComponent):
    """Starts the real server on the bundle and compares its answers, over gRPC, with the trained model's.

    ``outputs["blessing"]`` is an InfraBlessing with the report in ``report.json`` and the property ``reason``.

    Args:
      model: the trainer's model.
      bundle: the bundle built from it.
      examples: raw examples; real users are taken from the split ``test``.
      serving: thresholds, default k and model name.
      code_fingerprint: changes when the code does, so that an old blessing is not taken for a current one.
    """

    SPEC_CLASS = ServingValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ServingValidatorExecutor)

    def __init__(
        self,
        model: BaseChannel,
        bundle: BaseChannel,
        examples: BaseChannel,
        serving: ServingSettings,
        code_fingerprint: str = "",
    ) -> None:
        super().__init__(
            spec=ServingValidatorSpec(
                model=model,
                bundle=bundle,
                examples=examples,
                serving=serving.model_dump_json(),
                code_fingerprint=code_fingerprint,
                blessing=Channel(type=standard_artifacts.InfraBlessing),
            )
        )
