"""TFX component: builds the served bundle from the trained model."""

import os
from typing import Any

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import path_utils

from components.nodes.local_folder import local_target
from serving.index.tuning import TUNING_USERS
from serving.publish.writer import build_bundle, read_description
from serving.settings import IndexSettings, ServingSettings
from serving.users import read_users
from trainer.data import schema


class IndexBuilderSpec(ComponentSpec):
    """Inputs, outputs and execution properties; the settings are JSON."""

    PARAMETERS = {
        "index": ExecutionParameter(type=str),
        "serving": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"bundle": ChannelParameter(type=standard_artifacts.Model)}


class IndexBuilderExecutor(base_executor.BaseExecutor):
    """Calls :func:`serving.publish.writer.build_bundle`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the bundle where ``path_utils.serving_model_path`` finds it.

        Raises:
          InputError: see :func:`serving.publish.writer.build_bundle`.
        """
        model = artifact_utils.get_single_instance(input_dict["model"])
        bundle = artifact_utils.get_single_instance(output_dict["bundle"])
        index = IndexSettings.model_validate_json(exec_properties["index"])
        model_dir, users = path_utils.serving_model_path(model.uri), []
        if index.target_recall is not None:
            examples = artifact_utils.get_split_uri(input_dict["examples"], schema.VALID_SPLIT)
            features = read_description(model_dir).user_features
            users = read_users(fileio.glob(os.path.join(examples, "*")), features, TUNING_USERS)
        serving = ServingSettings.model_validate_json(exec_properties["serving"])
        with local_target(path_utils.serving_model_dir(bundle.uri)) as directory:
            build_bundle(model_dir, directory, index, serving, users)


class IndexBuilder(base_component.BaseComponent):
    """Builds the index and the served graph around a trained model.

    ``outputs["bundle"]`` is a Model artifact that holds the version folder a server loads.

    Args:
      model: the trainer's model.
      examples: raw examples; ``index.target_recall`` is reached for users of the split ``valid``.
      index: kind and sizes of the index.
      serving: default k and model name.
      code_fingerprint: changes when the code does, so that a cached bundle is not taken for a current one.
    """

    SPEC_CLASS = IndexBuilderSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(IndexBuilderExecutor)

    def __init__(
        self,
        model: BaseChannel,
        examples: BaseChannel,
        index: IndexSettings,
        serving: ServingSettings,
        code_fingerprint: str = "",
    ) -> None:
        super().__init__(
            spec=IndexBuilderSpec(
                model=model,
                examples=examples,
                index=index.model_dump_json(),
                serving=serving.model_dump_json(),
                code_fingerprint=code_fingerprint,
                bundle=Channel(type=standard_artifacts.Model),
            )
        )
