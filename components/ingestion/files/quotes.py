"""Quotation marks in CSV: checks that they are closed and swallow no rows."""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from components.ingestion.files.headers import TextHead
from components.ingestion.files.tables import TableFile, open_text
from trainer.errors import InputError

OVER_LINES = "rows that run over several lines, with line breaks inside quotation marks"

_QUOTE, _LINE_FEED, _CARRIAGE_RETURN = b'"\n\r'
_SHOWN = 80
_KEPT = 200
_MOST_SHAPES = 1000


class CheckedText(io.RawIOBase):
    """The bytes of a CSV file from the line with the names on, checked while they are read.

    To a CSV parser, a quotation mark at the start of a field begins a quoted one, however far away its end is and
    whatever follows that end: a stray mark turns many rows into one, without an error. Blocks in which every mark
    stands where it may, and no quoted field holds a line break, pass by a few array operations; otherwise the whole
    file is read row by row, once.

    Args:
      file: of the format "csv".
      head: how it begins.
      key: the column of ids, by which a line is known for a row.

    Raises:
      InputError: on reading, at the first row that a stray mark makes unreadable.
    """

    def __init__(self, file: TableFile, head: TextHead, key: str) -> None:
        self._file, self._head, self._key = file, head, key
        self._source: pa.NativeFile = open_text(file)
        self._source.read(head.skipped)
        self._marks = 0  # quotation marks so far
        self._before, self._held = b"\n", b""
        self.was_doubtful = False
        """Whether the file was read row by row."""
        self.notes: Counter[str] = Counter()
        """What is worth telling of the rows, and of how many; whole when the file is read to its end."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, or all that are left.

        Raises:
          InputError: a row that a stray mark makes unreadable is among them, or behind them.
        """
        block: bytes = self._source.read(size) if size >= 0 else self._source.read()
        if not self.was_doubtful and self._is_doubtful(block):
            self.was_doubtful = True
            self.notes = check_rows(self._file, self._head, self._key)
        return block

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            self._source.close()
        super().close()

    def _is_doubtful(self, block: bytes) -> bool:
        """Whether a mark stands where it may not, or a line break between marks; the last byte is held for the next."""
        text = self._held + (block or b"\n")
        if self._marks % 2 == 0 and b'"' not in text:
            self._before, self._held = text[-2:-1] or self._before, text[-1:]
            return False
        data = np.frombuffer(self._before + text, np.uint8)
        self._before, self._held = text[-2:-1] or self._before, text[-1:]
        marks = 1 + np.flatnonzero(data[1:-1] == _QUOTE)
        opens = (self._marks + np.arange(len(marks))) % 2 == 0
        neighbours = np.where(opens, data[marks - 1], data[marks + 1])
        allowed = np.zeros(256, dtype=bool)
        allowed[[_QUOTE, _LINE_FEED, _CARRIAGE_RETURN, ord(self._head.delimiter)]] = True
        breaks = 1 + np.flatnonzero((data[1:-1] == _LINE_FEED) | (data[1:-1] == _CARRIAGE_RETURN))
        inside = (self._marks + np.searchsorted(marks, breaks)) % 2 == 1
        self._marks += len(marks)
        never_closed = not block and self._marks % 2 == 1
        return bool(not allowed[neighbours].all() or inside.any() or never_closed)


def check_rows(file: TableFile, head: TextHead, key: str) -> Counter[str]:
    """Looks at a CSV file row by row.

    A row may run over several lines, of a text between quotation marks. A stray mark looks the same, but the lines it
    swallowed are rows: one of them has in the column of ids what looks like the ids of the other rows (numbers of
    digits and letters apart, as in ``i17`` and ``i203``).

    Args:
      file: of the format "csv".
      head: how it begins.
      key: the column of ids.

    Returns:
      How many rows run over several lines, under OVER_LINES.

    Raises:
      InputError: text behind a closing mark, a mark that is never closed, or a row among whose lines there are rows.
    """
    csv.field_size_limit(sys.maxsize)
    place = head.names.index(key) if key in head.names else 0
    shapes: set[str] = set()
    over: list[tuple[int, set[str], str]] = []  # number of a row, shapes of the ids that its lines would have, text
    with open_text(file) as source:
        source.read(head.skipped)
        lines = _Lines(io.TextIOWrapper(source, encoding="latin-1", newline=""))
        rows = csv.reader(lines, delimiter=head.delimiter, strict=True)
        number = -1  # of the line with the names
        try:
            for row in rows:
                seen = lines.since_last()
                number += bool(row)
                if len(seen) > 1:
                    fields = (line.split(head.delimiter) for line in seen[1:])
                    ids = {_shape(field[place]) for field in fields if len(field) > max(place, 1)}
                    over.append((number, ids, "".join(seen)[:_KEPT]))
                elif number > 0 and place < len(row) and len(shapes) < _MOST_SHAPES:
                    shapes.add(_shape(row[place]))
        except csv.Error as error:
            text = "".join(lines.since_last())
            if "unexpected end" in str(error):
                what = "runs over several lines to the end, from a quotation mark that is never closed"
                raise _stray(file, number + 1, what, text) from error
            raise _stray(file, number + 1, "has text behind a closing quotation mark", text) from error
    for number, ids, text in over:
        if ids & shapes:
            raise _stray(file, number, "runs over several lines, and some of them are rows of the table", text)
    return Counter({OVER_LINES: len(over)})


def _shape(text: str) -> str:
    """What an id looks like: runs of digits and of letters, and all else as it is."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text.strip().strip('"')))


class _Lines:
    """Lines of a text, and those that were handed out since last asked."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._seen = text, list[str]()

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self._seen.append(line)
            yield line

    def since_last(self) -> list[str]:
        seen, self._seen = self._seen, []
        return seen


def _stray(file: TableFile, row: int, what: str, text: str) -> InputError:
    shown = text.encode("latin-1")[:_SHOWN].decode("utf-8", "replace")
    return InputError(
        f"Data row {row} of {file.path} {what}: {shown!r}. Rows would be lost in it: put a text with quotation marks "
        "in quotation marks and double those inside, or save the table as .tsv, where they are ordinary characters."
    )
