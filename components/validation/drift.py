"""Drift in words: features whose values are far from what they were."""

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.validation.feature_names import spelt
from trainer.data import schema as names

NOT_COMPARED = (names.USER_ID, names.HISTORY_TIME, names.HISTORY_OVERLAP)
"""Features that change from run to run by their nature."""


def drift_in_words(
    schema: schema_pb2.Schema,
    previous: statistics_pb2.DatasetFeatureStatisticsList,
    current: statistics_pb2.DatasetFeatureStatisticsList,
    max_drift: float,
) -> list[str]:
    """The features whose values are too far from what they were, a line each.

    Args:
      schema: the data's schema.
      previous: statistics of the data before.
      current: statistics of the data now.
      max_drift: the largest distance that is not reported.
    """
    compared = schema_pb2.Schema()
    compared.CopyFrom(schema)
    del compared.feature[:]
    # Longer histories are what a log grows by; shorter ones are a log that lost something.
    grown = _mean_length(current) >= _mean_length(previous)
    not_compared = {*NOT_COMPARED, names.HISTORY_BUCKET} if grown else NOT_COMPARED
    for feature in schema.feature:
        if feature.name not in not_compared:
            copy = compared.feature.add()
            copy.CopyFrom(feature)
            copy.drift_comparator.jensen_shannon_divergence.threshold = max_drift
            if feature.type == schema_pb2.BYTES:
                copy.drift_comparator.infinity_norm.threshold = max_drift
    found = tfdv.validate_statistics(current, compared, previous_statistics=previous)
    kinds = anomalies_pb2.DriftSkewInfo.Measurement
    words = {kinds.JENSEN_SHANNON_DIVERGENCE: "Jensen-Shannon divergence", kinds.L_INFTY: "L-infinity distance"}
    return [
        f"feature {spelt('.'.join(info.path.step))}: drift. The {words[measurement.type]} between the previous run's "
        f"values and these is {measurement.value:.3f}, and validation.max_drift allows {max_drift:g}. If the change is "
        "meant, run once with validation.max_drift=null."
        for info in found.drift_skew_info
        for measurement in info.drift_measurements
        if measurement.value > max_drift
    ]


def _mean_length(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> float:
    """Mean number of items of the histories; 0 without any."""
    for feature in (feature for data_set in statistics.datasets for feature in data_set.features):
        if names.HISTORY in (feature.name, *feature.path.step):
            found = feature.string_stats.common_stats
            examples = found.num_non_missing + found.num_missing
            return float(found.tot_num_values) / examples if examples else 0.0
    return 0.0
