"""TFX component: encodes the items' texts as vectors."""

import os

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model

from components.ingestion.write.catalogue import ITEMS_SPLIT
from components.settings import TextSettings
from components.text.encode import write_text_vectors
from trainer.training.pretrained import ENCODER

FINGERPRINT = "fingerprint"
"""Custom property of the artifact: the encoder's."""


@component(use_beam=True)
def TextEncoder(
    items: InputArtifact[Examples],
    vectors: OutputArtifact[Examples],
    text: Parameter[str],
    cache: Parameter[str],
    base_model: InputArtifact[Model] = None,
    model_files: Parameter[str] = "",
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Encodes the items' texts by words or with a language model.

    Args:
      items: item examples, one split ``items``.
      vectors: gets the vectors, as examples, and all that is needed to encode further texts in the same way;
        trainer/data/text_vectors.py reads it. (Examples, because Kubeflow takes TFX's own types of artifacts only.)
      text: the encoder: TextSettings as JSON.
      cache: folder of texts that language models encoded earlier.
      base_model: a base model whose encoder is used as it is.
      model_files: fingerprint of a language model's files, for TFX's cache, which looks at parameters alone.
      pipeline: of Beam, made by TFX.

    Raises:
      InputError: see :func:`components.text.encode.write_text_vectors`.
    """
    files = fileio.glob(f"{artifact_utils.get_split_uri([items], ITEMS_SPLIT)}/*")
    base_encoder = os.path.join(base_model.uri, ENCODER) if base_model else None
    settings = TextSettings.model_validate_json(text)
    description = write_text_vectors(files, settings, vectors.uri, cache, lambda: pipeline, base_encoder)
    vectors.set_string_custom_property(FINGERPRINT, description.fingerprint)
