"""Settings of the test session: Keras 2 and a quiet TensorFlow, chosen before anything imports it; long files first.

Tests wait for events, however long a busy machine takes; limits are there to end what hangs.
"""

import inspect
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

import trainer  # noqa: F401
from serving.client.connection import Connection
from serving.server import Server

hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

PATIENCE = 600.0
"""Seconds after which a test gives up what hangs. No test that passes waits for their end."""

LONG = ("tests/e2e/test_pipeline.py", "tests/e2e/test_pretraining.py", "tests/conformance/test_pushed.py", "tests/e2e/",
        "tests/examples/")  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def patience():
    """Defaults that are meant for users who wait, of the client and of a server's start, do not end a test."""
    with pytest.MonkeyPatch.context() as patch:
        for method in (Connection.__init__, Server.wait_until_available):
            given = {name: option.default for name, option in inspect.signature(method).parameters.items()}
            assert "timeout" in given
            defaults = [
                value for value in (given | {"timeout": PATIENCE}).values() if value is not inspect.Parameter.empty
            ]
            patch.setattr(method, "__defaults__", tuple(defaults))
        yield


class LongFilesFirst(LoadFileScheduling):
    """Hands out the files that take minutes before all others.

    xdist begins with the files of most tests: of whole runs there are few tests, so they came last, and all processes
    but one had nothing left to do.
    """

    def _assign_work_unit(self, node):
        self.workqueue.move_to_end(min(self.workqueue, key=_place), last=False)
        super()._assign_work_unit(node)


def _place(file):
    return next((place for place, name in enumerate(LONG) if file.startswith(name)), len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return LongFilesFirst(config, log) if config.getoption("dist") == "loadfile" else None
