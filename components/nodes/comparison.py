"""TFX component: compares the model with its baseline, paired by user."""

import os
from typing import Any

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

from components.evaluation.paired import FILE, compare
from trainer.data import schema


class ComparisonSpec(ComponentSpec):
    """Inputs, output and the key of the code."""

    PARAMETERS = {"code_fingerprint": ExecutionParameter(type=str)}
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"comparison": ChannelParameter(type=standard_artifacts.ModelEvaluation)}


class ComparisonExecutor(base_executor.BaseExecutor):
    """Calls :func:`components.evaluation.paired.compare` and writes down what it found."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Measures both models on the split ``test``."""
        model, baseline = (
            path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[key]))
            for key in ("model", "baseline")
        )
        examples = artifact_utils.get_split_uri(input_dict["examples"], schema.TEST_SPLIT)
        found = compare(model, baseline, fileio.glob(os.path.join(examples, "*")))
        folder = artifact_utils.get_single_uri(output_dict["comparison"])
        io_utils.write_string_file(os.path.join(folder, FILE), found.to_json())


class Comparison(base_component.BaseComponent):
    """Measures the model and the single vector on the same users, and how sure the difference is.

    ``outputs["comparison"]`` is a ModelEvaluation with ``comparison.json``
    (:class:`components.evaluation.paired.Comparison`).

    Args:
      model: the trainer's model.
      baseline: the single vector's.
      examples: raw examples; the split ``test`` is read.
      code_fingerprint: changes when the code does, so that old numbers are not taken for current ones.
    """

    SPEC_CLASS = ComparisonSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ComparisonExecutor)

    def __init__(
        self, model: BaseChannel, baseline: BaseChannel, examples: BaseChannel, code_fingerprint: str = ""
    ) -> None:
        super().__init__(
            spec=ComparisonSpec(
                model=model,
                baseline=baseline,
                examples=examples,
                code_fingerprint=code_fingerprint,
                comparison=Channel(type=standard_artifacts.ModelEvaluation),
            )
        )
