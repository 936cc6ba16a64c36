import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipeline.answer_table import answer_table, read_titles
from serving.answers import Recommendation, Recommendations
from trainer.errors import InputError


def _text(answer, titles):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(answer_table(answer, titles))
    return capture.get()


def test_titles_of_both_formats_and_the_table(tmp_path):
    table = pa.table({"id": [1, 2, 3], "name": ["One [1]", None, "Three"], "other": [0, 0, 0]})
    pq.write_table(table, tmp_path / "items.parquet")
    pa_csv.write_csv(table, tmp_path / "items.csv")
    titles = read_titles(tmp_path / "items.parquet", "id", "name")
    assert titles == {"1": "One [1]", "3": "Three"}
    assert read_titles(tmp_path / "items.csv", "id", "name")["1"] == "One [1]"
    text = _text(Recommendations((Recommendation("1", 0.5, 2, "3"), Recommendation("2", 0.25, 0, "x")), False), titles)
    for words in ("One [1]", "0.500", "Three", " 2 ", "0.250", "x"):
        assert words in text


def test_a_fallback_is_said():
    assert "popular items" in _text(Recommendations((), True), {})


def test_wrong_tables(tmp_path):
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_titles(tmp_path / "none.parquet")
    pq.write_table(pa.table({"item_id": ["a"]}), tmp_path / "items.parquet")
    with pytest.raises(InputError, match="no column 'title'. Its columns: item_id"):
        read_titles(tmp_path / "items.parquet")
