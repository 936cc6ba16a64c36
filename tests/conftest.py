"""Settings of the test session: Keras 2 and a quiet TensorFlow, chosen before anything imports it; long files first."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from xdist.scheduler import LoadFileScheduling

import trainer.keras_api  # noqa: F401

LONG = ("tests/e2e/test_pipeline.py", "tests/e2e/test_pretraining.py", "tests/conformance/test_pushed.py", "tests/e2e/")


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
