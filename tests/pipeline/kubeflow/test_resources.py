"""Requests and limits of steps, from figures and settings."""

import pytest

from pipeline.config.kubeflow import KubeflowSettings
from pipeline.kubeflow.resources import Resources, resources
from pipeline.records.record import Step, write
from tests.pipeline.records.records import record
from trainer.errors import InputError


@pytest.fixture
def measured(tmp_path):
    steps = [
        Step(name="Trainer", state="done", seconds=100, cpu_seconds=310, peak_memory_bytes=8_000_000_000),
        Step(name="Evaluator", state="cached", seconds=1, cpu_seconds=1, peak_memory_bytes=100),
        Step(name="DataGate", state="done", seconds=10, cpu_seconds=1, peak_memory_bytes=500_000_000),
    ]
    return str(write(record(steps=steps), tmp_path, keep=1))


def test_a_record_s_figures(measured):
    found = resources(KubeflowSettings(record=measured, headroom=1.25), ["Trainer", "Evaluator", "DataGate"])
    # 3.1 cores, 8 GB and a quarter more; 0.1 cores, 0.625 GB; nothing of the step that was taken from the cache.
    assert found["Trainer"] == Resources(3.5, None, 10.0, 20.0, 2)
    assert found["DataGate"] == Resources(0.5, None, 0.75, 1.5, 0)
    assert found["Evaluator"] == Resources(1.0, None, 2.75, 5.5, 2)


def test_settings_of_a_step_go_before(measured):
    steps = {"Trainer": {"cpu_limit": 2, "memory_limit": 9}, "DataGate": {"retries": 1, "memory": 3, "cpu": 0.25}}
    found = resources(KubeflowSettings(record=measured, retries=4, steps=steps), ["Trainer", "DataGate", "Pusher"])
    assert found["Trainer"] == Resources(2.0, 2.0, 9.0, 9.0, 4)
    assert found["DataGate"] == Resources(0.25, None, 3.0, 6.0, 1)
    assert found["Pusher"].retries == 4


def test_without_a_record_the_figures_are_those_of_a_small_run():
    found = resources(KubeflowSettings(headroom=2), ["Trainer", "Another"])
    assert found["Trainer"] == Resources(1.0, None, 3.5, 7.0, 2)
    assert found["Another"] == Resources(1.0, None, 4.5, 9.0, 2)


def test_what_is_wrong(tmp_path):
    cached = [Step(name="Trainer", state="cached", seconds=1, peak_memory_bytes=1)]
    file = str(write(record(steps=cached), tmp_path, keep=1))
    with pytest.raises(InputError, match=r"kubeflow\.record: .*run\.json holds no step with its memory"):
        resources(KubeflowSettings(record=file), ["Trainer"])
    with pytest.raises(
        InputError, match=r"kubeflow\.steps\.Trainr: there is no such step\. The steps are: Pusher, Trainer"
    ):
        resources(KubeflowSettings(steps={"Trainr": {"cpu": 1}}), ["Trainer", "Pusher"])
    with pytest.raises(InputError, match=r"kubeflow\.record: .*none\.json: No such file"):
        resources(KubeflowSettings(record=str(tmp_path / "none.json")), ["Trainer"])
