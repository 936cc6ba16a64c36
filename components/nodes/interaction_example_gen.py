"""TFX component: reads the interaction log."""

from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

from components.ingestion.cut.hashing import SPLITS
from components.ingestion.files.inputs import reads_users
from components.ingestion.flow import ingest_interactions
from components.ingestion.table_example_gen import TableExampleGen, TableExecutor
from components.settings import DataSettings


class InteractionExecutor(TableExecutor):
    """Runs ``ingest_interactions`` on the Beam runner of the pipeline."""

    splits = SPLITS

    def ingest(self, settings: DataSettings, max_history: int, directory: str) -> None:
        """Writes the splits train, valid and test.

        Raises:
          InputError: the tables cannot be used.
        """
        ingest_interactions(settings, max_history, directory, self._make_beam_pipeline)


class InteractionExampleGen(TableExampleGen):
    """An interaction log as tf.Examples of users' histories and targets, or of impressions (trainer/data/schema.py).

    Output ``examples``: Examples with the splits train, valid and test; beside them in the artifact's
    folder ingestion_report.json (components/ingestion/files/report.py reads it). It depends on the log and the users'
    table.

    Args:
      settings: the tables and how to cut them.
      max_history: T, the largest number of items in a training history.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(InteractionExecutor)

    def __init__(self, settings: DataSettings, max_history: int) -> None:
        tables = ["interactions", *(["users"] if reads_users(settings) else [])]
        super().__init__(settings, tables, SPLITS, max_history)
