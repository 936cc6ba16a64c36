"""A real pipeline of one component, run twice: what it warned of is told from the cache as well."""

import io
import logging

import pytest
from rich.console import Console
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types import Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from pipeline.engines import local
from pipeline.terminal.progress import PROGRESS_LOGGER, Progress

DONE = []


class Executor(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        DONE.append(exec_properties["words"])
        logging.getLogger(PROGRESS_LOGGER).info("step 1")
        for words in filter(None, exec_properties["words"].split("|")):
            logging.getLogger(PROGRESS_LOGGER).warning("%s, so it filters nothing", words)


class Spec(ComponentSpec):
    PARAMETERS = {"words": ExecutionParameter(type=str)}
    INPUTS = {}
    OUTPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
    }


class Warns(BaseComponent):
    SPEC_CLASS = Spec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, words):
        channels = {name: Channel(type=parameter.type) for name, parameter in Spec.OUTPUTS.items()}
        super().__init__(spec=Spec(words=words, **channels))


@pytest.fixture
def run(tmp_path):
    def run(words):
        pipeline = Pipeline(
            "p",
            str(tmp_path / "artifacts"),
            metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db")),
            [Warns(words)],
            enable_cache=True,
        )
        warnings, console = ["told before"], Console(file=io.StringIO(), width=200)
        with Progress(console, warnings) as progress:
            local.run(pipeline, [progress])
        return warnings, console.file.getvalue()

    DONE.clear()
    return run


def test_a_warning_is_told_from_the_cache_as_well(run):
    expected = ["told before", "no item has a=1, so it filters nothing", "no item has b=ü, so it filters nothing"]
    first, said = run("no item has a=1|no item has b=ü")
    assert first == expected and "step 1" in said and "cached" not in said
    again, said = run("no item has a=1|no item has b=ü")
    assert again == expected and len(DONE) == 1
    assert "cached" in said and "step 1" not in said
    assert said.count("Warning: no item has a=1, so it filters nothing") == 1


def test_a_component_without_warnings_keeps_none_of_another(run):
    run("no item has a=1")
    assert [run("")[0], run("")[0]] == [["told before"]] * 2
    assert DONE == ["no item has a=1", ""]


def test_a_warning_that_was_told_before_is_kept_for_the_cache(run):
    assert [run(words)[0] for words in ("x", "x|x", "x|x")] == [
        ["told before", "x, so it filters nothing"]
    ] * 3 and len(DONE) == 2
