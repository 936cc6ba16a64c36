"""TFX component: reads the catalogue."""

from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

from components.ingestion.table_example_gen import TableExampleGen, TableExecutor
from components.ingestion.write.catalogue import ITEMS_SPLIT, ingest_items
from components.settings import DataSettings


class ItemExecutor(TableExecutor):
    """Runs ``ingest_items``; a catalogue is streamed by one process and needs no Beam runner."""

    splits = (ITEMS_SPLIT,)

    def ingest(self, settings: DataSettings, max_history: int, directory: str) -> None:
        """Writes the split items; a catalogue has no histories.

        Raises:
          InputError: the table cannot be used.
        """
        del max_history
        ingest_items(settings, directory)


class ItemExampleGen(TableExampleGen):
    """The items' table as tf.Examples, one a row: item_id, category (coarse to fine), title, text.

    Output ``examples``: Examples with the one split "items", empty if the settings name no table; beside
    it ingestion_report.json. It depends on the table and on the log: what the table lacks is a matter of both.

    Args:
      settings: the table and its columns.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(ItemExecutor)

    def __init__(self, settings: DataSettings) -> None:
        tables = [] if settings.items is None else ["items", "interactions"]
        super().__init__(settings, tables, ItemExecutor.splits)
