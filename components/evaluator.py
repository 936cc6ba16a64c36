"""TFX's Evaluator with the code of its metrics in the cache key."""

from collections.abc import Sequence

import tensorflow_model_analysis as tfma
from tfx.components import Evaluator
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ExecutionParameter
from tfx.types.standard_component_specs import EvaluatorSpec
from tfx.utils import json_utils


class ModelEvaluatorSpec(EvaluatorSpec):
    """The Evaluator's specification, and what its code is."""

    PARAMETERS = {**EvaluatorSpec.PARAMETERS, "code_fingerprint": ExecutionParameter(type=str)}


class ModelEvaluator(Evaluator):
    """Measures a model on some splits, beside the one blessed last.

    A subclass of TFX's Evaluator with its executor, because the stock one has no parameter that could say that a
    metric's code has changed.

    Args:
      examples: raw examples.
      model: the trained model.
      baseline_model: what to compare with, if there is something.
      eval_config: metrics, slices and thresholds.
      example_splits: names of splits.
      code_fingerprint: changes when the code of the metrics does.
    """

    SPEC_CLASS = ModelEvaluatorSpec

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        eval_config: tfma.EvalConfig,
        example_splits: Sequence[str],
        baseline_model: BaseChannel | None = None,
        code_fingerprint: str = "",
    ) -> None:
        spec = ModelEvaluatorSpec(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            eval_config=eval_config,
            example_splits=json_utils.dumps(list(example_splits)),
            fairness_indicator_thresholds=json_utils.dumps(None),
            code_fingerprint=code_fingerprint,
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
        )
        BaseBeamComponent.__init__(self, spec=spec)
