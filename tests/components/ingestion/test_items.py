import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.files.report import describe_report, read_report
from components.ingestion.write.catalogue import ingest_items
from components.settings import ItemColumns
from tests.components.ingestion.helpers import examples, log_of, settings_for, write_log
from trainer.errors import InputError

NOTHING = {"category": [], "tags": [], "attributes": [], "title": [], "text": []}


@pytest.fixture
def log(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abc"}))
    return tmp_path


def test_one_example_a_row(log):
    table = pa.table(
        {
            "asin": ["a", "b", "c"],
            "path": [["Food", "Fruit"], None, []],
            "name": ["Apple", None, "Corn"],
            "words": ["red, sweet", "", None],
        }
    )
    pq.write_table(table, log / "items.parquet")
    columns = {"item": "asin", "category": "path", "title": "name", "text": "words"}
    report = ingest_items(settings_for(log, items="items.parquet", item_columns=columns), str(log / "out"))
    assert examples(log / "out", "items") == [
        {
            "item_id": ["a"],
            "category": ["Food", "Fruit"],
            "tags": [],
            "attributes": [],
            "title": ["Apple"],
            "text": ["red, sweet"],
        },
        {"item_id": ["b"], "category": [], "tags": [], "attributes": [], "title": [], "text": []},
        {"item_id": ["c"], "category": [], "tags": [], "attributes": [], "title": ["Corn"], "text": []},
    ]
    assert report.examples["items"] == 3
    assert read_report(str(log / "out")) == report


def test_columns_that_are_not_named_are_empty_features(log):
    (log / "items.csv").write_text('item_id,genres\na,Action|War\n"b",\n')
    columns = {"category": "genres", "category_separator": "|"}
    ingest_items(settings_for(log, items="items.csv", item_columns=columns), str(log / "out"))
    assert examples(log / "out", "items") == [
        {**NOTHING, "item_id": ["a"], "category": ["Action", "War"]},
        {**NOTHING, "item_id": ["b"]},
    ]


def test_attributes_are_columns_of_any_kind_with_one_value_or_several(log):
    table = pa.table(
        {
            "item_id": ["a", "b", "c"],
            "in_stock": [True, False, None],
            "colour": [["red", "dark=blue"], [], None],
            "price class": [3.0, 1.5, 2.0],
        }
    )
    pq.write_table(table, log / "items.parquet")
    columns = {"attributes": ["in_stock", "colour", "price class"], "title": "colour"}
    ingest_items(settings_for(log, items="items.parquet", item_columns=columns), str(log / "out"))
    assert [e["attributes"] for e in examples(log / "out", "items")] == [
        ["in_stock=true", "colour=red", "colour=dark=blue", "price class=3"],
        ["in_stock=false", "price class=1.5"],
        ["price class=2"],
    ]
    (log / "items.csv").write_text("item_id,colour,stock\na,red|blue,yes\nb,,no\n")
    columns = {"attributes": ["stock", "colour"], "attribute_separator": "|"}
    ingest_items(settings_for(log, items="items.csv", item_columns=columns), str(log / "text"))
    assert [e["attributes"] for e in examples(log / "text", "items")] == [
        ["stock=yes", "colour=red", "colour=blue"],
        ["stock=no"],
    ]


def test_values_have_one_spelling_in_every_format(log):
    """What pandas writes into a CSV, what a person writes, and what Parquet holds."""
    (log / "items.csv").write_text(
        "item_id,stock,colour,price,cat\na,TRUE,Red,1.50,1.0\nb,false,red ,1.5,1\n"
        "c, True ,  ,-0.0,2.50|x \nd,1.0,é,007,  \n"
    )
    columns = {"attributes": ["stock", "colour", "price"], "category": "cat", "category_separator": "|"}
    ingest_items(settings_for(log, items="items.csv", item_columns=columns), str(log / "text"))
    assert [(e["category"], e["attributes"]) for e in examples(log / "text", "items")] == [
        (["1"], ["stock=true", "colour=Red", "price=1.5"]),
        (["1"], ["stock=false", "colour=red", "price=1.5"]),
        (["2.5", "x"], ["stock=true", "price=0"]),
        ([], ["stock=1", "colour=é", "price=007"]),
    ]
    table = {
        "item_id": ["a", "b", "c"],
        "stock": [True, False, None],
        "price": [0.25, 1.0, None],
        "n": [1, 2, 30],
        "since": [datetime.date(2024, 1, 1)] * 3,
        "cost": pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.00"), None], pa.decimal128(9, 2)),
        "cat": [1.0, 2.5, None],
    }
    pq.write_table(pa.table(table), log / "items.parquet")
    columns = {"attributes": ["stock", "price", "n", "since", "cost"], "category": "cat"}
    ingest_items(settings_for(log, items="items.parquet", item_columns=columns), str(log / "numbers"))
    assert [(e["category"], e["attributes"]) for e in examples(log / "numbers", "items")] == [
        (["1"], ["stock=true", "price=0.25", "n=1", "since=2024-01-01", "cost=1.5"]),
        (["2.5"], ["stock=false", "price=1", "n=2", "since=2024-01-01", "cost=2"]),
        ([], ["n=30", "since=2024-01-01"]),
    ]


def test_a_missing_attribute_column_is_named(log):
    (log / "items.csv").write_text("item_id,stock\na,yes\n")
    with pytest.raises(
        InputError, match=r"data.item_columns.attributes.*'colour'|'colour'.*data.item_columns.attributes"
    ):
        ingest_items(settings_for(log, items="items.csv", item_columns={"attributes": ["colour"]}), str(log / "out"))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [(["a", "a"], "'a' is named twice"), (["category"], "requests filter by 'category' anyway"), (["a=b"], "pattern")],
)
def test_attributes_have_names_of_their_own(attributes, words):
    with pytest.raises(ValueError, match=words):
        ItemColumns(attributes=attributes)


def test_a_number_is_a_category_by_its_spelling(log):
    pq.write_table(pa.table({"item_id": ["a", "b"], "shelf": [7.0, None]}), log / "items.parquet")
    settings = settings_for(log, items="items.parquet", item_columns={"category": "shelf"})
    ingest_items(settings, str(log / "out"))
    assert [e["category"] for e in examples(log / "out", "items")] == [["7"], []]


def test_titles_may_hold_commas_and_line_breaks(log):
    (log / "items.csv").write_text('item_id,title\na,"One,\ntwo"\nb,"say ""hi"""\n')
    ingest_items(settings_for(log, items="items.csv", item_columns={"title": "title"}), str(log / "out"))
    assert [e["title"] for e in examples(log / "out", "items")] == [["One,\ntwo"], ['say "hi"']]


def test_of_repeated_ids_the_first_row_is_kept(log):
    (log / "items").mkdir()
    for number, rows in enumerate(("a,first\na,second\nb,x\n", "b,y\nc,z\n")):
        (log / "items" / f"{number}.csv").write_text("item_id,title\n" + rows)
    report = ingest_items(settings_for(log, items="items", item_columns={"title": "title"}), str(log / "out"))
    assert [e["title"][0] for e in examples(log / "out", "items")] == ["first", "x", "z"]
    assert report.counts["duplicate_item_rows"] == 2
    assert "item rows that repeat an id, of which the first was kept: 2" in describe_report(report)


def test_null_ids_are_dropped_and_counted_or_refused(log):
    (log / "items.csv").write_text("item_id,title\na,A\n,nobody\nc,C\n")
    settings = {"items": "items.csv", "item_columns": {"title": "title"}}
    report = ingest_items(settings_for(log, max_bad_rows=0.5, **settings), str(log / "out"))
    assert [e["item_id"] for e in examples(log / "out", "items")] == [["a"], ["c"]]
    assert dict(report.table("items").bad) == {"item_id: null or empty id": 1}
    with pytest.raises(InputError, match=r"items.csv, data row 2: item_id: null or empty id"):
        ingest_items(settings_for(log, **settings), str(log / "refused"))
    assert not (log / "refused" / "Split-items").exists()


def test_without_a_table_the_split_is_there_and_empty(log):
    report = ingest_items(settings_for(log), str(log / "out"))
    assert examples(log / "out", "items") == []
    assert len(list((log / "out" / "Split-items").iterdir())) == 1
    assert report.examples["items"] == 0


def test_a_catalogue_of_other_ids_is_refused(log):
    (log / "items.csv").write_text("item_id\nB004\n")
    with pytest.raises(InputError, match=r"None of the log's items \(such as 'a'\).*'B004'"):
        ingest_items(settings_for(log, items="items.csv"), str(log / "out"))


def test_items_of_the_log_without_a_row_are_counted(log):
    (log / "items.csv").write_text("item_id\na\n")
    report = ingest_items(settings_for(log, items="items.csv"), str(log / "out"))
    assert "the catalogue lacks: 2 of 3" in describe_report(report)


def test_tags_have_a_separator_of_their_own(log):
    (log / "items.csv").write_text("item_id,genres,words\na,Action|War,loud;long\nb,Drama,\n")
    columns = {"category": "genres", "category_separator": "|", "tags": "words", "tag_separator": ";"}
    ingest_items(settings_for(log, items="items.csv", item_columns=columns), str(log / "out"))
    assert [e["tags"] for e in examples(log / "out", "items")] == [["loud", "long"], []]
