"""Verdict of TFMA on a model in sentences, which its blessing carries to later steps."""

from collections.abc import Iterator

from tensorflow_model_analysis.proto import validation_result_pb2


def verdict_in_words(verdict: validation_result_pb2.ValidationResult) -> list[str]:
    """A sentence for every threshold that was missed, with the bound that the verdict names.

    A run on one machine says more (pipeline/results/evaluator_refusals.py): it has the settings at hand.

    Args:
      verdict: of the Evaluator.
    """
    sentences = [words for piece in verdict.metric_validations_per_slice for words in _failures(piece)]
    if verdict.missing_slices:
        sentences.append("There is no example in the test split to evaluate.")
    return sentences


def _failures(piece: validation_result_pb2.MetricsValidationForSlice) -> Iterator[str]:
    for failure in piece.failures:
        key, found = failure.metric_key, failure.metric_value.double_value.value
        name = f"{key.name}_{key.output_name}" if key.output_name else key.name
        threshold = failure.metric_threshold
        if failure.message:
            yield f"{name}: {failure.message.strip()}"
        elif threshold.HasField("change_threshold"):
            yield f"{name} changed by {found:+.4f} against the model blessed last, more than is allowed."
        elif threshold.value_threshold.HasField("upper_bound"):
            yield f"{name} is {found:.4f}, and at most {threshold.value_threshold.upper_bound.value:g} is wanted."
        else:
            yield f"{name} is {found:.4f}, and at least {threshold.value_threshold.lower_bound.value:g} is wanted."
