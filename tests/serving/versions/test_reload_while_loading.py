"""A configuration that changes while a version is being loaded: no label waits for it, and nothing is left over."""

import threading

import pytest

from serving.versions.manager import ServableManager
from serving.versions.wanted import ModelConfig, VersionPolicy
from tests.serving.running_server import PATIENCE, wait_for
from tests.serving.versions_on_disk import MODEL

ONE_AND_TWO = VersionPolicy(None, frozenset([1, 2]))


class Held:
    """Loads at once, but the version of one number only when it is released."""

    def __init__(self, number):
        self.number, self.started, self.release = number, threading.Event(), threading.Event()
        self.closed = []

    def __call__(self, name, folder):
        if folder.name == str(self.number):
            self.started.set()
            assert self.release.wait(PATIENCE)
        return _Closing(self.closed, folder.name)


class _Closing:
    def __init__(self, closed, name):
        self._closed, self._name = closed, name

    def close(self):
        self._closed.append(self._name)


@pytest.fixture
def held(tmp_path):
    for number in (1, 2, 9):
        (tmp_path / str(number)).mkdir()
    load = Held(9)
    manager = ServableManager({MODEL: ModelConfig(tmp_path, ONE_AND_TWO, {"stable": 2})}, load)
    manager.poll()
    yield tmp_path, load, manager
    load.release.set()


def _reload(manager, config):
    thread = threading.Thread(target=manager.reload, args=[config])
    thread.start()
    return thread


def test_labels_move_while_another_version_is_being_loaded(held):
    base, load, manager = held
    first = _reload(manager, {MODEL: ModelConfig(base, ONE_AND_TWO, {"stable": 2, "canary": 9})})
    assert load.started.wait(PATIENCE)
    second = _reload(manager, {MODEL: ModelConfig(base, ONE_AND_TWO, {"stable": 1})})
    wait_for(lambda: manager.available(MODEL) == 1)
    assert not load.release.is_set()
    load.release.set()
    first.join()
    second.join()
    assert [(v.number, v.state.name) for v in manager.status(MODEL)] == [
        (9, "END"), (2, "AVAILABLE"), (1, "AVAILABLE"),
    ]  # fmt: skip
    assert load.closed == ["9"]


def test_a_changed_file_waits_for_no_load(held):
    base, load, manager = held
    manager.start()
    manager.reconfigure({MODEL: ModelConfig(base, ONE_AND_TWO, {"stable": 2, "canary": 9})})
    assert load.started.wait(PATIENCE)
    manager.reconfigure({MODEL: ModelConfig(base, ONE_AND_TWO, {"stable": 1})})
    assert manager.available(MODEL) == 1
    assert not load.release.is_set()
    load.release.set()
    wait_for(lambda: load.closed == ["9"])
    manager.stop()


def test_a_model_that_is_taken_out_while_it_is_being_loaded_is_unloaded(held):
    base, load, manager = held
    first = _reload(manager, {MODEL: ModelConfig(base, ONE_AND_TWO, {"stable": 9})})
    assert load.started.wait(PATIENCE)
    second = _reload(manager, {})
    wait_for(lambda: manager.available(MODEL) is None)
    load.release.set()
    first.join()
    second.join()
    assert sorted(load.closed) == ["1", "2", "9"]
    assert manager.model_names == []


def test_a_version_that_is_wanted_again_before_it_is_unloaded_answers_again(held):
    base, load, manager = held
    with manager.use(MODEL, 1) as (_, servable):
        manager.reload({MODEL: ModelConfig(base, VersionPolicy(None, frozenset([2])))})
        assert [(v.number, v.state.name) for v in manager.status(MODEL)] == [(2, "AVAILABLE"), (1, "UNLOADING")]
        manager.reload({MODEL: ModelConfig(base, ONE_AND_TWO)})
        with manager.use(MODEL, 1) as (_, again):
            assert again is servable
    assert load.closed == []
