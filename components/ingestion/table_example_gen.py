"""Base classes of the two components that read tables: settings in, Examples out, cached by the tables' content."""

from collections.abc import Sequence
from typing import Any, ClassVar

from tfx.components import FileBasedExampleGen
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

from components.execution import Artifacts
from components.ingestion.executor_io import (
    TablesDriver,
    describe_output,
    input_splits,
    output_splits,
    pack,
    refuse_changed_tables,
    unpack,
)
from components.settings import DataSettings


class TableExecutor(BaseBeamExecutor):
    """Reads tables in :meth:`ingest` and refuses them if they were written to meanwhile.

    Attributes:
      splits: names of the splits that ``ingest`` writes.
    """

    splits: ClassVar[Sequence[str]]

    def ingest(self, settings: DataSettings, max_history: int, directory: str) -> None:
        """Writes the examples of each split.

        Args:
          settings: the tables and how to cut them.
          max_history: T, the largest number of items in a training history.
          directory: where to.

        Raises:
          InputError: the tables cannot be used.
        """
        raise NotImplementedError

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Writes the examples.

        Raises:
          InputError: the tables cannot be used, or are written to meanwhile.
        """
        settings, max_history = unpack(exec_properties)
        examples = describe_output(output_dict, self.splits)
        self.ingest(settings, max_history, examples.uri)
        refuse_changed_tables(exec_properties, examples)


class TableExampleGen(FileBasedExampleGen):
    """Runs again when the content of its tables or the settings have changed.

    Args:
      settings: the tables and how to cut them.
      tables: names of the tables that the component depends on; those that the settings do not name are left out.
      splits: of the output ``examples``.
      max_history: T, the largest number of items in a training history; 0 where there is none.
    """

    DRIVER_CLASS = TablesDriver

    def __init__(
        self, settings: DataSettings, tables: Sequence[str], splits: Sequence[str], max_history: int = 0
    ) -> None:
        super().__init__(
            input_base=settings.directory,
            input_config=input_splits(settings, tables),
            output_config=output_splits(splits),
            custom_config=pack(settings, max_history, tables),
        )
