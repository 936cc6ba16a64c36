"""Outliers in words: profile values that training and serving clip."""

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.validation.feature_names import column_of
from trainer.data import schema as names
from trainer.data.preprocessing import outlier_bounds

_DECILES = 10
"""Quantile buckets of StatisticsGen: the outer ones end at the inner quantiles of trainer/data/preprocessing.py."""


def outliers_in_words(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> list[str]:
    """The numeric profile features of which Transform clips values, a line each.

    Args:
      statistics: of the training split.
    """
    lines = []
    for feature in (feature for data_set in statistics.datasets for feature in data_set.features):
        name = feature.path.step[0] if feature.path.step else feature.name
        deciles = [h for h in feature.num_stats.histograms if h.type == statistics_pb2.Histogram.QUANTILES]
        if not name.startswith(names.USER_PREFIX) or not deciles or len(deciles[0].buckets) != _DECILES:
            continue
        buckets = deciles[0].buckets
        low, high = buckets[0].high_value, buckets[-1].low_value
        least, most = outlier_bounds(low, high)
        found = feature.num_stats
        if low < high and (found.min < least or found.max > most):
            lines.append(
                f"profile feature {column_of(name)!r}: values from {found.min:.6g} to {found.max:.6g}, four of five of "
                f"them from {low:.6g} to {high:.6g}. Values outside of about {least:.6g} to {most:.6g} are outliers "
                "and clipped to these bounds, in training and when served. Mend the column if they are typing errors."
            )
    return lines
