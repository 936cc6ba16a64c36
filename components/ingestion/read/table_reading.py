"""Reads the tables of a log on Beam, keyed by user shard."""

from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam

from components.ingestion.cut.item_counts import count_items
from components.ingestion.cut.partition import by_shard, to_ipc
from components.ingestion.cut.sequences import ITEM
from components.ingestion.files.inputs import Tables, reads_users
from components.ingestion.files.report import Report, merge_reports, write_report
from components.ingestion.files.tables import TableFile
from components.ingestion.read.batches import Piece, list_pieces
from components.ingestion.read.interactions import read_interactions
from components.ingestion.read.user_table import read_profiles
from components.settings import DataSettings
from trainer.errors import InputError

REPORT, COUNTS, ROWS = "report", "counts", "rows"
INTERACTIONS, USERS = "interactions", "users"
_Keyed = tuple[int, bytes]


def read_table(
    pipeline: beam.Pipeline, name: str, files: Sequence[TableFile], settings: DataSettings, shards: int
) -> beam.pvalue.DoOutputsTuple:
    """Reads a table.

    Args:
      pipeline: to add to.
      name: INTERACTIONS or USERS.
      files: of the table.
      settings: of the columns.
      shards: number of shards.

    Returns:
      ROWS (shard, Arrow IPC), REPORT and, of interactions, COUNTS of items; the keys of the latter two are 0.
    """
    return (
        pipeline
        | f"{name}: files" >> beam.Create(list_pieces(files))
        | f"{name}: spread" >> beam.Reshuffle()
        | f"{name}: read"
        >> beam.ParDo(ReadTable(settings, shards, name))
        .with_output_types(tuple[int, bytes])
        .with_outputs(REPORT, COUNTS, main=ROWS)
    )


def read_log(
    pipeline: beam.Pipeline, settings: DataSettings, tables: Tables, shards: int
) -> tuple[dict[str, beam.PCollection], list[beam.PCollection], beam.PCollection]:
    """Reads the log and, where its settings use one, the users' table.

    Returns:
      table -> rows by shard; the reports of both; and the counts of items.
    """
    log = read_table(pipeline, INTERACTIONS, tables.interactions, settings, shards)
    rows, reports = {INTERACTIONS: log[ROWS]}, [log[REPORT]]
    if reads_users(settings):
        people = read_table(pipeline, USERS, tables.users, settings, shards)
        rows[USERS] = people[ROWS]
        reports.append(people[REPORT])
    return rows, reports, log[COUNTS]


def keep_reports(reports: list[beam.PCollection], directory: str) -> None:
    """Merges what was reported and writes it to ``directory``."""
    _ = (
        tuple(reports)
        | "reports" >> beam.Flatten()
        | "reports' text" >> beam.Values()
        | "merged" >> beam.CombineGlobally(merge_json)
        | "kept" >> beam.Map(lambda text: write_report(Report.from_json(text.decode()), directory))
    )


def merge_json(texts: Iterable[bytes]) -> bytes:
    """Reports as JSON, merged; of none an empty one."""
    return merge_reports(Report.from_json(text.decode()) for text in texts).to_json().encode()


class ReadTable(beam.DoFn):
    """Reads pieces; emits rows by shard, item counts and reports, each as a key and bytes."""

    def __init__(self, settings: DataSettings, shards: int, table: str):
        self._settings = settings.model_dump_json()
        self._shards = shards
        self._table = table

    def process(self, piece: Piece) -> Iterator[beam.pvalue.TaggedOutput | _Keyed]:
        settings = DataSettings.model_validate_json(self._settings)
        try:
            if self._table == INTERACTIONS:
                for batch, report in read_interactions(piece, settings, settings.labels):
                    yield beam.pvalue.TaggedOutput(REPORT, (0, report.to_json().encode()))
                    items = batch.column(batch.schema.get_field_index(ITEM))
                    yield beam.pvalue.TaggedOutput(COUNTS, (0, count_items(items)))
                    for shard, rows in by_shard(batch, self._shards):
                        yield shard, to_ipc(rows)
            else:
                for batch, table in read_profiles(piece, settings.user_columns, not settings.drop_null_like_ids):
                    yield beam.pvalue.TaggedOutput(REPORT, (0, Report({USERS: table}).to_json().encode()))
                    for shard, rows in by_shard(batch, self._shards):
                        yield shard, to_ipc(rows)
        except InputError as error:  # carried out in words: Beam would wrap an exception
            yield beam.pvalue.TaggedOutput(REPORT, (0, Report(failures=[str(error)]).to_json().encode()))
