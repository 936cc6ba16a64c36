import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipeline.terminal.answer_table import answer_table, explanation_table, profile_table, read_titles, scores_table
from serving.client.answers import Explanation, Recommendation, Recommendations, ScoredTag, TagProfile, TagScores
from trainer.errors import InputError


def _printed(table):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _text(answer, titles):
    return _printed(answer_table(answer, titles))


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


def test_titles_are_found_by_ids_as_ingestion_spells_them(tmp_path):
    pq.write_table(
        pa.table({"item_id": [12.0, None, 2.5], "title": ["Twelve", "none", "x"]}), tmp_path / "items.parquet"
    )
    assert read_titles(tmp_path / "items.parquet")["12"] == "Twelve"


def test_filters_that_match_nothing_are_said():
    told = _text(Recommendations((), False, ("colour=[red]", "x=y")), {})
    assert "No item has colour=[red], x=y: such a value allows nothing and denies nothing." in " ".join(told.split())
    assert "No item has" not in _text(Recommendations((), False), {})


def test_a_title_is_no_markup():
    """Neither brackets, nor a backslash before one, nor what rich would take for a picture."""
    titles = {"1": ":smile: [bold]x[/] \\[y]"}
    assert titles["1"] in _text(Recommendations((Recommendation("1", 0.5, 0, "1"),), False), titles)
    assert titles["1"] in _printed(scores_table(TagScores({"[red]": [0.5]}, [True], False), [titles["1"]]))


def test_a_fallback_is_said():
    assert "popular items" in _text(Recommendations((), True), {})


def test_wrong_tables(tmp_path):
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_titles(tmp_path / "none.parquet")
    pq.write_table(pa.table({"item_id": ["a"]}), tmp_path / "items.parquet")
    with pytest.raises(InputError, match=r"no column 'title'. Its columns: item_id"):
        read_titles(tmp_path / "items.parquet")


def test_profiles_and_scores_of_tags():
    tasks = {"click": (ScoredTag("a [b]", 0.5), ScoredTag("c", 0.25)), "conversion": (ScoredTag("c", 0.125),)}
    text = _printed(profile_table(TagProfile(tasks, False)))
    for words in ("click", "conversion", "a [b]", "0.500", "0.250", "0.125", " 2 "):
        assert words in text
    alone = _printed(profile_table(TagProfile({"click": ()}, True)))
    assert "nobody in particular" in " ".join(alone.split())
    text = _printed(scores_table(TagScores({"click": [0.75, 0.0]}, [True, False], False), ["c", "none"]))
    assert "0.750" in text and "unknown" in text and "0.000" not in text


def test_explanations():
    reasons = [
        Explanation("1", True, 1, (0.25, 0.5), (("2", 0.0), ("3", 0.75), ("x", 0.25))),
        Explanation("?", False, None, (float("-inf"),) * 2, ()),
        Explanation("2", True, None, (float("-inf"),) * 2, ()),
    ]
    text = _printed(explanation_table(reasons, {"1": "One", "3": "Three"}))
    for words in ("One", "0.250", "0.500", "Three (0.75); x (0.25)", "unknown item", "no known history"):
        assert words in text
    assert "inf" not in text and "(0.00)" not in text
