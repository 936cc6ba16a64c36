"""TFX component: the data schema, inferred or curated, without bounds that ordinary growth breaks.

TensorFlow Data Validation infers a schema from what it is shown: a history of 3 to 11 items, a bucket that is one of
two. Frozen and held against later data, such a schema refuses a log that has merely grown. What is structural stays as
strict as it is written: which features there are, their types, that they are present, and domains of numbers.
"""

import hashlib
import os
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen import executor as schema_gen_executor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from trainer.data import schema as names
from trainer.errors import InputError

SCHEMA_FILE = schema_gen_executor.DEFAULT_FILE_NAME

_LISTS = (names.HISTORY, names.HISTORY_TIME, names.TARGETS, names.ITEM)
_IDS = (names.HISTORY, names.TARGETS, names.ITEM, names.USER_ID, names.HISTORY_BUCKET)
_MAYBE_EMPTY = (names.HISTORY, names.HISTORY_TIME, names.TARGETS)
_OF_LABELS = (names.label_feature(""), names.weight_feature(""))


def without_growth(schema: schema_pb2.Schema, inferred: bool) -> schema_pb2.Schema:
    """The schema without what changes as a log grows.

    Lists (histories, targets, items shown and their labels, lists of profile values) may have any length, ids and
    buckets of histories any value; in a log of impressions a history may be empty. Of profile features an inferred
    schema loses the list of values seen as well: tomorrow's users have another. In a curated one it stays, because
    somebody may have written it.

    Args:
      schema: the data's schema; it is not changed.
      inferred: whether it was inferred from the data that it will judge.
    """
    relaxed = schema_pb2.Schema()
    relaxed.CopyFrom(schema)
    impressions = any(feature.name == names.ITEM for feature in schema.feature)
    for feature in relaxed.feature:
        if feature.name in _LISTS or feature.name.startswith(_OF_LABELS) or feature.value_count.max != 1:
            feature.ClearField("value_count")
        if impressions and feature.name in _MAYBE_EMPTY:
            feature.presence.ClearField("min_fraction")
        profile = feature.name.startswith(names.USER_PREFIX) and feature.name != names.USER_ID
        if feature.name in _IDS or (profile and inferred):
            for field in ("domain", "string_domain", "distribution_constraints"):
                feature.ClearField(field)
    used = {feature.domain for feature in relaxed.feature if feature.HasField("domain")}
    kept = [domain for domain in relaxed.string_domain if domain.name in used]
    del relaxed.string_domain[:]
    relaxed.string_domain.extend(kept)
    return relaxed


class InferredSchemaSpec(ComponentSpec):
    """What SchemaGen reads and writes; its shapes are never inferred, because a request may lack any feature."""

    PARAMETERS = {"code_fingerprint": ExecutionParameter(type=str)}
    INPUTS = {"statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics)}
    OUTPUTS = {"schema": ChannelParameter(type=standard_artifacts.Schema)}


class InferredSchemaExecutor(schema_gen_executor.Executor):
    """TFX's SchemaGen, and then :func:`without_growth`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes a schema that all splits agree with."""
        super().Do(input_dict, output_dict, {**exec_properties, "infer_feature_shape": False})
        path = os.path.join(artifact_utils.get_single_uri(output_dict["schema"]), SCHEMA_FILE)
        io_utils.write_pbtxt_file(path, without_growth(io_utils.SchemaReader().read(path), inferred=True))


class InferredSchema(BaseComponent):
    """Infers the schema from the statistics of all splits. What it writes can be frozen as ``validation.schema_path``.

    Args:
      statistics: of StatisticsGen.
      code_fingerprint: of the code that relaxes it; a change infers anew.
    """

    SPEC_CLASS = InferredSchemaSpec
    EXECUTOR_SPEC = ExecutorClassSpec(InferredSchemaExecutor)

    def __init__(self, statistics: BaseChannel, code_fingerprint: str = "") -> None:
        super().__init__(
            spec=InferredSchemaSpec(
                statistics=statistics,
                code_fingerprint=code_fingerprint,
                schema=Channel(type=standard_artifacts.Schema),
            )
        )


class CuratedSchemaSpec(ComponentSpec):
    """Where the curated schema stands, and what it was when the pipeline was made."""

    PARAMETERS = {
        "schema_file": ExecutionParameter(type=str),
        "content": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {"schema": ChannelParameter(type=standard_artifacts.Schema)}


class CuratedSchemaExecutor(BaseExecutor):
    """Reads a schema that somebody keeps beside the configuration, and applies :func:`without_growth`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the schema.

        Raises:
          InputError: there is no such file, or it holds no schema.
        """
        schema = without_growth(read_schema(exec_properties["schema_file"]), inferred=False)
        uri = artifact_utils.get_single_uri(output_dict["schema"])
        io_utils.write_pbtxt_file(os.path.join(uri, SCHEMA_FILE), schema)


class CuratedSchema(BaseComponent):
    """Takes the schema from a file.

    Args:
      schema_file: text form of a tensorflow.metadata.v0.Schema.
      content: see :func:`content_of`: an edited file has the same path. "" where it cannot be seen yet.
      code_fingerprint: of the code that relaxes it.
    """

    SPEC_CLASS = CuratedSchemaSpec
    EXECUTOR_SPEC = ExecutorClassSpec(CuratedSchemaExecutor)

    def __init__(self, schema_file: str, content: str = "", code_fingerprint: str = "") -> None:
        super().__init__(
            spec=CuratedSchemaSpec(
                schema_file=schema_file,
                content=content,
                code_fingerprint=code_fingerprint,
                schema=Channel(type=standard_artifacts.Schema),
            )
        )


def content_of(schema_file: str) -> str:
    """The SHA-256 of a schema that can be read.

    Raises:
      InputError: see :func:`read_schema`.
    """
    return hashlib.sha256(read_schema(schema_file).SerializeToString(deterministic=True)).hexdigest()


def read_schema(path: str) -> schema_pb2.Schema:
    """Reads ``validation.schema_path``.

    Raises:
      InputError: there is no such file, or it holds no schema.
    """
    if not fileio.exists(path) or fileio.isdir(path):
        what = "is a folder" if fileio.exists(path) else "does not exist"
        raise InputError(f"validation.schema_path: {path} {what}. Give a schema.pbtxt, or leave it out to infer one.")
    try:
        with fileio.open(path, "rb") as file:
            text = bytes(file.read()).decode("utf-8")
        schema = text_format.Parse(text, schema_pb2.Schema())
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"validation.schema_path: {path} cannot be read: {error}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(
            f"validation.schema_path: {path} is not a schema (text form of tensorflow.metadata.v0.Schema), "
            f"line:column {error}"
        ) from error
    if not schema.feature:
        raise InputError(f"validation.schema_path: {path} describes no feature. Copy the schema.pbtxt of a run.")
    return schema
