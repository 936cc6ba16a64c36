"""TFX component: encodes the items' texts as vectors."""

import os
from typing import Any

from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.ingestion.write.catalogue import ITEMS_SPLIT
from components.settings import TextSettings
from components.text.encode import write_text_vectors
from trainer.training.pretrained import ENCODER

FINGERPRINT = "fingerprint"
"""Custom property of the artifact: the encoder's."""


class TextEncoderSpec(ComponentSpec):
    """Inputs, outputs and execution properties; the settings are JSON."""

    PARAMETERS = {
        "text": ExecutionParameter(type=str),
        "cache": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {
        "items": ChannelParameter(type=standard_artifacts.Examples),
        "base_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"vectors": ChannelParameter(type=standard_artifacts.Examples)}


class TextEncoderExecutor(base_beam_executor.BaseBeamExecutor):
    """Calls :func:`components.text.encode.write_text_vectors`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the vectors.

        Raises:
          InputError: see :func:`components.text.encode.write_text_vectors`.
        """
        items = artifact_utils.get_split_uri(input_dict["items"], ITEMS_SPLIT)
        vectors = artifact_utils.get_single_instance(output_dict["vectors"])
        base = input_dict.get("base_model")
        description = write_text_vectors(
            fileio.glob(f"{items}/*"),
            TextSettings.model_validate_json(exec_properties["text"]),
            vectors.uri,
            exec_properties["cache"],
            self._make_beam_pipeline,
            os.path.join(artifact_utils.get_single_uri(base), ENCODER) if base else None,
        )
        vectors.set_string_custom_property(FINGERPRINT, description.fingerprint)


class TextEncoder(base_beam_component.BaseBeamComponent):
    """Encodes the items' texts by words or with a language model.

    ``outputs["vectors"]`` holds the vectors, as examples, and all that is needed to encode further texts in the same
    way; trainer/data/text_vectors.py reads it. (Examples, because Kubeflow takes TFX's own types of artifacts only.)

    Args:
      items: item examples, one split ``items``.
      text: the encoder.
      cache: folder of texts that language models encoded earlier.
      base_model: a base model whose encoder is used as it is.
      code_fingerprint: changes when the code does, or the files of a language model, so that vectors from the cache
        are not taken for current ones.
    """

    SPEC_CLASS = TextEncoderSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TextEncoderExecutor)

    def __init__(
        self,
        items: BaseChannel,
        text: TextSettings,
        cache: str,
        base_model: BaseChannel | None = None,
        code_fingerprint: str = "",
    ) -> None:
        super().__init__(
            spec=TextEncoderSpec(
                items=items,
                base_model=base_model,
                text=text.model_dump_json(),
                cache=cache,
                code_fingerprint=code_fingerprint,
                vectors=Channel(type=standard_artifacts.Examples),
            )
        )
