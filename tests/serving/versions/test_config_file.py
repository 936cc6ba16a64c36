"""models.config: what it says, what is wrong with it in words, and what happens when it changes."""

import os
from pathlib import Path

import pytest

from serving.server import Server
from serving.server.command import main
from serving.versions import config_file as models_config
from serving.versions.wanted import ModelConfig, VersionPolicy
from tests.command_line import command_line
from tests.serving.running_server import POLL, reason, refused, states, wait_for
from tests.serving.stock_client import ALL, labels, model, models, specific
from tests.serving.versions_on_disk import MODEL, put_version
from trainer.errors import InputError


def read(text):
    return models_config.read(text.encode(), Path("/etc/models.config"))


def test_what_a_file_says():
    latest = "model_version_policy { latest { num_versions: 2 } }"
    configs = read(
        models(
            model("a", "/data/a"),
            model("b", "b", latest),
            model("c", "../c", ALL),
            model("d", "/d", specific(3, 7) + labels(stable=3, canary=7)),
        )
    )
    assert configs == {
        "a": ModelConfig(Path("/data/a"), VersionPolicy(at_most=1)),
        "b": ModelConfig(Path("/etc/b"), VersionPolicy(at_most=2)),
        "c": ModelConfig(Path("/etc/../c"), VersionPolicy(at_most=None)),
        "d": ModelConfig(Path("/d"), VersionPolicy(None, frozenset([3, 7])), {"stable": 3, "canary": 7}),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'model_config_list {\n  config { nme: "a" } }',
            '/etc/models.config:2:12: Message type "tensorflow.serving.ModelConfig" has no field named "nme"',
        ),
        ("model_config_list {", '/etc/models.config:1:19: Expected "}"'),
        ("", "/etc/models.config: model_config_list has no config: name at least one model."),
        ("custom_model_config { }", "custom_model_config is not supported, only model_config_list."),
        (models(model("a", "/a"), model("a", "/b")), "Illegal to list model a multiple times in config list."),
        (models(model("", "/a")), "A model's name consists of letters, digits, dots, dashes and underscores."),
        (models(model("a", "")), "Model a has no base_path"),
        (models(model("a", "/a\\000b")), r"Model a: base_path has a zero byte: '/a\x00b'."),
        (models(model("a", "gs://bucket/a")), "gs://bucket/a is not a folder of this machine; mount it."),
        (models('config { name: "a" base_path: "/a" }'), "Illegal setting neither ModelServerConfig::model_type"),
        (
            models('config { name: "a" base_path: "/a" model_platform: "caffe" }'),
            "Model a requests unsupported platform caffe",
        ),
        (models(model("a", "/a", "model_type: TENSORFLOW")), "Illegal setting both ModelServerConfig::model_type"),
        (models('config { name: "a" base_path: "/a" model_type: OTHER }'), "model_type choice 2 not supported"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(text, words):
    with pytest.raises(InputError) as caught:
        read(text)
    assert str(caught.value).startswith("/etc/models.config:")
    assert words in str(caught.value)


def test_a_file_that_is_no_text():
    with pytest.raises(InputError, match="not a text file: invalid start byte at byte 1"):
        models_config.read(b"a\xff", Path("models.config"))


def test_the_deprecated_type_is_the_platform():
    assert read(models('config { name: "a" base_path: "/a" model_type: TENSORFLOW }')) == {"a": ModelConfig(Path("/a"))}


def test_a_file_is_written_whole_and_read_back(tmp_path):
    path = tmp_path / "models.config"
    text = models(model("a", "/a", labels(stable=3))).encode()
    models_config.write(path, models_config.parse(text, path))
    assert models_config.read(path.read_bytes(), path)["a"].labels == {"stable": 3}
    assert os.listdir(tmp_path) == ["models.config"]


@pytest.fixture
def shop(tmp_path):
    for number in (1, 2, 3):
        put_version(tmp_path / MODEL, number)
    return tmp_path


@pytest.mark.parametrize(
    ("policy", "available"),
    [
        ("", {3}),
        ("model_version_policy { latest { num_versions: 2 } }", {2, 3}),
        (ALL, {1, 2, 3}),
        (specific(1), {1}),
        (specific(1, 3, 8), {1, 3}),
        (labels(old=1), {1, 3}),
    ],
)
def test_policies(shop, policy, available):
    (shop / "models.config").write_text(models(model(MODEL, MODEL, policy)))
    with Server(shop, poll_seconds=POLL) as server:
        wait_for(lambda: {n for n, state in states(server).items() if state == "AVAILABLE"} == available)
        server.manager.poll()
        assert states(server) == dict.fromkeys(available, "AVAILABLE")


def test_a_refused_version_takes_no_place_of_the_latest(shop):
    (shop / MODEL / "9").mkdir()
    (shop / "models.config").write_text(
        models(model(MODEL, MODEL, "model_version_policy { latest { num_versions: 2 } }"))
    )
    with Server(shop, poll_seconds=POLL) as server:
        wait_for(lambda: states(server) == {9: "END", 3: "AVAILABLE", 2: "AVAILABLE"})


def test_a_changed_file_is_taken_up_and_a_broken_one_is_not(shop, caplog):
    path = shop / "models.config"
    put_version(shop / "films", 7)
    with Server(shop, poll_seconds=POLL, model_config_poll_seconds=POLL) as server:
        server.wait_until_available()
        assert server.manager.model_names == ["films", MODEL]
        path.write_text(models(model(MODEL, MODEL, labels(stable=2))))
        wait_for(lambda: server.manager.available(MODEL) == 2)
        assert server.manager.model_names == ["films", MODEL]
        path.write_text("model_config_list { oops")
        wait_for(lambda: "What was served stays" in caplog.text)
        assert "models.config:1:" in caplog.text
        assert server.manager.available(MODEL) == 2
        path.write_text(models(model(MODEL, MODEL, labels(stable=1))))
        wait_for(lambda: server.manager.available(MODEL) == 1)
        path.unlink()
        wait_for(lambda: server.manager.available(MODEL) == 3)
        assert (server.manager.model_names, server.manager.available("films")) == (["films", MODEL], 7)
        assert caplog.text.count("What was served stays") == 1


def test_a_label_moves_when_its_version_is_available_and_not_before(shop):
    path = shop / "models.config"
    path.write_text(models(model(MODEL, MODEL, specific(3, 4) + labels(stable=3))))
    with Server(shop, poll_seconds=POLL, model_config_poll_seconds=POLL) as server:
        server.wait_until_available()
        (shop / MODEL / "4").mkdir()
        path.write_text(models(model(MODEL, MODEL, specific(4) + labels(stable=4))))
        wait_for(lambda: refused(server, 4))
        server.manager.poll()
        assert server.manager.labelled(MODEL, "stable") == server.manager.available(MODEL) == 3
        assert "no assets.extra/manifest.json" in reason(server, 4)
        (shop / MODEL / "4").rmdir()
        put_version(shop / MODEL, 4)
        wait_for(lambda: server.manager.labelled(MODEL, "stable") == server.manager.available(MODEL) == 4)
        wait_for(lambda: states(server) == {4: "AVAILABLE", 3: "END"})


def test_labels_survive_a_restart_also_when_the_version_is_bad_by_then(shop):
    path = shop / "models.config"
    path.write_text(models(model(MODEL, MODEL, labels(stable=2))))
    for expected in (2, 2):
        with Server(model_config_file=str(path), poll_seconds=POLL) as server:
            server.wait_until_available()
            assert server.manager.available(MODEL) == expected
    (shop / MODEL / "2" / "saved_model.pb").write_bytes(b"broken")
    with Server(model_config_file=str(path), poll_seconds=POLL) as server:
        wait_for(lambda: server.manager.available(MODEL) == 3)
        assert states(server)[2] == "END"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model-config-file", "nowhere.config"], "nowhere.config does not exist"),
        ([], "Error: Give a directory of models or a model_config_file: one of the two."),
        (["--model-config-file", "a", "--directory", "b"], "one of the two."),
        (["--model-config-file", ".", "--log-format", "json"], "cannot be read: Is a directory."),
    ],
)
def test_settings_are_told_in_words(arguments, words):
    result = command_line().invoke(main, arguments, obj=Server)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_in_the_folder_says_more_of_its_models_and_one_by_itself_says_all(shop):
    put_version(shop / "films", 7)
    path = shop / "models.config"
    path.write_text(models(model(MODEL, MODEL), model("toys", "elsewhere/toys")))
    assert sorted(Server(shop).manager.model_names) == ["films", MODEL, "toys"]
    assert Server(model_config_file=str(path)).manager.model_names == [MODEL, "toys"]
    assert Server(shop, "toys").manager.model_names == ["toys"]
    (shop / "configs").mkdir()
    path.rename(shop / "configs" / "models.config")
    assert Server(shop / "configs").manager.model_names == [MODEL, "toys"]
    with pytest.raises(InputError, match="has no model films, only shop, toys"):
        Server(None, "films", model_config_file=str(shop / "configs" / "models.config"))
