"""Passes settings and tables to the ingestion executors, and describes their output to TFX."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import struct_pb2
from tfx.components.example_gen import driver, utils
from tfx.components.util import examples_utils
from tfx.orchestration import data_types
from tfx.orchestration.portable import data_types as portable_data_types
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact, artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.execution import Artifacts
from components.ingestion.files.input_key import INPUT_HASHES, InputHashes, input_key
from components.settings import DataSettings
from trainer.errors import InputError
from trainer.storage_paths import join, parent


def input_splits(settings: DataSettings, tables: Sequence[str]) -> example_gen_pb2.Input:
    """The tables that a component reads, for the record: what decides on the cache is :class:`TablesDriver`.

    Args:
      settings: the paths of the tables.
      tables: names of tables; those that the settings do not name are left out.
    """
    paths = {name: getattr(settings, name) for name in tables}
    splits = [example_gen_pb2.Input.Split(name=name, pattern=path) for name, path in paths.items() if path is not None]
    return example_gen_pb2.Input(splits=splits)


def output_splits(names: Sequence[str]) -> example_gen_pb2.Output:
    """The output's splits; the executors divide by their own rule, so that the buckets say nothing."""
    splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in names]
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))


def pack(settings: DataSettings, max_history: int, tables: Sequence[str]) -> example_gen_pb2.CustomConfig:
    """The settings as the component's custom configuration; any change of it makes TFX run the component again.

    Args:
      settings: of the data.
      max_history: T.
      tables: that the component reads, names of settings.
    """
    values = struct_pb2.Struct()
    values.update({"settings": settings.model_dump_json(), "max_history": max_history, "tables": list(tables)})
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(values)
    return config


def unpack(exec_properties: dict[str, Any]) -> tuple[DataSettings, int]:
    """The settings and the largest history that ``pack`` packed."""
    values = _unpack(exec_properties)
    return DataSettings.model_validate_json(values["settings"]), int(values["max_history"])


def _unpack(exec_properties: dict[str, Any]) -> struct_pb2.Struct:
    config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config)
    values = struct_pb2.Struct()
    config.custom_config.Unpack(values)
    return values


def _current_key(exec_properties: dict[str, Any], examples_uri: str) -> str:
    values = _unpack(exec_properties)
    # ROOT/NAME/artifacts/COMPONENT/examples/EXECUTION: both components know the same files.
    hashes = InputHashes(join(parent(examples_uri, 3), INPUT_HASHES))
    key = input_key(DataSettings.model_validate_json(values["settings"]), list(values["tables"]), hashes)
    hashes.save()
    return key


class TablesDriver(driver.FileBasedDriver):
    """Puts the content of the tables into the component's cache key, before TFX looks into the cache.

    TFX's own driver takes sizes and whole seconds of what glob patterns match: a file of the same size written in the
    same second stays unseen, and so does every file below a folder whose name has ``[ ]`` in it.
    """

    def run(self, execution_info: portable_data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Computes the key.

        Raises:
          InputError: a table matches no file or cannot be read.
        """
        self._examples_uri = execution_info.output_dict[standard_component_specs.EXAMPLES_KEY][0].uri
        return super().run(execution_info)

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """The properties with the key; called by ``run``."""
        del pipeline_info, component_info
        key = _current_key(exec_properties, self._examples_uri)
        return {
            **exec_properties,
            utils.FINGERPRINT_PROPERTY_NAME: key,
            utils.SPAN_PROPERTY_NAME: 0,
            utils.VERSION_PROPERTY_NAME: None,
        }


def refuse_changed_tables(exec_properties: dict[str, Any], examples: artifact.Artifact) -> None:
    """Refuses examples of tables that were written to since the driver computed the cache key.

    They would be served later for what the tables were then. Without a key (Kubeflow) nothing is served later.

    Raises:
      InputError: the tables changed.
    """
    before = exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME)
    if before is None or (now := _current_key(exec_properties, examples.uri)) == before:
        return
    settings, _ = unpack(exec_properties)
    changed = [old.partition(":")[0] for old, new in zip(before.split(), now.split(), strict=True) if old != new]
    named = ", ".join(f"{getattr(settings, table)} (data.{table})" for table in changed)
    raise InputError(
        f"{named} in {settings.directory} changed while it was read. Run again when nothing writes to it, or on a copy."
    )


def describe_output(output_dict: Artifacts, splits: Sequence[str]) -> artifact.Artifact:
    """Notes splits and formats on the Examples artifact, and returns it."""
    examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
    examples.split_names = artifact_utils.encode_split_names(list(splits))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    return examples
