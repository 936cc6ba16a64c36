"""`polyrec runs` over records of two pipelines."""

import pytest

from pipeline.cli import cli, run_command
from pipeline.records.record import Code, write
from tests.command_line import command_line
from tests.pipeline.records.records import recall, record
from trainer.errors import InputError


@pytest.fixture
def root(tmp_path):
    write(record(0), tmp_path / "shop", keep=9)
    changed = {"model": {"name": "comirec_sa", "num_interests": 6}, "training": {"seed": 1}, "text": None}
    later = record(
        5,
        config=changed,
        metrics={"recall_at_50": recall(0.28, 0.2, 0.08, 0.01), "ndcg_at_50": recall(0.1)},
        packages={"tensorflow": "2.16.3"},
        code=Code(version="0.1.0", commit="d" * 40, modified=True, components={"Trainer": "1" * 16}),
    )
    write(later, tmp_path / "shop", keep=9)
    write(record(2, "refused", pipeline="films", metrics={}, data={}), tmp_path / "films", keep=9)
    return tmp_path


@pytest.fixture
def polyrec(root, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        result = command_line().invoke(cli, ["runs", *map(str, arguments)])
        if result.exception is not None:
            raise result.exception
        return result

    return run


def _rows(text):
    """First cell -> the others, of all tables."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def test_runs_are_listed_the_oldest_first(polyrec, root):
    rows = _rows(polyrec(root).stdout)
    assert list(rows) == ["20260301-120000", "20260301-120200", "20260301-120500"]
    assert rows["20260301-120000"] == [
        *("2026-03-01 12:00", "shop", "comirec_sa", "pushed"),
        "Recall@50 0.2500, two_tower 0.2000 (+5.0 ± 1.0 points)",
    ]
    assert rows["20260301-120200"][1:] == ["films", "comirec_sa", "refused", ""]
    assert list(_rows(polyrec(root / "shop").stdout)) == ["20260301-120000", "20260301-120500"]


def test_records_that_cannot_be_read_are_told_and_skipped(polyrec, root):
    broken = root / "shop" / "records" / "20260301-120100"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    done = polyrec(root)
    assert len(_rows(done.stdout)) == 3
    assert f"Skipped: {broken / 'run.json'}: not a record of format 1" in done.stderr


def test_two_runs_are_compared(polyrec, root):
    said = polyrec("20260301-120000", "20260301-120500", "--root", root).stdout
    rows = _rows(said)
    assert rows["model.num_interests"] == ["4", "6"]
    assert rows["tensorflow"] == ["2.16.2", "2.16.3"]
    assert rows["commit"] == ["c" * 12, f"{'d' * 12} and changes"]
    assert rows["recall_at_50"] == ["0.2500", "0.2800", "+0.0300"]
    assert rows["ndcg_at_50"] == ["", "0.1000", ""]
    assert "training.seed" not in rows and "code of Trainer" not in rows
    # A setting that is left out is none.
    assert "text" not in rows
    assert "0 metrics are equal." in said and "different data" not in said


def test_a_run_is_compared_with_itself_and_with_one_of_other_data(polyrec, root):
    file = root / "shop" / "records" / "20260301-120000" / "run.json"
    said = polyrec(file, file.parent).stdout
    for words in ("Settings that differ: none", "data that differ: none", "No metric differs.", "1 metric is equal."):
        assert words in said
    write(record(7, data={}), root / "shop", keep=9)
    assert "different users" in polyrec("20260301-120000", "20260301-120700", "--root", root).stdout
    assert "No metrics to compare." in polyrec("20260301-120000", "20260301-120200", "--root", root).stdout


def test_an_id_that_two_pipelines_have_needs_a_name(polyrec, root):
    write(record(0, pipeline="films"), root / "films", keep=9)
    with pytest.raises(InputError, match=r"several runs. Give one of: films/20260301-120000, shop/20260301-120000"):
        polyrec("20260301-120000", "20260301-120500", "--root", root)
    assert "shop" in polyrec("shop/20260301-120000", "20260301-120500", "--root", root).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["a", "b", "c"], "Give one folder, or the ids of two runs"),
        (["20260301-120000", "20200101-000000", "--root", "."], "There is no run 20260301-120000 below ."),
    ],
)
def test_what_is_wrong_is_said(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert run_command(cli, ["runs", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_before_the_first_run(polyrec, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "left a record yet" in polyrec(tmp_path / "empty").stdout
