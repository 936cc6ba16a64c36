"""TFX component: reads the interaction log."""

from typing import Any

from tfx.components import FileBasedExampleGen
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import artifact

from components.ingestion.cut.hashing import SPLITS
from components.ingestion.executor_io import (
    TablesDriver,
    describe_output,
    input_splits,
    output_splits,
    pack,
    refuse_changed_tables,
    unpack,
)
from components.ingestion.files.inputs import reads_users
from components.ingestion.flow import ingest_interactions
from components.settings import DataSettings


class InteractionExecutor(BaseBeamExecutor):
    """Runs ``ingest_interactions`` on the Beam runner of the pipeline."""

    def Do(
        self,
        input_dict: dict[str, list[artifact.Artifact]],
        output_dict: dict[str, list[artifact.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples.

        Raises:
          InputError: the tables cannot be used, or are written to meanwhile.
        """
        settings, max_history = unpack(exec_properties)
        examples = describe_output(output_dict, SPLITS)
        ingest_interactions(settings, max_history, examples.uri, self._make_beam_pipeline)
        refuse_changed_tables(exec_properties, examples)


class InteractionExampleGen(FileBasedExampleGen):
    """An interaction log as tf.Examples of users' histories and targets, or of impressions (trainer/data/schema.py).

    Output ``examples``: Examples with the splits train, valid and test; beside them in the artifact's
    folder ingestion_report.json (components/ingestion/files/report.py reads it).

    The component runs again when the content of the log or of the users' table, the settings or
    ``code_fingerprint`` have changed.

    Args:
      settings: the tables and how to cut them.
      max_history: T, the largest number of items in a training history.
      code_fingerprint: changes whenever the code does; TFX's cache cannot see that by itself.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(InteractionExecutor)
    DRIVER_CLASS = TablesDriver

    def __init__(self, settings: DataSettings, max_history: int, code_fingerprint: str = ""):
        tables = ["interactions", *(["users"] if reads_users(settings) else [])]
        super().__init__(
            input_base=settings.directory,
            input_config=input_splits(settings, tables),
            output_config=output_splits(SPLITS),
            custom_config=pack(settings, max_history, code_fingerprint, tables),
        )
