"""The same table at a path, a file:// URL, and in a file system of TensorFlow (ram://) and one of fsspec (memory://)."""

import io
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.ingestion.files.file_systems import file_system
from components.ingestion.files.input_key import InputHashes, input_key
from components.ingestion.files.inputs import check_inputs
from components.ingestion.files.tables import find_files
from components.ingestion.read.batches import list_pieces, read_batches
from tests.components.ingestion.helpers import examples, ingest, settings_for
from trainer.errors import InputError
from trainer.storage_paths import join, parent

ROWS = [(f"u{user}", f"i{(user + place) % 8}", 100 + place) for user in range(6) for place in range(6)]
HISTORIES = sorted((f"u{user}", [f"i{(user + place) % 8}" for place in range(6)]) for user in range(6))


@pytest.fixture(params=["path", "file", "ram", "memory"])
def folder(request, tmp_path):
    memory = pytest.importorskip("fsspec").filesystem("memory") if request.param == "memory" else None
    place = {"path": str(tmp_path), "file": f"file://{tmp_path}"}.get(request.param)
    yield place or f"{request.param}://tables/{tmp_path.name}"
    if memory is not None:
        memory.store.clear()


def put(path, content):
    if path.startswith("memory://"):
        pytest.importorskip("fsspec").filesystem("memory").pipe(path, content)
    else:
        tf.io.gfile.makedirs(parent(path))
        if tf.io.gfile.exists(path):
            tf.io.gfile.remove(path)  # ram:// would append
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(content)


def as_csv(rows):
    return "\n".join(["user_id,item_id,timestamp", *(f"{u},{i},{t}" for u, i, t in rows)]).encode() + b"\n"


def as_parquet(rows):
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, row_group_size=5)
    return target.getvalue()


@pytest.mark.parametrize(("end", "encoded"), [("csv", as_csv), ("parquet", as_parquet)])
def test_a_table_in_two_folders_is_read(folder, tmp_path_factory, end, encoded):
    put(join(folder, f"log/dt=1/a.{end}"), encoded(ROWS[:18]))
    put(join(folder, f"log/dt=2/deep/b.{end}"), encoded(ROWS[18:]))
    put(join(folder, "log/_SUCCESS"), b"")
    put(join(folder, "log/.tmp/c.json"), b"{}")
    files = find_files(join(folder, "log"), "data.interactions")
    assert [file.path for file in files] == [join(folder, f"log/dt={n}") for n in (f"1/a.{end}", f"2/deep/b.{end}")]
    assert [file.partitions for file in files] == [(("dt", "1"),), (("dt", "2"),)]

    settings = settings_for(folder, interactions="log", split={"method": "leave_last_out"})
    out = tmp_path_factory.mktemp("out")
    report = ingest(settings, out)
    assert (report.table("interactions").rows, report.table("interactions").bad_rows) == (36, 0)
    assert sorted((e["user_id"][0], e["history"] + e["targets"]) for e in examples(out, "test")) == HISTORIES


def test_one_file_is_a_table(folder):
    put(join(folder, "log.parquet"), as_parquet(ROWS))
    check_inputs(settings_for(folder))
    pieces = list_pieces(find_files(join(folder, "log.parquet"), "data.interactions"))
    times = [b.columns.column(0).to_numpy() for piece in pieces for b in read_batches(piece, ["timestamp"])]
    np.testing.assert_array_equal(np.concatenate(times), [time for _, _, time in ROWS])


def test_the_key_is_of_the_content(folder):
    settings = settings_for(folder, interactions="log")
    keys = []
    for rows in (ROWS, [*ROWS[:-1], ("u9", "i9", 999)], ROWS):
        put(join(folder, "log/a.csv"), as_csv(rows))
        keys.append(input_key(settings, ["interactions"], InputHashes()))
    assert keys[0] == keys[2] != keys[1]


def test_what_is_not_there_is_said(folder):
    with pytest.raises(InputError, match=r"does not exist\. Check data.items and data.directory"):
        find_files(join(folder, "items.csv"), "data.items")
    put(join(folder, "broken.parquet"), b"PAR1 and no more")
    with pytest.raises(InputError, match=r"broken.parquet is not a readable Parquet file"):
        check_inputs(settings_for(folder, interactions="broken.parquet"))


def test_files_can_be_searched_and_have_an_end(folder):
    put(join(folder, "ten"), b"0123456789")
    files = file_system(folder)
    assert files.size(join(folder, "ten")) == 10
    with files.open(join(folder, "ten")) as file:
        assert not file.closed
        assert (file.seek(-4, 2), file.read(2), file.tell(), file.read(), file.read()) == (6, b"67", 8, b"89", b"")
        assert (file.seek(1), file.read(3)) == (1, b"123")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tape://shop/log.csv", "neither TensorFlow nor fsspec has a file system for tape://"),
        ("s3://shop/log.csv", r"reading s3:// takes fsspec and s3fs .* Install them"),
    ],
)
def test_a_scheme_that_nothing_reads_is_refused(path, words, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=words):
        find_files(path, "data.interactions")
