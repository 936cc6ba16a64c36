"""Bad impression logs are refused in words, and nothing of them is written."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.files.inputs import check_inputs
from components.ingestion.files.report import describe_report
from components.ingestion.write.catalogue import ingest_items
from tests.components.ingestion.helpers import ingest
from tests.components.ingestion.impression_helpers import (
    CHAIN,
    CLICK,
    LEAVE_ONE,
    filler,
    impressions_of,
    settings_of,
    users_in,
    write_impressions,
    write_tags,
)
from trainer.errors import InputError

[TRAIN] = users_in("train")
ROWS = [*filler("train"), *filler("valid"), *filler("test")]


def refused(settings, directory):
    with pytest.raises(InputError) as caught:
        ingest(settings, directory / "out")
    left = [path.name for path in (directory / "out").glob("*")] if (directory / "out").exists() else []
    assert not [name for name in left if name.startswith("Split-") or name.endswith(".json")]
    return str(caught.value)


def test_a_label_without_its_column(tmp_path):
    words = refused(impressions_of(tmp_path, ROWS, labels={"click": {"column": "clicks"}}), tmp_path)
    assert "has no column 'clicks' (data.labels.click.column)" in words and "The nearest is 'click'" in words


def test_a_label_of_text_that_is_no_number(tmp_path):
    rows = [(*row[:3], "yes" if row[3] else "no", row[4]) for row in ROWS]
    words = refused(impressions_of(tmp_path, rows), tmp_path)
    assert f"Column 'click' of {tmp_path}/log.parquet is a label, and its text such as 'yes' is no number" in words
    assert "Give numbers, true and false, or text that holds them. Or set data.labels to another column." in words


def test_some_text_that_is_no_number_is_a_bad_row(tmp_path):
    rows = [(*row[:3], "1" if row[3] else "0", row[4]) for row in ROWS]
    rows[0] = (*rows[0][:3], "yes", 5.0)
    words = refused(impressions_of(tmp_path, rows), tmp_path)
    assert "log.parquet, data row 1: click: not a number ('yes')" in words
    report = ingest(impressions_of(tmp_path, rows, max_bad_rows=0.1), tmp_path / "out")
    assert report.tables["interactions"].bad == {"click: not a number": 1}


@pytest.mark.parametrize("values", [pa.array([[1]] * len(ROWS)), pa.array([0] * len(ROWS), pa.timestamp("ms"))])
def test_a_label_of_a_type_that_is_none(tmp_path, values):
    settings = impressions_of(tmp_path, ROWS)
    table = pq.read_table(tmp_path / "log.parquet")
    pq.write_table(table.set_column(3, "click", values), tmp_path / "log.parquet")
    kind = pq.read_schema(tmp_path / "log.parquet").field("click").type
    words = refused(settings, tmp_path)
    assert "Column 'click' of" in words and f"is of type {kind}, which is no label" in words


def test_a_label_that_is_always_0(tmp_path):
    labels = {**CLICK, "conversion": {"column": "rating", "at_least": 7, "among": "click"}}
    words = refused(impressions_of(tmp_path, ROWS, labels=labels), tmp_path)
    assert f"The label 'conversion' (column 'rating', at_least 7) of {tmp_path}/log.parquet is 0 in all 4" in words
    assert "training impressions with click. Lower data.labels.conversion.at_least" in words


def test_a_label_that_is_always_1_names_the_samples_as_the_way_out(tmp_path):
    words = refused(impressions_of(tmp_path, ROWS, labels={"click": {}}), tmp_path)
    assert "The label 'click' (without a column)" in words and "is 1 in all 6 training impressions" in words
    assert "set data.sampled_impressions (such as 4)" in words and "data.labels.click.column" in words


def test_a_later_label_that_is_always_1_is_not_helped_by_samples(tmp_path):
    labels = {**CLICK, "conversion": {"column": "rating", "at_least": 0, "among": "click"}}
    words = refused(impressions_of(tmp_path, ROWS, labels=labels), tmp_path)
    assert "is 1 in all 4 training impressions with click. Raise data.labels.conversion.at_least" in words
    assert "sampled_impressions" not in words


def test_a_label_of_no_value(tmp_path):
    rows = [(*row[:4], None) for row in ROWS]
    settings = impressions_of(tmp_path, rows)
    assert "counts nowhere: none of the training impressions with click has a value" in refused(settings, tmp_path)


def test_histories_that_are_all_too_short(tmp_path):
    words = refused(impressions_of(tmp_path, ROWS, min_history=5), tmp_path)
    assert "The split 'train' of" in words and "fewer than data.min_history = 5 items with the label 'click'" in words


def test_an_empty_log(tmp_path):
    settings = impressions_of(tmp_path, ROWS)
    pq.write_table(pq.read_table(tmp_path / "log.parquet").slice(0, 0), tmp_path / "log.parquet")
    assert "has no rows" in refused(settings, tmp_path)


def test_no_item_and_no_user_is_kept(tmp_path):
    labels = {"labels": {"click": {}}, "sampled_impressions": 2}
    assert "none of its 3 items has" in refused(impressions_of(tmp_path, ROWS, min_item_count=99, **labels), tmp_path)
    assert "none of its 6 users has" in refused(impressions_of(tmp_path, ROWS, min_user_count=99, **labels), tmp_path)


def test_nothing_is_held_out_of_few_users(tmp_path):
    rows = filler("train")
    assert "The split 'valid' is empty" in refused(impressions_of(tmp_path, rows), tmp_path)
    rows[0] = (*rows[0][:3], False, 5.0)
    report = ingest(impressions_of(tmp_path, rows, **LEAVE_ONE, labels=CLICK), tmp_path / "out")
    assert dict(report.examples) == {"train": 2, "valid": 2, "test": 2}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"items": None}, "data.items is not: give the table of items"),
        ({"item_columns": {}}, "data.item_columns.tags should name the column"),
        ({"item_columns": {"tags": "tag"}}, "has no column 'tag' (data.item_columns.tags)"),
    ],
)
def test_labels_need_tags(tmp_path, values, words):
    impressions_of(tmp_path, ROWS)
    with pytest.raises(InputError) as caught:
        check_inputs(settings_of(tmp_path, **values))
    assert words in str(caught.value)


def test_items_without_tags_are_counted(tmp_path):
    write_impressions(tmp_path / "log.parquet", ROWS)
    write_tags(tmp_path / "items.parquet", {"a": ["x"], "b": [], "c": None, "d": ["", "y"]})
    report = ingest_items(settings_of(tmp_path), str(tmp_path / "out"))
    assert report.counts["items_without_tags"] == 2
    assert "items without a tag: 2" in describe_report(report)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"a": [], "b": [], "c": [""]}, "None of the 3 items of"),
        ({"a": [], "b": [], "z": ["x"]}, "None of the log's items that are in the table of"),
    ],
)
def test_items_without_any_tag_are_refused_with_labels_only(tmp_path, tags, words):
    write_impressions(tmp_path / "log.parquet", ROWS)
    write_tags(tmp_path / "items.parquet", tags)
    with pytest.raises(InputError) as caught:
        ingest_items(settings_of(tmp_path), str(tmp_path / "out"))
    assert words in str(caught.value) and "has a tag in column 'tags'" in str(caught.value)
    assert "Set data.item_columns.tags" in str(caught.value)
    assert not (tmp_path / "out" / "Split-items").exists()
    ingest_items(settings_of(tmp_path, labels={}, min_history=1), str(tmp_path / "out"))


def test_the_report_counts_labels(tmp_path):
    report = ingest(impressions_of(tmp_path, ROWS, labels=CHAIN), tmp_path / "out")
    # Of each training user a and b are clicked, and a is liked.
    assert report.label("train", "click") == (4, 6) and report.label("train", "conversion") == (2, 4)
    assert "  conversion: 2 positive of 4 that count" in describe_report(report).splitlines()
