"""Files as shops have them, and quotation marks that swallow no rows."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.files.headers import text_head
from components.ingestion.files.quotes import OVER_LINES, CheckedText
from components.ingestion.files.report import describe_report
from components.ingestion.files.tables import TableFile
from components.ingestion.read.folders import differs
from components.ingestion.read.warnings import warnings_of
from components.ingestion.write.catalogue import ingest_items
from tests.components.ingestion.helpers import examples, ingest, settings_for
from trainer.errors import InputError

LEAVE_ONE = {"split": {"method": "leave_last_out"}}
LINES = [f"u{user},i{item},{100 + item}" for user in range(6) for item in range(6)]
NAMES = "user_id,item_id,timestamp"


def csv(lines=LINES, names=NAMES, end="\n"):
    return end.join([names, *lines]) + end


def histories(out):
    return sorted((e["user_id"][0], e["history"] + e["targets"]) for e in examples(out, "test"))


EXPECTED = [(f"u{user}", [f"i{item}" for item in range(6)]) for user in range(6)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", csv().replace(",", ";").encode("utf-8-sig")),
        ("log.csv", csv().replace(",", "\t").encode()),
        ("log.csv", csv().replace(",", "|").encode()),
        ("log.csv", b"sep=;\r\n" + csv(end="\r\n").replace(",", ";").encode()),
        ("log.csv", b"\n  \r\n\n" + csv().encode()),
        ("log.csv", b"\xef\xbb\xbf\n" + csv().encode()),
        ("log.csv", csv(end="\r").encode()),
        ("log.csv", csv([f"{line}\n" for line in LINES]).encode()),
        ("log.csv", csv(names='"user_id","item_id","timestamp"').encode()),
        ("LOG.CSV.GZ", gzip.compress(csv().encode(), mtime=0)),
        ("log.csv.zst", pa.compress(csv().encode(), "zstd", asbytes=True)),
        ("log.tsv", csv().replace(",", "\t").encode()),
    ],
)
def test_text_files_of_all_kinds_hold_the_same(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    report = ingest(settings_for(tmp_path, interactions=name, **LEAVE_ONE), tmp_path / "out")
    assert histories(tmp_path / "out") == EXPECTED
    assert report.table("interactions").rows == 36 and not report.table("interactions").bad_rows


def test_links_are_followed_but_not_back_inside(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.csv").write_text(csv(LINES[18:]))
    (tmp_path / "log" / "dt=1").mkdir(parents=True)
    (tmp_path / "log" / "dt=1" / "a.csv").write_text(csv(LINES[:18]))
    for name, target in (("loop", tmp_path / "log"), ("latest", tmp_path / "log" / "dt=1"), ("up", tmp_path)):
        (tmp_path / "log" / name).symlink_to(target)
    (tmp_path / "log" / "more").symlink_to(tmp_path / "elsewhere")
    report = ingest(settings_for(tmp_path, interactions="log", **LEAVE_ONE), tmp_path / "out")
    assert report.table("interactions").rows == 36 and histories(tmp_path / "out") == EXPECTED


def test_what_a_file_is_by_its_content_is_said(tmp_path):
    for name, content, words in (
        ("log.csv", gzip.compress(csv().encode(), mtime=0), "compressed by gzip by its content. Name it .csv.gz"),
        ("log.csv", b"PK\x03\x04....", "an archive or a spreadsheet by its content"),
        ("log.tsv", csv(names='"user_id","item_id"').replace(",", "\t").encode(), "name it .csv, where marks enclose"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            ingest(settings_for(tmp_path, interactions=name), tmp_path / "out")


def test_a_blank_line_before_the_names_and_nothing_else_is_an_empty_file(tmp_path):
    (tmp_path / "log.csv").write_text("\n \n\n")
    with pytest.raises(InputError, match=r"log.csv is empty"):
        ingest(settings_for(tmp_path, interactions="log.csv"), tmp_path / "out")


def test_folders_in_folders_and_partitions_of_hive(tmp_path):
    for user in range(6):
        folder = tmp_path / "log" / "2024" / f"user_id=u{user}" / "kind=a%2Fb"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_text(csv([line.split(",", 1)[1] for line in LINES[user * 6 :][:6]], NAMES[8:]))
    (tmp_path / "log" / "_SUCCESS").write_text("")
    (tmp_path / "log" / "_delta_log").mkdir()
    (tmp_path / "log" / "_delta_log" / "0.json").write_text("{}")
    settings = settings_for(
        tmp_path, interactions="log", min_history=1, labels={}, columns={"user": "user_id"}, **LEAVE_ONE
    )
    ingest(settings, tmp_path / "out")
    assert histories(tmp_path / "out") == EXPECTED


def test_partitions_of_parquet_and_the_null_partition(tmp_path):
    table = pa.table(
        {
            "item_id": [line.split(",")[1] for line in LINES],
            "timestamp": [int(line.split(",")[2]) for line in LINES],
            "user_id": [line.split(",")[0] for line in LINES],
        }
    )
    pq.write_to_dataset(table, str(tmp_path / "log"), partition_cols=["user_id"])
    lost = tmp_path / "log" / "user_id=__HIVE_DEFAULT_PARTITION__"
    lost.mkdir()
    pq.write_table(table.select(["item_id", "timestamp"]).slice(0, 1), lost / "x.parquet")
    report = ingest(settings_for(tmp_path, interactions="log", max_bad_rows=0.1, **LEAVE_ONE), tmp_path / "out")
    assert histories(tmp_path / "out") == EXPECTED
    assert dict(report.table("interactions").bad) == {"user_id: null or empty id": 1}


def partitioned(tmp_path, **folders):
    """The report of a log in folders, such as day__2024_01_31 for day=2024-01-31, each with its rows."""
    for number, (folder, lines) in enumerate(folders.items()):
        place = tmp_path / "log" / folder.replace("__", "=").replace("_", "-")
        place.mkdir(parents=True)
        (place / f"{number}.csv").write_text(csv(lines, "user_id,item_id,day"))
    settings = settings_for(tmp_path, interactions="log", columns={"timestamp": "day"}, **LEAVE_ONE)
    return ingest(settings, tmp_path / "out")


def of_folders(report):
    return [words for words in warnings_of(report) if "folder" in words]


def test_a_partition_that_says_otherwise_than_the_files_is_told(tmp_path):
    def lines(*days):
        return [f"u{user},i{place},2024-01-{day}" for user in range(6) for place, day in enumerate(days)]

    right = partitioned(
        tmp_path / "right",
        day__2024_01_01=lines("01", "01T10:15:00Z"),
        day__2024_01_02=lines("02T00:00:00+00:00", "02 23:59:59.5"),
    )
    assert not of_folders(right) and "folder" not in describe_report(right)
    # Of six users each: one row on the day before, and one that is 02-02 at home but 02-01 in UTC.
    wrong = partitioned(
        tmp_path / "wrong", day__2024_01_01=lines("01", "01"), day__2024_01_02=lines("01", "02", "02T00:30:00+01:00")
    )
    assert of_folders(wrong) == [
        "interactions: 12 x day: rows whose folder names another value than their own column, which is taken. Correct "
        "the column or the names of the folders."
    ]
    assert "  note: 12 x day: rows whose folder names another value" in describe_report(wrong)
    # The column is taken: 2024-01-01 is 1,704,067,200 s.
    assert wrong.least["first_time"] == 1_704_067_200 * 10**9


@pytest.mark.parametrize(
    ("values", "folder", "expected"),
    [
        (pa.array([1, 2, None]), "01", [False, True, True]),
        (pa.array([1.0, 1.5, float("nan")]), "1", [False, True, True]),
        (pa.array([b"01", b"1", b"", b" 01 "]), "01", [False, True, True, False]),
        (pa.array(["red", "Red", None]), "red", [False, True, True]),
        (pa.array(["red", "", None]), None, [True, False, False]),
        (pa.array([True, False]), "True", [False, True]),
        (pa.array([["a", "b"], ["b"], [], None]), "a", [False, True, True, True]),
        (pa.array([19753, 19754], pa.date32()), "2024-01-31", [False, True]),
        (pa.array([1706659200, 1706745600, 7]), "2024-01-31", [False, True, True]),
        (pa.array(["2024-01-31T10:00:00Z", "2024-01-31T11:00:00Z"]), "2024-01-31 10:00:00", [False, True]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), "x", [False, True, False]),
    ],
)
def test_what_differs_from_a_folders_name(values, folder, expected):
    assert differs(values, folder).tolist() == expected


def titles(tmp_path, name, content):
    (tmp_path / "log.csv").write_text(csv())
    (tmp_path / name).write_text(content)
    settings = settings_for(
        tmp_path,
        interactions="log.csv",
        items=name,
        item_columns={"title": "title", "category": "category"},
    )
    report = ingest_items(settings, str(tmp_path / "out"))
    return [e["title"][0] for e in examples(tmp_path / "out", "items")], report


@pytest.mark.parametrize(
    "texts",
    [
        ["Zero", '"One', "Two", 'Three"', "Four", "Five"],
        ["Zero", '"One', '"Two', "Three", "Four", "Five"],
        ['"Zero"', '"', '""', '"One"Two', "a, b", "Five"],
    ],
)
def test_in_a_tsv_a_quotation_mark_is_a_character(tmp_path, texts):
    rows = "".join(f"i{n}\t{text}\tA\n" for n, text in enumerate(texts))
    found, report = titles(tmp_path, "items.tsv", "item_id\ttitle\tcategory\n" + rows)
    assert found == texts and report.table("items").rows == 6


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (
            ["Zero", '"One', "Two", 'Three"', "Four", "Five"],
            "Data row 2 of .* runs over several lines, and some of them are rows",
        ),
        (
            ["Zero", '"One', '"Two', "Three", "Four", "Five"],
            "Data row 2 of .* has text behind a closing quotation mark",
        ),
        (["Zero", '"One" more', "Two", "Three", "Four", "Five"], "Data row 2 of .* has text behind a closing"),
        (
            ["Zero", "One", "Two", "Three", "Four", '"Five'],
            "Data row 6 of .* from a quotation mark that is never closed",
        ),
    ],
)
def test_in_a_csv_a_stray_quotation_mark_is_refused(tmp_path, texts, words):
    rows = "".join(f"i{n},{text},A\n" for n, text in enumerate(texts))
    with pytest.raises(InputError, match=words):
        titles(tmp_path, "items.csv", "item_id,title,category\n" + rows)


TEXTS = ["Zero", '5" disk', 'a "b" c', "line\nbreak", "", 'x, "y"']
WRITTEN = ["Zero", '5" disk', '"a ""b"" c"', '"line\nbreak"', '""', '"x, ""y"""']


def test_quoted_texts_pass(tmp_path):
    rows = "".join(f"i{n},{text},A\n" for n, text in enumerate(WRITTEN))
    (tmp_path / "log.csv").write_text(csv())
    (tmp_path / "items.csv").write_text("item_id,title,category\n" + rows)
    settings = settings_for(
        tmp_path, interactions="log.csv", items="items.csv", item_columns={"title": "title", "category": "category"}
    )
    report = ingest_items(settings, str(tmp_path / "out"))
    found = [(e["title"] or [""])[0] for e in examples(tmp_path / "out", "items")]
    assert found == TEXTS and report.table("items").notes[OVER_LINES] == 1
    assert "note: 1 x rows that run over several lines" in describe_report(report)


def read_in_blocks(path, size):
    file = TableFile(str(path), "csv", 0)
    source = CheckedText(file, text_head(file), "item_id")
    while source.read(size):
        pass
    return source


HEROES = [f"i{n},TV {n}" for n in range(20)]


@pytest.mark.parametrize("between", [["\n"], ["u8,i1\n"], ["\r"], ["a, b, c, d\n"], []])
@pytest.mark.parametrize(("opens", "closes"), [(3, 17), (0, 34), (10, 12)])
def test_swallowed_rows_are_found_whatever_stands_among_them(tmp_path, opens, closes, between):
    lines = [f"{line}\n" for line in LINES]
    lines[opens] = '"' + lines[opens]
    lines[closes] = lines[closes].replace(",", '",', 1)
    lines[opens + 1 : opens + 1] = between
    (tmp_path / "log.csv").write_text(NAMES + "\n" + "".join(lines), newline="")
    with pytest.raises(
        InputError, match=f"Data row {opens + 1} of .*runs over several lines, and some of them are rows"
    ):
        ingest(settings_for(tmp_path, interactions="log.csv"), tmp_path / "out")


def test_two_columns_and_texts_of_several_lines(tmp_path):
    (tmp_path / "log.csv").write_text(csv())
    settings = settings_for(tmp_path, interactions="log.csv", items="items.csv", item_columns={"title": "title"})

    def rows(lines):
        (tmp_path / "items.csv").write_text("item_id,title\n" + "\n".join(lines) + "\n")
        return ingest_items(settings, str(tmp_path / "out")).table("items").rows

    stray = list(HEROES)
    stray[2], stray[15] = stray[2].replace("TV", '"Heroes'), stray[15] + '"'
    with pytest.raises(InputError, match=r"Data row 3 of .* some of them are rows"):
        rows(stray)
    texts = list(HEROES)
    texts[2], texts[9] = 'i2,"a, b\nd, e"', 'i9,"one\n\ntwo, three, four\n5, 6"'
    assert rows(texts) == 20


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 1000])
def test_marks_are_judged_alike_wherever_blocks_end(tmp_path, size):
    path = tmp_path / "items.csv"
    ordinary = [text for text in WRITTEN if "\n" not in text and "disk" not in text]
    path.write_text("item_id,title,category\n" + "".join(f"i{n},{text},A\n" for n, text in enumerate(ordinary)))
    assert not read_in_blocks(path, size).was_doubtful
    for text in ('"a"b', '"a', '"a" ', '"a\nb"'):
        path.write_text(f"item_id,title,category\ni1,{text},A\ni2,B,A\n")
        if "\n" in text:
            assert read_in_blocks(path, size).notes[OVER_LINES] == 1
            continue
        with pytest.raises(InputError, match="Data row 1"):
            read_in_blocks(path, size)
    path.write_text('item_id,title,category\ni1,a,"A"')
    assert not read_in_blocks(path, size).was_doubtful


def test_a_stray_mark_far_behind_is_found_although_all_before_it_is_right(tmp_path):
    good = "".join(f'u{n % 9},i{n % 7},{n},"a ""b"" c, d"\n' for n in range(60_000))
    (tmp_path / "log.csv").write_text(f'{NAMES},note\n{good}u1,i1,5,"one" two\n{good}')
    with pytest.raises(InputError, match=r"Data row 60001 of .* has text behind a closing quotation mark"):
        ingest(settings_for(tmp_path, interactions="log.csv"), tmp_path / "out")
