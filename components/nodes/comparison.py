"""TFX component: compares the model with its baseline, paired by user."""

import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model, ModelEvaluation
from tfx.utils import io_utils, path_utils

from components.evaluation.paired import FILE, compare
from trainer.data import schema


@component
def Comparison(
    model: InputArtifact[Model],
    baseline: InputArtifact[Model],
    examples: InputArtifact[Examples],
    comparison: OutputArtifact[ModelEvaluation],
) -> None:
    """Measures the model and the single vector on the same users, and how sure the difference is.

    Args:
      model: the trainer's model.
      baseline: the single vector's.
      examples: raw examples; the split ``test`` is read.
      comparison: gets ``comparison.json`` (:class:`components.evaluation.paired.Comparison`).
    """
    measured, beside = (path_utils.serving_model_path(artifact.uri) for artifact in (model, baseline))
    test = artifact_utils.get_split_uri([examples], schema.TEST_SPLIT)
    found = compare(measured, beside, fileio.glob(os.path.join(test, "*")))
    io_utils.write_string_file(os.path.join(comparison.uri, FILE), found.to_json())
