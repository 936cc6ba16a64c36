"""The key of the tables: it changes when their content does, whatever the file system says, and only then."""

import hashlib
import json
import os
import shutil
import time

import pytest

from components.ingestion.files import input_key as module
from components.ingestion.files.input_key import InputHashes, input_key
from tests.components.ingestion.helpers import settings_for
from trainer.errors import InputError

OLD = 1_600_000_000 * 10**9


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,timestamp\nu,i,1\n")
    return path


@pytest.fixture
def later(monkeypatch):
    """Lets the time of changes be long ago, as it is of a log of yesterday."""
    now = time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: now() + 10**10)


@pytest.fixture
def reads(monkeypatch):
    """The names of the files whose content was read."""
    read, content = [], module._content
    monkeypatch.setattr(module, "_content", lambda path: [read.append(os.path.basename(path)), content(path)][1])
    return read


def key_of(folder, table="interactions", hashes=None, **tables):
    return input_key(settings_for(folder, **{"interactions": "log.csv", **tables}), [table], hashes or InputHashes())


def test_it_is_the_blake2b_of_the_content(log):
    assert InputHashes().of(str(log)) == hashlib.blake2b(log.read_bytes(), digest_size=16).hexdigest()


def test_content_of_the_same_size_and_time_counts(tmp_path, log):
    os.utime(log, ns=(OLD, OLD))
    first = key_of(tmp_path)
    log.write_text(log.read_text().replace(",i,", ",x,"))
    os.utime(log, ns=(OLD, OLD))
    assert key_of(tmp_path) != first
    log.write_text(log.read_text().replace(",x,", ",i,"))
    assert key_of(tmp_path) == first


def test_an_unchanged_file_is_read_once(tmp_path, log, later, reads):
    kept = str(tmp_path / "kept.json")
    for _ in range(3):
        hashes = InputHashes(kept)
        key_of(tmp_path, hashes=hashes)
        hashes.save()
    assert reads == ["log.csv"]
    os.utime(log, ns=(OLD, OLD))
    key_of(tmp_path, hashes=InputHashes(kept))
    assert reads == ["log.csv"] * 2


@pytest.mark.parametrize("how", ["in place", "renamed over"])
def test_a_kept_hash_is_not_taken_for_a_file_put_in_its_place(tmp_path, log, later, how):
    os.utime(log, ns=(OLD, OLD))
    kept = str(tmp_path / "kept.json")
    hashes = InputHashes(kept)
    first = key_of(tmp_path, hashes=hashes)
    hashes.save()
    assert str(log) in json.loads((tmp_path / "kept.json").read_text())
    other = tmp_path / "other.csv"
    other.write_text(log.read_text().replace(",i,", ",x,"))
    os.utime(other, ns=(OLD, OLD))
    before = log.stat()
    while other.stat().st_ctime_ns <= before.st_ctime_ns:
        os.utime(other, ns=(OLD, OLD))
    if how == "in place":
        shutil.copy2(other, log)
    else:
        os.rename(other, log)
    after = log.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    assert key_of(tmp_path, hashes=InputHashes(kept)) != first


def test_the_hash_of_a_file_written_just_now_is_not_kept(tmp_path, log, reads):
    hashes = InputHashes(str(tmp_path / "kept.json"))
    for _ in range(2):
        key_of(tmp_path, hashes=hashes)
    hashes.save()
    assert reads == ["log.csv"] * 2
    assert not (tmp_path / "kept.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', "\0"])
def test_a_broken_file_of_hashes_is_as_none(tmp_path, log, content):
    kept = tmp_path / "kept.json"
    kept.write_text(content)
    assert key_of(tmp_path, hashes=InputHashes(str(kept))) == key_of(tmp_path)


def test_files_of_a_folder_count_by_name_and_content(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "a.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    (folder / "b.csv").write_text("user_id,item_id,timestamp\nu,j,2\n")
    first = key_of(tmp_path, interactions="log")
    (folder / "_SUCCESS").write_text("")
    assert key_of(tmp_path, interactions="log") == first
    (folder / "a.csv").rename(folder / "c.csv")
    renamed = key_of(tmp_path, interactions="log")
    (folder / "d.csv").write_text("user_id,item_id,timestamp\n")
    assert len({first, renamed, key_of(tmp_path, interactions="log")}) == 3


@pytest.mark.parametrize("name", ["dir[1]", "a*", "b?", "{c}", "d e", "back\\slash", "{SPAN}", "dir[!x]"])
def test_folders_and_files_may_be_called_like_patterns(tmp_path, name):
    folder = tmp_path / name / name
    folder.mkdir(parents=True)
    files = [folder / f"{name}.csv", folder / "other.csv"]
    for file in files:
        file.write_text("user_id,item_id,timestamp\nu,i,1\n")
    whole = {"interactions": name}
    one = {"interactions": f"{name}/{name}.csv"}
    first = [key_of(tmp_path / name, **tables) for tables in (whole, one)]
    files[1].write_text("user_id,item_id,timestamp\nu,x,1\n")
    second = [key_of(tmp_path / name, **tables) for tables in (whole, one)]
    files[0].write_text("user_id,item_id,timestamp\nu,x,1\n")
    third = [key_of(tmp_path / name, **tables) for tables in (whole, one)]
    assert len({first[0], second[0], third[0]}) == 3
    assert first[1] == second[1] != third[1]


@pytest.mark.parametrize("table", ["interactions", "items", "users"])
def test_a_table_that_matches_no_file_is_an_error(tmp_path, log, table):
    with pytest.raises(InputError, match=rf"nothing\*.csv \(data.{table}\) does not exist"):
        key_of(tmp_path, table, **{table: "nothing*.csv"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=rf"data.{table}"):
        key_of(tmp_path, table, **{table: "empty"})


def test_a_table_that_is_not_given_has_no_files(tmp_path, log):
    assert key_of(tmp_path, "items") == "items:none"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path, log):
    log.chmod(0)
    with pytest.raises(InputError, match=r"log.csv cannot be read"):
        key_of(tmp_path)


def test_of_google_cloud_storage_it_is_what_the_service_says(monkeypatch):
    stated = {"gs://b/log.csv": (10, 5), "gs://b/other.csv": (10, 6), "gs://b/third.csv": (11, 5)}

    class Status:
        def __init__(self, path):
            self.length, self.mtime_nsec = stated[path]

    monkeypatch.setattr(module.tf.io.gfile, "stat", Status)
    assert len({InputHashes().of(path) for path in stated}) == 3
