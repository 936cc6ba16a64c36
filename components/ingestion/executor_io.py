"""How the settings travel into the executors of ingestion, and how their output is described to TFX."""

import glob
import os
from collections.abc import Sequence
from typing import Any

from google.protobuf import struct_pb2
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact, artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.ingestion.tables import is_folder
from components.settings import DataSettings


def input_splits(settings: DataSettings, tables: dict[str, str | None]) -> example_gen_pb2.Input:
    """The files whose change makes TFX run the component again.

    Args:
      settings: holds the directory in which relative paths start.
      tables: name -> path, or None for an optional table that is not given.
    """
    splits = []
    for name, path in tables.items():
        if path is None:
            pattern = f".no-{name}-table"  # matches nothing, and changes once there is a table
        elif is_folder(os.path.join(settings.directory, path)):
            pattern = os.path.join(glob.escape(path), "*")
        else:
            pattern = glob.escape(path)
        splits.append(example_gen_pb2.Input.Split(name=name, pattern=pattern))
    return example_gen_pb2.Input(splits=splits)


def output_splits(names: Sequence[str]) -> example_gen_pb2.Output:
    """The output's splits; the executors divide by their own rule, so that the buckets say nothing."""
    splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in names]
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))


def pack(settings: DataSettings, max_history: int, code_fingerprint: str) -> example_gen_pb2.CustomConfig:
    """The settings as the component's custom configuration; any change of it makes TFX run the component again."""
    values = struct_pb2.Struct()
    values.update(
        {"settings": settings.model_dump_json(), "max_history": max_history, "code_fingerprint": code_fingerprint}
    )
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(values)
    return config


def unpack(exec_properties: dict[str, Any]) -> tuple[DataSettings, int]:
    """The settings and the largest history that ``pack`` packed."""
    config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config)
    values = struct_pb2.Struct()
    config.custom_config.Unpack(values)
    return DataSettings.model_validate_json(values["settings"]), int(values["max_history"])


def describe_output(output_dict: dict[str, list[artifact.Artifact]], splits: Sequence[str]) -> artifact.Artifact:
    """Notes splits and formats on the Examples artifact, and returns it."""
    examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
    examples.split_names = artifact_utils.encode_split_names(list(splits))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    return examples
