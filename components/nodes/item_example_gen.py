"""TFX component: reads the catalogue."""

from typing import Any

from tfx.components import FileBasedExampleGen
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import artifact

from components.ingestion.executor_io import (
    TablesDriver,
    describe_output,
    input_splits,
    output_splits,
    pack,
    refuse_changed_tables,
    unpack,
)
from components.ingestion.write.catalogue import ITEMS_SPLIT, ingest_items
from components.settings import DataSettings


class ItemExecutor(BaseBeamExecutor):
    """Runs ``ingest_items``; a catalogue is streamed by one process and needs no Beam runner."""

    def Do(
        self,
        input_dict: dict[str, list[artifact.Artifact]],
        output_dict: dict[str, list[artifact.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples.

        Raises:
          InputError: the table cannot be used, or is written to meanwhile.
        """
        settings, _ = unpack(exec_properties)
        examples = describe_output(output_dict, [ITEMS_SPLIT])
        ingest_items(settings, examples.uri)
        refuse_changed_tables(exec_properties, examples)


class ItemExampleGen(FileBasedExampleGen):
    """The items' table as tf.Examples, one a row: item_id, category (coarse to fine), title, text.

    Output ``examples``: Examples with the one split "items", empty if the settings name no table; beside
    it ingestion_report.json. The component runs again when the content of the table or of the log, the settings
    or ``code_fingerprint`` have changed: what the table lacks is a matter of both.

    Args:
      settings: the table and its columns.
      code_fingerprint: changes whenever the code does; TFX's cache cannot see that by itself.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(ItemExecutor)
    DRIVER_CLASS = TablesDriver

    def __init__(self, settings: DataSettings, code_fingerprint: str = ""):
        tables = [] if settings.items is None else ["items", "interactions"]
        super().__init__(
            input_base=settings.directory,
            input_config=input_splits(settings, tables),
            output_config=output_splits([ITEMS_SPLIT]),
            custom_config=pack(settings, 0, code_fingerprint, tables),
        )
