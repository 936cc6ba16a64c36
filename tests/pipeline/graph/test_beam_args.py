import tempfile

import pytest
from tfx.utils import dependency_utils

from pipeline.graph.beam_args import for_tfx


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("args", [[], ["--runner=DirectRunner", "--direct_num_workers=2"]])
def test_tfx_packs_no_copy_of_itself_for_local_workers(args, temporary):
    told = for_tfx(args)
    assert told[: len(args)] == args
    assert dependency_utils.make_beam_dependency_flags(told) == told
    assert not list(temporary.iterdir())


def test_options_of_a_runner_elsewhere_stay_as_they_are():
    args = ["--runner=FlinkRunner", "--flink_master=flink:8081"]
    assert for_tfx(args) == args
