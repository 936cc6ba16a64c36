"""Metrics of all users of a slice together, for TensorFlow Model Analysis."""

from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from trainer.metrics import table
from trainer.metrics.exposure import Exposure

_Accumulator = tuple[int, dict[str, Exposure]]


class AllUsersMetrics(metric_types.Metric):
    """Metrics of trainer/metrics/table.py that are combined from the items that a signature says each user is shown."""

    def __init__(self, outputs: list[str], name: str = "all_users_metrics") -> None:
        """Takes the full names of the metrics."""
        super().__init__(metric_util.merge_per_key_computations(_computations), outputs=outputs, name=name)


def _computations(outputs: list[str], name: str, model_name: str = "", output_name: str = "") -> list[Any]:
    del name  # The keys are named after the outputs.
    keys = [
        metric_types.MetricKey(name=output, model_name=model_name, output_name=output_name, example_weighted=None)
        for output in outputs
    ]
    combiner = _Combined(keys, model_name)
    return [metric_types.MetricComputation(keys=keys, preprocessors=None, combiner=combiner)]


class _Combined(beam.CombineFn):
    """The size of the catalogue and the exposure in each output; NaN of what the model does not compute."""

    def __init__(self, keys: list[metric_types.MetricKey], model_name: str) -> None:
        self._keys, self._model_name = keys, model_name

    def create_accumulator(self) -> _Accumulator:
        return 0, {table.output_of(key.name): Exposure() for key in self._keys}

    def add_input(self, accumulator: _Accumulator, element: metric_types.StandardMetricInputs) -> _Accumulator:
        predictions = element.get_predictions(self._model_name)
        size, exposures = accumulator
        for output, exposure in exposures.items():
            if output in predictions:
                exposure.add(predictions[output])
        return max(size, int(np.max(predictions.get(table.CATALOGUE_SIZE, 0)))), exposures

    def merge_accumulators(self, accumulators: Any) -> _Accumulator:
        size, total = self.create_accumulator()
        for other, exposures in accumulators:
            size = max(size, other)
            for output, exposure in exposures.items():
                total[output].merge(exposure)
        return size, total

    def compact(self, accumulator: _Accumulator) -> _Accumulator:
        for exposure in accumulator[1].values():
            exposure.compact()
        return accumulator

    def extract_output(self, accumulator: _Accumulator) -> dict[metric_types.MetricKey, float]:
        size, exposures = accumulator
        counts = {output: exposure.counts(size) for output, exposure in exposures.items()}
        return {key: table.together(key.name, counts[table.output_of(key.name)]) for key in self._keys}
