import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion import domains as module
from components.ingestion.domains import merge_domains
from components.settings import MERGED_TABLES, DataSettings, DomainSettings
from trainer.errors import InputError


@pytest.fixture
def domains(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "books").mkdir()
    (tmp_path / "films" / "log.csv").write_text("who,what,when\n1,7,30\n1,8,20\n2,7,10\n")
    pq.write_table(pa.table({"id": [7, 8], "name": ["Seven", "Eight"]}), tmp_path / "films" / "films.parquet")
    log = {"user_id": ["1"], "item_id": ["7"], "timestamp": [5]}
    pq.write_table(pa.table(log), tmp_path / "books" / "log.parquet")
    items = {"item_id": ["7"], "text": ["A book"], "genre": [["Crime", "Drama"]]}
    pq.write_table(pa.table(items), tmp_path / "books" / "items.parquet")
    return {
        "films": DomainSettings(
            directory=str(tmp_path / "films"), interactions="log.csv", items="films.parquet",
            columns={"user": "who", "item": "what", "timestamp": "when"}, item_columns={"item": "id", "title": "name"},
        ),
        "books": DomainSettings(
            directory=str(tmp_path / "books"), interactions="log.parquet", items="items.parquet",
            item_columns={"text": "text", "category": "genre"},
        ),
    }  # fmt: skip


def _tables(folder):
    settings = DataSettings(directory=str(folder), **MERGED_TABLES)
    return [pq.read_table(folder / name).to_pylist() for name in (settings.interactions, settings.items)]


def test_every_id_gets_its_domain(tmp_path, domains):
    merge_domains(domains, str(tmp_path / "merged"), 0.0)
    log, items = _tables(tmp_path / "merged")
    assert [tuple(row.values()) for row in log] == [
        ("films:1", "films:7", "30"), ("films:1", "films:8", "20"),
        ("films:2", "films:7", "10"), ("books:1", "books:7", "5"),
    ]  # fmt: skip
    assert items == [
        {"item_id": "films:7", "category": [], "tags": [], "attributes": [], "title": ["Seven"], "text": []},
        {"item_id": "films:8", "category": [], "tags": [], "attributes": [], "title": ["Eight"], "text": []},
        {
            "item_id": "books:7",
            "category": ["Crime", "Drama"],
            "tags": [],
            "attributes": [],
            "title": [],
            "text": ["A book"],
        },
    ]


def test_tables_are_left_alone_until_something_changes(tmp_path, domains):
    merged = tmp_path / "merged"
    when = lambda: (merged / "items.parquet").stat().st_mtime_ns  # noqa: E731
    merge_domains(domains, str(merged), 0.0)
    first = when()
    merge_domains(domains, str(merged), 0.0)
    assert when() == first
    pq.write_table(pa.table({"id": [7], "name": ["Se7en"]}), tmp_path / "films" / "films.parquet")
    merge_domains(domains, str(merged), 0.0)
    assert _tables(merged)[1][0]["title"] == ["Se7en"]
    second = when()
    merge_domains(domains, str(merged), 0.0, "other code")
    assert when() > second
    (merged / "items.parquet").unlink()
    merge_domains(domains, str(merged), 0.0, "other code")
    assert len(_tables(merged)[1]) == 2
    merge_domains({"films": domains["films"]}, str(merged), 0.0)
    assert len(_tables(merged)[0]) == 3


def test_a_table_of_the_same_size_and_time_is_merged_again(tmp_path, domains):
    log = tmp_path / "films" / "log.csv"
    for item in (7, 9):
        log.write_text(f"who,what,when\n1,{item},30\n")
        os.utime(log, (1_600_000_000, 1_600_000_000))
        merge_domains(domains, str(tmp_path / "merged"), 0.0)
        assert _tables(tmp_path / "merged")[0][0]["item_id"] == f"films:{item}"


def test_a_table_that_is_written_to_meanwhile_is_refused(tmp_path, domains, monkeypatch):
    def write_and_append(path, batches, write=module._write):
        write(path, batches)
        with (tmp_path / "films" / "log.csv").open("a") as file:
            file.write("3,7,40\n")

    monkeypatch.setattr(module, "_write", write_and_append)
    with pytest.raises(InputError, match=r"domains.films: a table in .*films changed while it was read"):
        merge_domains(domains, str(tmp_path / "merged"), 0.0)
    assert not list((tmp_path / "merged").iterdir())


def test_what_is_wrong_is_said_of_the_domain_and_leaves_nothing(tmp_path, domains):
    merged = tmp_path / "merged"
    (tmp_path / "films" / "log.csv").write_text("who,what,when\n1,7,yesterday or so\n1,8,20\n")
    with pytest.raises(InputError, match=r"domains.films: 1 of 2 rows of .*log.csv"):
        merge_domains(domains, str(merged), 0.0)
    assert not list(merged.iterdir())
    lost = domains["books"].model_copy(update={"interactions": "nothing.parquet"})
    with pytest.raises(InputError, match=r"domains.books: .*nothing.parquet"):
        merge_domains({"books": lost}, str(merged), 0.0)
