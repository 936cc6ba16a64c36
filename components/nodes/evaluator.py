"""TFX's Evaluator with thresholds on the difference to a baseline."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx.components import Evaluator
from tfx.components.evaluator import constants
from tfx.components.evaluator.executor import Executor
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import BLESSING_KEY, EVALUATION_KEY, EvaluatorSpec
from tfx.utils import io_utils, json_utils

from components.evaluation.over_baseline import missed
from components.evaluation.paired import FILE, read
from components.evaluation.verdict import verdict_in_words
from components.execution import REASON, Artifacts

_COMPARISON, _OVER_BASELINE = "comparison", "over_baseline"


class ModelEvaluatorSpec(EvaluatorSpec):
    """The Evaluator's specification, and what is asked of the difference to a baseline."""

    PARAMETERS = {
        **EvaluatorSpec.PARAMETERS,
        _OVER_BASELINE: ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        **EvaluatorSpec.INPUTS,
        _COMPARISON: ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
    }


class ModelEvaluatorExecutor(Executor):
    """TFX's executor; a model that it blesses also has to reach the thresholds on differences."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Evaluates, takes the blessing back where the model does not gain enough over the single vector, and notes why
        a model is not blessed.
        """
        super().Do(input_dict, output_dict, exec_properties)
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        reasons: list[str] = []
        if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) == constants.NOT_BLESSED_VALUE:
            uri = artifact_utils.get_single_uri(output_dict[EVALUATION_KEY])
            reasons += verdict_in_words(tfma.load_validation_result(uri))
        if thresholds := json_utils.loads(exec_properties.get(_OVER_BASELINE) or "null"):
            comparison = read(os.path.join(artifact_utils.get_single_uri(input_dict[_COMPARISON]), FILE))
            if misses := missed(comparison, thresholds):
                _refuse(blessing)
                reasons += [f"{miss.name} misses the {miss.least:g} of evaluation.thresholds." for miss in misses]
        if reasons:
            blessing.set_string_custom_property(REASON, " ".join(reasons))


def _refuse(blessing: Artifact) -> None:
    # Not a blessing of its own: the model would be what later ones are compared with, though it is never pushed.
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.NOT_BLESSED_VALUE)
    blessed = os.path.join(blessing.uri, constants.BLESSED_FILE_NAME)
    if fileio.exists(blessed):
        fileio.remove(blessed)
    io_utils.write_string_file(os.path.join(blessing.uri, constants.NOT_BLESSED_FILE_NAME), "")


class ModelEvaluator(Evaluator):
    """Measures a model on some splits, beside the one blessed last.

    A subclass of TFX's Evaluator, because the stock one cannot compare with a model of the same run user by user.

    Args:
      examples: raw examples.
      model: the trained model.
      baseline_model: what to compare with, if there is something.
      eval_config: metrics, slices and thresholds.
      example_splits: names of splits.
      comparison: of components/nodes/comparison.py, of the model and the single vector.
      over_baseline: what the model has to gain (components/evaluation/over_baseline.py); needs ``comparison``.
    """

    SPEC_CLASS = ModelEvaluatorSpec
    EXECUTOR_SPEC = BeamExecutorSpec(ModelEvaluatorExecutor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        eval_config: config_pb2.EvalConfig,
        example_splits: Sequence[str],
        baseline_model: BaseChannel | None = None,
        comparison: BaseChannel | None = None,
        over_baseline: Mapping[str, float] | None = None,
    ) -> None:
        spec = ModelEvaluatorSpec(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            eval_config=eval_config,
            example_splits=json_utils.dumps(list(example_splits)),
            fairness_indicator_thresholds=json_utils.dumps(None),
            comparison=comparison,
            over_baseline=json_utils.dumps(dict(over_baseline or {})),
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
        )
        BaseBeamComponent.__init__(self, spec=spec)
