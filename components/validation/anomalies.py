"""Anomalies in words: what ExampleValidator and the schema say against the data."""

from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.validation.feature_names import spelt
from trainer.errors import InputError


def refuse_empty_samples(statistics: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList]) -> None:
    """Refuses statistics of no example, of which nothing can be said.

    Args:
      statistics: split -> its statistics.

    Raises:
      InputError: the statistics are of no example of a split.
    """
    empty = [split for split, found in statistics.items() if not sum(data.num_examples for data in found.datasets)]
    if empty:
        raise InputError(
            f"There are no statistics of split {', '.join(empty)}: of its examples none was drawn, so nothing can be "
            "said of its data. Raise validation.statistics_sample_rate; 1 takes every example. Examples are drawn in "
            "batches of up to a thousand and more, so a small split is drawn whole or not at all."
        )


def anomalies_in_words(split: str, anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """What ExampleValidator found in a split, a line each: split, feature, what is wrong.

    Args:
      split: its name.
      anomalies: of the split.
    """
    found = dict(anomalies.anomaly_info)
    if anomalies.HasField("dataset_anomaly_info"):
        found["(the whole data set)"] = anomalies.dataset_anomaly_info
    return [
        f"split {split}, feature {spelt(feature)}: {info.short_description}. {info.description}{_advice(info)}"
        for feature, info in sorted(found.items())
    ]


def _advice(info: anomalies_pb2.AnomalyInfo) -> str:
    kinds = {reason.type for reason in info.reason}
    if anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES in kinds:
        return " If they are meant, add them to the feature's domain in validation.schema_path, or remove the domain."
    if anomalies_pb2.AnomalyInfo.SCHEMA_NEW_COLUMN in kinds:
        return " If it is meant, describe it in validation.schema_path: a run without one infers a schema to copy from."
    return ""


def deprecated_in_words(schema: schema_pb2.Schema) -> list[str]:
    """The features that the schema takes out of use, a line each: Transform would not be given them.

    An inferred schema does so with a feature that a whole split lacks.

    Args:
      schema: the data's schema.
    """
    return [
        f"feature {spelt(feature.name)}: the schema marks it as deprecated. If the schema was inferred, a split has "
        "no value of it among the examples that statistics were made of: raise validation.statistics_sample_rate, fill "
        "the column, or leave it out of the configuration. If it is yours (validation.schema_path), remove the mark."
        for feature in schema.feature
        if feature.lifecycle_stage == schema_pb2.DEPRECATED
    ]
