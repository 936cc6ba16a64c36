"""TFX component: gate that refuses data with anomalies or drift."""

import logging
import os
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME as ANOMALIES_FILE
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from serving.bundle.signatures import profile_feature
from trainer.data import schema as names
from trainer.data.preprocessing import outlier_bounds
from trainer.errors import GateRefused, InputError

ACCEPTED = "accepted"
"""The gate's output: the statistics of the training split, what the next run's are compared with."""

NOT_COMPARED = (names.USER_ID, names.HISTORY_TIME, names.HISTORY_OVERLAP)
"""Features that change from run to run by their nature."""

_DECILES = 10
"""Quantile buckets of StatisticsGen: the outer ones end at the inner quantiles of trainer/data/preprocessing.py."""

progress = logging.getLogger("polyrec.progress")


class DataGateSpec(ComponentSpec):
    """What the gate reads and writes."""

    PARAMETERS = {
        "max_drift": ExecutionParameter(type=float, optional=True),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "previous": ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
    }
    OUTPUTS = {ACCEPTED: ChannelParameter(type=standard_artifacts.ExampleStatistics)}


class DataGateExecutor(BaseExecutor):
    """Reads what data validation found, and measures drift."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Accepts the data.

        Raises:
          GateRefused: there is an anomaly or too much drift; the message holds all of them in words.
          InputError: the statistics are of no example of a split.
        """
        statistics_artifact = artifact_utils.get_single_instance(input_dict["statistics"])
        _refuse_empty_samples(statistics_artifact)
        schema_uri = artifact_utils.get_single_uri(input_dict["schema"])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        reasons = anomalies_in_words(artifact_utils.get_single_instance(input_dict["anomalies"]))
        reasons += deprecated_in_words(schema)
        current = stats_artifact_utils.load_statistics(statistics_artifact, names.TRAIN_SPLIT).proto()
        previous, max_drift = input_dict.get("previous"), exec_properties.get("max_drift")
        if previous and max_drift is not None:
            before = stats_artifact_utils.load_statistics(previous[0], names.TRAIN_SPLIT).proto()
            reasons += drift_in_words(schema, before, current, max_drift)
        if reasons:
            raise GateRefused("Data validation found anomalies:\n" + "\n".join(f"  {reason}" for reason in reasons))
        for words in outliers_in_words(current):
            progress.warning(words)
        accepted = artifact_utils.get_single_instance(output_dict[ACCEPTED])
        accepted.split_names = artifact_utils.encode_split_names([names.TRAIN_SPLIT])
        folder = artifact_utils.get_split_uri([accepted], names.TRAIN_SPLIT)
        file = os.path.join(folder, stats_artifact_utils.BINARY_PB_BASENAME)
        io_utils.write_bytes_file(file, current.SerializeToString())


class DataGate(BaseComponent):
    """Ends the run when data validation found something, so that no model is trained on such data.

    Refused data never becomes what later data is compared with: running again does not get it through.

    Args:
      statistics: of StatisticsGen.
      schema: of SchemaGen or ImportSchemaGen.
      anomalies: of ExampleValidator.
      previous: the statistics that were accepted last, if a resolver can find them.
      max_drift: largest Jensen-Shannon divergence (0 to 1) and L-infinity distance between the values of a
        feature now and in ``previous``; None compares nothing.
      code_fingerprint: changes when the code does, so that an old verdict is not taken for a current one.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DataGateExecutor)

    def __init__(
        self,
        statistics: BaseChannel,
        schema: BaseChannel,
        anomalies: BaseChannel,
        previous: BaseChannel | None = None,
        max_drift: float | None = None,
        code_fingerprint: str = "",
    ) -> None:
        super().__init__(
            spec=DataGateSpec(
                statistics=statistics,
                schema=schema,
                anomalies=anomalies,
                previous=previous,
                max_drift=max_drift,
                code_fingerprint=code_fingerprint,
                accepted=Channel(type=standard_artifacts.ExampleStatistics),
            )
        )


def _refuse_empty_samples(statistics: Artifact) -> None:
    empty = []
    for split in artifact_utils.decode_split_names(statistics.split_names):
        data_sets = stats_artifact_utils.load_statistics(statistics, split).proto().datasets
        if not sum(data_set.num_examples for data_set in data_sets):
            empty.append(split)
    if empty:
        raise InputError(
            f"There are no statistics of split {', '.join(empty)}: of its examples none was drawn, so nothing can be "
            "said of its data. Raise validation.statistics_sample_rate; 1 takes every example. Examples are drawn in "
            "batches of up to a thousand and more, so a small split is drawn whole or not at all."
        )


def deprecated_in_words(schema: schema_pb2.Schema) -> list[str]:
    """The features that the schema takes out of use, a line each: Transform would not be given them.

    An inferred schema does so with a feature that a whole split lacks.

    Args:
      schema: the data's schema.
    """
    return [
        f"feature {_spelt(feature.name)}: the schema marks it as deprecated. If the schema was inferred, a split has "
        "no value of it among the examples that statistics were made of: raise validation.statistics_sample_rate, fill "
        "the column, or leave it out of the configuration. If it is yours (validation.schema_path), remove the mark."
        for feature in schema.feature
        if feature.lifecycle_stage == schema_pb2.DEPRECATED
    ]


def anomalies_in_words(artifact: Artifact) -> list[str]:
    """What ExampleValidator found, a line each: split, feature, what is wrong.

    Args:
      artifact: ExampleAnomalies.
    """
    lines = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        path = os.path.join(artifact_utils.get_split_uri([artifact], split), ANOMALIES_FILE)
        anomalies = anomalies_pb2.Anomalies.FromString(io_utils.read_bytes_file(path))
        found = dict(anomalies.anomaly_info)
        if anomalies.HasField("dataset_anomaly_info"):
            found["(the whole data set)"] = anomalies.dataset_anomaly_info
        lines += [
            f"split {split}, feature {_spelt(feature)}: {info.short_description}. {info.description}{_advice(info)}"
            for feature, info in sorted(found.items())
        ]
    return lines


def _spelt(feature: str) -> str:
    """A feature's name, and the column's where that is not plain from it."""
    column = None if feature == names.USER_ID else profile_feature(feature)
    return feature if column is None or names.USER_PREFIX + column == feature else f"{feature} (column {column!r})"


def _advice(info: anomalies_pb2.AnomalyInfo) -> str:
    kinds = {reason.type for reason in info.reason}
    if anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES in kinds:
        return " If they are meant, add them to the feature's domain in validation.schema_path, or remove the domain."
    if anomalies_pb2.AnomalyInfo.SCHEMA_NEW_COLUMN in kinds:
        return " If it is meant, describe it in validation.schema_path: a run without one infers a schema to copy from."
    return ""


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
                f"profile feature {_column(name)!r}: values from {found.min:.6g} to {found.max:.6g}, four of five of "
                f"them from {low:.6g} to {high:.6g}. Values outside of about {least:.6g} to {most:.6g} are outliers "
                "and clipped to these bounds, in training and when served. Mend the column if they are typing errors."
            )
    return lines


def _column(feature: str) -> str:
    return profile_feature(feature) or feature


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
        f"feature {_spelt('.'.join(info.path.step))}: drift. The {words[measurement.type]} between the previous run's "
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
