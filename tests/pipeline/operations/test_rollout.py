"""`polyrec rollout` with a real server that reads the same models.config."""

import re
import shutil
import threading
import time
from types import SimpleNamespace

import pytest

from pipeline.cli import cli
from pipeline.operations import following_server
from serving.publish.push import push_bundle
from serving.publish.rollout_labels import changing_labels, make_canary
from serving.server import Server
from serving.versions import config_file as models_config
from tests.command_line import command_line
from tests.serving.running_server import PATIENCE, POLL, states, wait_for
from tests.serving.stock_client import StockClient
from tests.serving.toy_bundle import toy_bundle
from tests.serving.versions_on_disk import MODEL, put_version
from trainer.errors import InputError


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(following_server, "_SECONDS", PATIENCE)


@pytest.fixture
def base(tmp_path):
    put_version(tmp_path / MODEL, 3)
    return tmp_path / MODEL


@pytest.fixture
def server(base):
    with Server(base.parent, poll_seconds=POLL, model_config_poll_seconds=POLL) as running:
        running.wait_until_available()
        yield running


@pytest.fixture
def client(server):
    with StockClient(server.port) as stock:
        yield stock


def _rollout(directory, *arguments):
    arguments = ["rollout", arguments[0], str(directory), "--model", MODEL, *arguments[1:]]
    return command_line().invoke(cli, arguments, catch_exceptions=True)


@pytest.fixture
def rollout(server, base):
    def run(*arguments):
        result = _rollout(base.parent, *arguments, "--server", f"127.0.0.1:{server.port}")
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return run


def push(base, number):
    """What the pipeline's push does, with a small model: the version appears whole, then it is the canary."""
    put_version(base, number)
    make_canary(base, number)


def labels(base):
    path = base.parent / "models.config"
    return dict(models_config.read(path.read_bytes(), path)[MODEL].labels)


def rows(table):
    """Version -> the words of its row."""
    lines = [re.split(r"\s*[│┃]\s*", line.strip(" │┃")) for line in table.splitlines() if re.match(r"│ \d", line)]
    return {int(line[0]): [word for word in line[1:] if word] for line in lines}


def test_from_the_first_version_to_the_second_and_back(rollout, base, server, client):
    assert rollout("promote") == "shop: version 3 is stable; from now on what is pushed becomes the canary.\n"
    assert labels(base) == {"stable": 3, "canary": 3}
    assert client.version(MODEL, version_label="canary") == 3

    push(base, 4)
    wait_for(lambda: client.version(MODEL, version_label="canary") == 4)
    assert client.version(MODEL) == client.version(MODEL, version_label="stable") == 3
    assert rows(rollout("status")) == {4: ["AVAILABLE", "canary"], 3: ["AVAILABLE", "stable"]}

    assert rollout("promote") == "shop: version 4 is stable; before it was 3.\n"
    assert client.version(MODEL) == client.version(MODEL, version_label="stable") == 4
    assert rows(rollout("status")) == {4: ["AVAILABLE", "canary, stable"], 3: ["AVAILABLE", "previous"]}

    assert rollout("rollback") == "shop: version 3 is stable again; 4 is not.\n"
    assert [client.version(MODEL, version_label=label) for label in ("stable", "canary")] == [3, 3]
    assert labels(base) == {"stable": 3, "canary": 3}

    push(base, 5)
    wait_for(lambda: client.version(MODEL, version_label="canary") == 5)
    assert client.version(MODEL) == 3
    wait_for(lambda: states(server) == {3: "AVAILABLE", 4: "END", 5: "AVAILABLE"})


def test_a_restart_keeps_the_labels(rollout, base, server):
    rollout("promote")
    push(base, 4)
    server.stop()
    with Server(base.parent, poll_seconds=POLL) as again, StockClient(again.port) as client:
        again.wait_until_available()
        assert client.version(MODEL) == 3
        wait_for(lambda: client.status(name=MODEL) == {3: "AVAILABLE", 4: "AVAILABLE"})
        assert client.version(MODEL, version_label="canary") == 4


def test_a_refused_version_is_no_canary_and_cannot_be_promoted(rollout, base, client):
    rollout("promote")
    put_version(base.parent / "elsewhere", 4)
    (base.parent / "elsewhere" / "4" / "saved_model.pb").write_bytes(b"broken")
    (base.parent / "elsewhere" / "4").rename(base / "4")
    make_canary(base, 4)
    wait_for(lambda: "REFUSED" in rollout("status"))
    refused = rows(rollout("status"))
    assert refused[4][:2] == ["REFUSED", "canary (not yet)"]
    assert "saved_model.pb" in rollout("status")
    assert refused[3] == ["AVAILABLE", "stable, canary (still)"]
    assert client.version(MODEL, version_label="canary") == 3
    with pytest.raises(InputError, match=r"Version 4 of shop was refused: .*saved_model\.pb"):
        rollout("promote")
    assert labels(base) == {"stable": 3, "canary": 4}
    assert rollout("withdraw") == "shop: version 4 is no canary any more; 3 is stable.\n"
    assert labels(base) == {"stable": 3, "canary": 3}


def test_a_canary_by_hand_and_a_version_by_number(rollout, base, client):
    put_version(base, 4)
    rollout("promote", "--version", "3")
    wait_for(lambda: client.status(name=MODEL) == {3: "AVAILABLE", 4: "AVAILABLE"})
    assert client.version(MODEL) == 3
    assert rollout("canary") == "shop: version 4 is the canary; 3 is stable.\n"
    assert client.version(MODEL, version_label="canary") == 4
    put_version(base, 5)
    assert rollout("promote", "--version", "5") == "shop: version 5 is stable; before it was 3.\n"
    assert labels(base) == {"stable": 5, "canary": 4, "previous": 3}


def test_what_cannot_be_done_is_told_in_words(rollout, base):
    for command in ("rollback", "canary", "withdraw"):
        with pytest.raises(InputError, match=r"has no labels yet|it has no labels yet"):
            rollout(command)
    rollout("promote")
    with pytest.raises(InputError, match=r"has no canary: version 3 is stable\. Push a new version"):
        rollout("promote")
    with pytest.raises(InputError, match="shop has no version to go back to: before 3 none is known"):
        rollout("rollback")
    with pytest.raises(InputError, match="shop has no version 9, only 3"):
        rollout("promote", "--version", "9")
    with pytest.raises(InputError, match="Version 3 of shop is the stable one"):
        rollout("canary")
    with pytest.raises(InputError, match="shop has no canary: version 3 is stable"):
        rollout("withdraw")
    with pytest.raises(InputError, match=r"has no model toys, only shop. Name it with --model"):
        rollout("status", "--model", "toys")


def test_without_a_server(base):
    wrong = _rollout(base.parent, "promote", "--server", "127.0.0.1:1").exception
    assert isinstance(wrong, InputError)
    assert "No server answers at 127.0.0.1:1" in str(wrong)
    assert "With --offline the file alone is changed" in str(wrong)
    assert not (base.parent / "models.config").exists()
    assert _rollout(base.parent, "promote", "--offline").stdout.startswith("shop: version 3 is stable;")
    assert labels(base) == {"stable": 3, "canary": 3}
    assert rows(_rollout(base.parent, "status", "--offline").stdout) == {3: ["in the folder", "canary, stable"]}
    missing = _rollout(base / "nowhere", "status", "--offline").exception
    assert "is not a directory" in str(missing)


def test_a_server_that_does_not_follow(base, monkeypatch):
    monkeypatch.setattr(following_server, "_SECONDS", 0.3)
    put_version(base.parent / "other" / MODEL, 3)
    with Server(base.parent / "other", poll_seconds=POLL) as server:
        server.wait_until_available()
        wrong = _rollout(base.parent, "promote", "--server", f"127.0.0.1:{server.port}").exception
    assert "did not follow within 0.3 s, so nothing was changed" in str(wrong)
    assert labels(base) == {}


class Slow:
    """Holds a server back from loading a version until it is released; each look at it meanwhile takes 1000 seconds."""

    def __init__(self, monkeypatch, number):
        self.release, self.asked, load = threading.Event(), threading.Event(), Server._load
        self.passed = 0

        def held(server, name, folder):
            if folder.name == str(number):
                assert self.release.wait(60)
            return load(server, name, folder)

        monkeypatch.setattr(Server, "_load", held)
        said = following_server.FollowingServer._loading

        def noticed(following, numbers):
            loading = said(following, numbers)
            if loading:
                self.passed += 1000
                self.asked.set()
            return loading

        monkeypatch.setattr(following_server.FollowingServer, "_loading", noticed)
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + self.passed, sleep=time.sleep)
        monkeypatch.setattr(following_server, "time", clock)

    def promoted(self, directory, *arguments):
        """What a promotion says that is begun while the version is loading; and that it was not done before."""
        results = []
        thread = threading.Thread(target=lambda: results.append(_rollout(directory, "promote", *arguments)))
        thread.start()
        assert self.asked.wait(60)
        assert not results
        self.release.set()
        thread.join()
        return results[0]


def said(result):
    """The lines on standard error, but for absl's log lines: the server is in this process."""
    return [line for line in result.stderr.splitlines() if not re.match(r"[IW]\d{4} \d\d:\d\d:", line)]


def test_the_first_version_is_promoted_when_it_has_been_loaded(base, monkeypatch):
    """Just after `polyrec serve`: nothing answers yet."""
    slow = Slow(monkeypatch, 3)
    with Server(base.parent, poll_seconds=POLL, model_config_poll_seconds=POLL) as server:
        wait_for(lambda: states(server) == {3: "LOADING"})
        result = slow.promoted(base.parent, "--server", f"127.0.0.1:{server.port}")
    assert result.exception is None
    assert said(result) == ["Version 3 of shop is loading: waiting until it can answer."]
    assert result.stdout.startswith("shop: version 3 is stable;")
    assert labels(base) == {"stable": 3, "canary": 3}


def test_a_version_that_loads_longer_than_a_server_may_take_to_follow_is_waited_for(base, monkeypatch):
    slow = Slow(monkeypatch, 4)
    with Server(base.parent, poll_seconds=POLL, model_config_poll_seconds=POLL) as server:
        server.wait_until_available()
        put_version(base, 4)
        wait_for(lambda: states(server) == {3: "AVAILABLE", 4: "LOADING"})
        result = slow.promoted(base.parent, "--version", "4", "--server", f"127.0.0.1:{server.port}")
        assert said(result) == ["Version 4 of shop is loading: waiting until it can answer."]
    assert result.exception is None
    assert result.stdout.startswith("shop: version 4 is stable;")
    assert labels(base) == {"stable": 4, "canary": 4}


def test_labels_of_others_and_other_models_stay(rollout, base):
    put_version(base.parent / "films", 8)
    config = base.parent / "models.config"
    config.write_text(
        'model_config_list { config { name: "shop" base_path: "shop" model_platform: "tensorflow" '
        'model_version_policy { latest { num_versions: 2 } } version_labels { key: "mine" value: 3 } } '
        f'config {{ name: "films" base_path: "{base.parent}/films" model_platform: "tensorflow" }} }}'
    )
    rollout("promote")
    models = models_config.read(config.read_bytes(), config)
    assert models["shop"].labels == {"mine": 3, "stable": 3, "canary": 3}
    assert (models["shop"].policy.at_most, models["films"].base_path) == (2, base.parent / "films")


def test_a_model_that_the_file_does_not_name_is_added(rollout, base):
    put_version(base.parent / "films", 8)
    config = base.parent / "models.config"
    rollout("promote")
    assert list(models_config.read(config.read_bytes(), config)) == [MODEL]
    _rollout(base.parent, "promote", "--offline", "--model", "films")
    models = models_config.read(config.read_bytes(), config)
    assert (models["films"].labels, models[MODEL].labels) == ({"stable": 8, "canary": 8}, {"stable": 3, "canary": 3})


def test_a_push_is_the_canary_of_a_model_with_labels_only(tmp_path, caplog):
    bundle, base = toy_bundle("exact").directory, tmp_path / MODEL
    first = push_bundle(bundle, str(base))
    assert not (tmp_path / "models.config").exists()
    _rollout(tmp_path, "promote", "--offline")
    second = push_bundle(bundle, str(base))
    assert labels(base) == {"stable": int(first.name), "canary": int(second.name)}
    (tmp_path / "models.config").write_text("oops")
    third = push_bundle(bundle, str(base))
    assert third.is_dir()
    assert f"Version {third.name} is no canary" in caplog.text
    shutil.rmtree(base)


def test_two_who_change_labels_at_once_lose_nothing(base):
    def count(name):
        for _ in range(20):
            with changing_labels(base.parent, MODEL) as current:
                current[name] = current.get(name, 0) + 1

    threads = [threading.Thread(target=count, args=[name]) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert labels(base) == {"a": 20, "b": 20}
