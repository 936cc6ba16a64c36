"""The same random log as CSV, as TSV-like text and as Parquet of several types makes the same examples."""

import csv
import datetime
import decimal
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.components.ingestion.helpers import examples, ingest, settings_for
from trainer.errors import InputError

_TEXT = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\0"), min_size=0, max_size=6
) | st.sampled_from(["007", "1.0", "12", "12.0", " a", "a ", "A", "nan", "None", '"q"', '"', "a,b", "a;b", "é", "1.50"])
_NUMBER = st.integers(0, 30)

LEAVE_ONE = {"split": {"method": "leave_last_out"}}
_EPOCH = 1_577_966_400
_IDS = {
    "text": (_TEXT, lambda v: v, lambda v: v, pa.string()),
    "int": (_NUMBER, str, lambda v: v, pa.int64()),
    "float": (_NUMBER, lambda v: f"{v}.0", float, pa.float64()),
    "float32": (_NUMBER, lambda v: f"{v}.0", float, pa.float32()),
    "decimal": (_NUMBER, lambda v: f"{v}.00", lambda v: decimal.Decimal(f"{v}.00"), pa.decimal128(12, 2)),
}
"""What is drawn, its text in a CSV, its value in Parquet and the type there."""


def _utc(milliseconds):
    return datetime.datetime(2020, 1, 2, 12) + datetime.timedelta(milliseconds=milliseconds)


_MILLISECONDS = st.integers(0, 4000)
_TIMES = {
    "seconds": (_NUMBER, lambda v: str(_EPOCH + v), lambda v: _EPOCH + v, pa.int64()),
    "milliseconds": (_MILLISECONDS, lambda v: str(_EPOCH * 1000 + v), lambda v: _EPOCH * 1000 + v, pa.uint64()),
    "fractions": (_MILLISECONDS, lambda v: f"{_EPOCH}.{v:04d}", lambda v: float(f"{_EPOCH}.{v:04d}"), pa.float64()),
    "nanoseconds": (_NUMBER, lambda v: str(_EPOCH * 10**9 + v), lambda v: _EPOCH * 10**9 + v, pa.timestamp("ns")),
    "iso": (_MILLISECONDS, lambda v: _utc(v).isoformat(), _utc, pa.timestamp("ms")),
    "position": (_NUMBER, str, lambda v: v, pa.int32()),
}


@st.composite
def logs(draw):
    kinds = [draw(st.sampled_from(sorted(choice))) for choice in (_IDS, _IDS, _TIMES)]
    columns = [choice[kind] for choice, kind in zip((_IDS, _IDS, _TIMES), kinds, strict=True)]
    users, items = (draw(st.lists(column[0], min_size=2, max_size=5, unique=True)) for column in columns[:2])
    each = st.tuples(st.sampled_from(users), st.sampled_from(items), columns[2][0])
    return columns, draw(st.lists(each, min_size=15, max_size=50))


def outcome(directory, name):
    out = directory / f"out-{name}"
    try:
        report = ingest(settings_for(directory, interactions=name, max_bad_rows=1.0, **LEAVE_ONE), out)
    except InputError as error:
        return "refused", str(error).replace(name, "LOG")
    found = {split: examples(out, split) for split in ("train", "valid", "test")}
    table = report.table("interactions")
    counts = {key: count for key, count in report.counts.items() if not key.startswith("times_") and count}
    return found, counts, dict(table.bad), table.rows


@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(log=logs())
def test_the_format_of_a_log_does_not_matter(log):
    columns, rows = log
    names = ("user_id", "item_id", "timestamp")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        texts = [[column[1](value) for column, value in zip(columns, row, strict=True)] for row in rows]
        for name, delimiter, quoting in (("a.csv", ",", csv.QUOTE_MINIMAL), ("b.csv", ";", csv.QUOTE_ALL)):
            with (directory / name).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows([names, *texts])
        native = [pa.array([column[2](row[place]) for row in rows], column[3]) for place, column in enumerate(columns)]
        pq.write_table(
            pa.table(dict(zip(names, native, strict=True))), directory / "c.parquet", version="2.6", row_group_size=7
        )
        as_text = [pa.array(column, pa.string()) for column in zip(*texts, strict=True)]
        pq.write_table(pa.table(dict(zip(names, as_text, strict=True))), directory / "d.parquet")
        found = [outcome(directory, name) for name in ("a.csv", "b.csv", "c.parquet", "d.parquet")]
    assert found[0] == found[1] == found[3]
    event(f"refused: {found[0][0] == 'refused'}")
    if found[0][0] == "refused":
        assert found[2][0] == "refused"
    else:
        assert found[2] == found[0]
        bad = sum(found[0][2].values())
        counts = found[0][1]
        dropped = counts.get("rows_of_rare_items", 0) + counts.get("rows_of_rare_users", 0)
        assert len(rows) == counts["interactions_kept"] + dropped + bad
