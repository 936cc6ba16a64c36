"""A folder with one version of a model, and a server on it."""

import pytest

from serving.server import Server
from tests.serving.running_server import POLL
from tests.serving.versions_on_disk import MODEL, Held, put_version


@pytest.fixture
def base(tmp_path):
    put_version(tmp_path / MODEL, 1)
    return tmp_path / MODEL


@pytest.fixture
def held(tmp_path_factory):
    run = Held(tmp_path_factory.mktemp("held"))
    yield run
    run.let_go()


@pytest.fixture
def server(base):
    with Server(base.parent, MODEL, poll_seconds=POLL) as running:
        running.wait_until_available()
        yield running
