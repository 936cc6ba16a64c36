"""Checks of the input tables that need no pass over their rows, before anything runs."""

from dataclasses import dataclass

import pyarrow as pa

from components.ingestion.files.headers import column_names, require_columns
from components.ingestion.files.tables import TableFile, file_bytes, find_files, is_compressed, open_parquet
from components.ingestion.values.times import FORMATS
from components.settings import DataSettings, ItemColumns
from trainer.data.schema import user_feature
from trainer.errors import InputError
from trainer.storage_paths import is_url, join

_TEXT_ROW_BYTES = 30
_COMPRESSED_ROW_BYTES = 8
_ROWS_OF_A_SHARD = 500_000
_MOST_SHARDS = 1024


def table_path(settings: DataSettings, table: str) -> str:
    """The path of a table of the settings; a relative one starts at ``data.directory``."""
    return table if is_url(table) else join(settings.directory, table)


@dataclass(frozen=True)
class Tables:
    """The files of the settings' tables; an optional table that is not given has none."""

    interactions: list[TableFile]
    items: list[TableFile]
    users: list[TableFile]


def reads_users(settings: DataSettings) -> bool:
    """Whether ingestion joins the users' table: it has no use for one without features."""
    return settings.users is not None and bool(settings.user_columns.features)


def find_tables(settings: DataSettings) -> Tables:
    """Finds the files of all tables.

    Raises:
      InputError: see ``tables.find_files``.
    """

    def find(table: str | None, key: str) -> list[TableFile]:
        return find_files(table_path(settings, table), f"data.{key}") if table else []

    return Tables(
        find(settings.interactions, "interactions"), find(settings.items, "items"), find(settings.users, "users")
    )


def check_inputs(settings: DataSettings) -> None:
    """Checks that all tables are there, readable, not empty and have their columns.

    Rows are not read: what is wrong inside them, ingestion counts and reports.

    Raises:
      InputError: the first thing found wrong: what, where and what to do.
    """
    tables = find_tables(settings)
    for name in settings.user_columns.features:
        try:
            user_feature(name)
        except ValueError as error:
            raise InputError(f"data.user_columns.features: {error}") from error
    columns, items, users = settings.columns, settings.item_columns, settings.user_columns
    _check(
        tables.interactions,
        [
            ("data.columns.user", columns.user),
            ("data.columns.item", columns.item),
            ("data.columns.timestamp", columns.timestamp),
            *((f"data.labels.{task}.column", label.column) for task, label in settings.labels.items() if label.column),
        ],
    )
    if settings.labels and (settings.items is None or items.tags is None):
        raise InputError(
            "data.labels are set, but "
            + ("data.items is not: give the table of items, with" if settings.items is None else "no item has a tag:")
            + " data.item_columns.tags should name the column of the items' table that holds their tags, which users "
            "are to be described by (the column of categories will do)."
        )
    _check(tables.items, item_column_keys(items))
    _check(
        tables.users,
        [
            ("data.user_columns.user", users.user),
            *((f"data.user_columns.features.{name}", name) for name in users.features),
        ],
    )


def item_column_keys(items: ItemColumns) -> list[tuple[str, str]]:
    """The columns of the items' table that are read: key of the configuration and name."""
    roles = [
        ("item", items.item),
        ("category", items.category),
        ("tags", items.tags),
        ("title", items.title),
        ("text", items.text),
        *(("attributes", name) for name in items.attributes),
    ]
    return [(f"data.item_columns.{role}", name) for role, name in roles if name is not None]


def _check(files: list[TableFile], wanted: list[tuple[str, str]]) -> None:
    rows = 0
    for file in files:
        require_columns(file, column_names(file), wanted)
        if file.format == "parquet":
            parquet = open_parquet(file.path)
            rows += parquet.metadata.num_rows
            schema = parquet.schema_arrow
            for key, name in wanted:
                if name not in schema.names:
                    continue  # a column of the partitions, which is text
                kind = schema.field(name).type
                is_id = key.endswith(("columns.user", "columns.item"))
                if is_id and pa.types.is_nested(kind):
                    raise InputError(f"Column {name!r} of {file.path} ({key}) is of type {kind}: an id is one value.")
                if key.endswith("timestamp") and (pa.types.is_nested(kind) or pa.types.is_boolean(kind)):
                    raise InputError(
                        f"Column {name!r} of {file.path} ({key}) is of type {kind}, which is not a time. {FORMATS}."
                    )
    if files and files[0].format == "parquet" and not rows:
        raise InputError(f"{files[0].path} has no rows{' (nor has any other file of its table)' * (len(files) > 1)}.")


def shards_for(files: list[TableFile], examples_of_a_row: int = 1) -> int:
    """How many shards keep each at about half a million rows or samples, from the sizes of the log's files."""
    rows = 0
    for file in files:
        if file.format == "parquet":
            rows += open_parquet(file.path).metadata.num_rows
        else:
            rows += file_bytes(file.path) // (_COMPRESSED_ROW_BYTES if is_compressed(file.path) else _TEXT_ROW_BYTES)
    return min(_MOST_SHARDS, max(1, -(-rows * examples_of_a_row // _ROWS_OF_A_SHARD)))
