"""Tables on terminals and in files of any encoding: in processes of their own, as a user starts them."""

import os
import subprocess
import sys

import pytest

from serving.publish.push import push_bundle
from serving.publish.writer import build_bundle
from serving.server import Server
from serving.settings import IndexSettings, ServingSettings
from tests.serving.toy_model import save_toy_model

ENCODINGS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "utf-8"},
]
LAST = "é, last"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    base = tmp_path_factory.mktemp("served")
    save_toy_model(base / "model")
    build_bundle(str(base / "model"), str(base / "bundle"), IndexSettings(kind="exact"), ServingSettings())
    push_bundle(str(base / "bundle"), str(base / "models" / "shop"))
    with Server(base / "models", poll_seconds=60) as server:
        server.wait_until_available(600)
        yield f"127.0.0.1:{server.port}", base


def _polyrec(encoding, *arguments):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))
    }
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, capture_output=True, env=environment | encoding, check=False, timeout=120)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_query_prints_titles_and_ids_of_any_letters(target, encoding):
    address, base = target
    titles = base / "titles.csv"
    titles.write_text("item_id,title\nitem-3,Мастер 🎬\n" + f'"{LAST}","日本 ü"\n', encoding="utf-8")
    (base / "history.txt").write_text(f"item-3\n{LAST}\n", encoding="utf-8")
    connection = ["--server", address, "--model", "shop"]
    arguments = [*connection, "--k", "300", "--history-file", str(base / "history.txt"), "--items", str(titles)]
    done = _polyrec(encoding, "query", *arguments, "--deny", "colour=розовый")
    assert (done.returncode, done.stderr) == (0, b"")
    name = encoding.get("PYTHONIOENCODING", "ascii")
    words = " ".join(done.stdout.decode(name).split())
    for letters in ("日本 ü", "colour=розовый"):
        assert letters.encode(name, "backslashreplace").decode(name) in words
    assert r"\u041c" in words or "Мастер" in words


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_errors_and_roll_outs_print_any_letters(target, encoding):
    address, base = target
    done = _polyrec(encoding, "query", "--server", address, "--model", "магазин", "--history", "a")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr and b"does not serve model" in done.stderr
    done = _polyrec(encoding, "rollout", "status", str(base / "models"), "--model", "shop", "--server", address)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"AVAILABLE" in done.stdout
    missing = _polyrec(encoding, "rollout", "status", str(base / "папка"), "--offline")
    assert missing.returncode == 2
    assert b"Traceback" not in missing.stderr and b"Error: " in missing.stderr
