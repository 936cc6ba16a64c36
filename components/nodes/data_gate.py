"""TFX component: gate that refuses data with anomalies or drift."""

import logging
import os

from tensorflow_metadata.proto.v0.anomalies_pb2 import Anomalies
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME as ANOMALIES_FILE
from tfx.components.statistics_gen.stats_artifact_utils import BINARY_PB_BASENAME, load_statistics
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.artifact_utils import decode_split_names, encode_split_names, get_split_uri
from tfx.types.standard_artifacts import ExampleAnomalies, ExampleStatistics, Schema
from tfx.utils import io_utils

from components.validation.anomalies import anomalies_in_words, deprecated_in_words, refuse_empty_samples
from components.validation.drift import drift_in_words
from components.validation.outliers import outliers_in_words
from trainer.data.schema import TRAIN_SPLIT
from trainer.errors import GateRefused

progress = logging.getLogger("polyrec.progress")


@component
def DataGate(
    statistics: InputArtifact[ExampleStatistics],
    schema: InputArtifact[Schema],
    anomalies: InputArtifact[ExampleAnomalies],
    accepted: OutputArtifact[ExampleStatistics],
    previous: InputArtifact[ExampleStatistics] = None,
    max_drift: Parameter[float] = None,
) -> None:
    """Ends the run when data validation found something, so that no model is trained on such data.

    Refused data never becomes what later data is compared with: running again does not get it through.

    Args:
      statistics: of StatisticsGen.
      schema: of SchemaGen or ImportSchemaGen.
      anomalies: of ExampleValidator.
      accepted: gets the statistics of the training split, what the next run's are compared with.
      previous: the statistics that were accepted last, if a resolver can find them.
      max_drift: largest Jensen-Shannon divergence (0 to 1) and L-infinity distance between the values of a
        feature now and in ``previous``; None compares nothing.

    Raises:
      GateRefused: there is an anomaly or too much drift; the message holds all of them in words.
      InputError: the statistics are of no example of a split.
    """
    found = {split: load_statistics(statistics, split).proto() for split in decode_split_names(statistics.split_names)}
    refuse_empty_samples(found)
    expected, current = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri)), found[TRAIN_SPLIT]
    reasons: list[str] = []
    for split in decode_split_names(anomalies.split_names):
        file = os.path.join(get_split_uri([anomalies], split), ANOMALIES_FILE)
        reasons += anomalies_in_words(split, Anomalies.FromString(io_utils.read_bytes_file(file)))
    reasons += deprecated_in_words(expected)
    if previous and max_drift is not None:
        reasons += drift_in_words(expected, load_statistics(previous, TRAIN_SPLIT).proto(), current, max_drift)
    if reasons:
        raise GateRefused("Data validation found anomalies:\n" + "\n".join(f"  {reason}" for reason in reasons))
    for words in outliers_in_words(current):
        progress.warning(words)
    accepted.split_names = encode_split_names([TRAIN_SPLIT])
    file = os.path.join(get_split_uri([accepted], TRAIN_SPLIT), BINARY_PB_BASENAME)
    io_utils.write_bytes_file(file, current.SerializeToString())
