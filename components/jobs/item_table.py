"""Reads the items' table into memory, for item changes without training."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.ingestion.files.headers import column_names, require_columns
from components.ingestion.files.inputs import item_column_keys, table_path
from components.ingestion.files.report import Report
from components.ingestion.files.tables import find_files
from components.ingestion.read.batches import list_pieces, refuse_too_many_bad_rows
from components.ingestion.write.catalogue import read_items
from components.settings import DataSettings
from components.text.texts import text_of
from serving.publish.item_changes import Known
from trainer.data import schema
from trainer.errors import InputError


@dataclass(frozen=True)
class ItemTable:
    """What the table says.

    Attributes:
      known: item -> categories and attributes; of several rows of an item the first counts.
      texts: item -> its text, "" where it has none.
      names: attributes that the table has.
      categories: whether it has a column of categories.
      path: where it is.
    """

    known: dict[bytes, Known] = field(default_factory=dict)
    texts: dict[bytes, str] = field(default_factory=dict)
    names: tuple[bytes, ...] = ()
    categories: bool = False
    path: str = ""


def read_item_table(settings: DataSettings, fields: Sequence[str] | None = None) -> ItemTable:
    """Reads the table of ``data.items``.

    Args:
      settings: where it is, and its columns.
      fields: what is joined to an item's text, see :func:`components.text.texts.read_texts`.

    Raises:
      InputError: there is none, or it cannot be used.
    """
    if settings.items is None:
        raise InputError("data.items is not set: give the table of items in the configuration, or with --items.")
    columns, path = settings.item_columns, table_path(settings, settings.items)
    files, report = find_files(path, "data.items"), Report()
    for file in files:
        require_columns(file, column_names(file), item_column_keys(columns))
    by_category = columns.category is not None
    names = [*([schema.CATEGORY] if by_category else []), *columns.attributes]
    table = ItemTable(names=tuple(name.encode() for name in names), categories=by_category, path=path)
    for piece in list_pieces(files):
        for batch in read_items(piece, settings, report):
            features = {name: batch.column(number).to_pylist() for number, name in enumerate(batch.schema.names)}
            for row, item in enumerate(features[schema.ITEM_ID]):
                if (key := item.encode()) not in table.known:
                    lists = {name: values[row] for name, values in features.items() if name != schema.ITEM_ID}
                    said = {name: [value.encode() for value in values] for name, values in lists.items()}
                    by_name = [schema.CATEGORY.encode() + b"=" + category for category in said[schema.CATEGORY]]
                    table.known[key] = Known(said[schema.CATEGORY], [*by_name, *said[schema.ATTRIBUTES]])
                    table.texts[key] = text_of(said, fields)
    refuse_too_many_bad_rows("items", report.table("items"), settings.max_bad_rows, path)
    return table
