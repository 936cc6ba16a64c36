"""The Pusher pushes what every gate blessed, and nothing else."""

import os

import pytest
from tfx.types import Channel, standard_artifacts
from tfx.utils import proto_utils

from components import cluster_push
from components.nodes.pusher import BundlePusher, BundlePusherExecutor
from components.push_log import pushed_in
from serving.bundle import manifest
from serving.settings import ServingSettings
from tests.components.artifacts import artifact, toy_artifacts
from trainer.errors import GateRefused, InputError


def push(tmp_path, model_blessed, infra_blessed, fail_when_refused=None):
    _, bundle = toy_artifacts(tmp_path)
    model_blessing = artifact(standard_artifacts.ModelBlessing, tmp_path / "model_blessing")
    model_blessing.set_int_custom_property("blessed", int(model_blessed))
    infra_blessing = artifact(standard_artifacts.InfraBlessing, tmp_path / "infra_blessing")
    infra_blessing.set_int_custom_property("blessed", int(infra_blessed))
    model_blessing.set_string_custom_property("reason", "recall is 0.01.")
    infra_blessing.set_string_custom_property("reason", "too slow.")
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    component = BundlePusher(
        bundle=Channel(type=standard_artifacts.Model),
        serving=ServingSettings(directory=str(tmp_path / "served"), model_name="shop"),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        infra_blessing=Channel(type=standard_artifacts.InfraBlessing),
        fail_when_refused=fail_when_refused,
    )
    destination = component.exec_properties["push_destination"]
    if not isinstance(destination, str):
        destination = proto_utils.proto_to_json(destination)
    BundlePusherExecutor().Do(
        {"model": [bundle], "model_blessing": [model_blessing], "infra_blessing": [infra_blessing]},
        {"pushed_model": [pushed]},
        {"push_destination": destination, "custom_config": component.exec_properties["custom_config"]},
    )
    return pushed


def test_a_blessed_bundle_is_pushed(tmp_path):
    pushed = push(tmp_path, True, True)
    (version,) = os.listdir(tmp_path / "served" / "shop")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == version
    assert pushed.get_string_custom_property("pushed_destination") == str(tmp_path / "served" / "shop" / version)
    manifest.verify(tmp_path / "served" / "shop" / version)


def test_the_same_bundle_stays_the_version_it_is(tmp_path):
    first = push(tmp_path / "once", True, True)
    assert first.get_int_custom_property("unchanged") == 0
    os.rename(tmp_path / "once" / "served", tmp_path / "served")
    (tmp_path / "again").mkdir()
    os.symlink(tmp_path / "served", tmp_path / "again" / "served")
    second = push(tmp_path / "again", True, True)
    assert second.get_int_custom_property("unchanged") == second.get_int_custom_property("pushed") == 1
    (version,) = os.listdir(tmp_path / "served" / "shop")
    assert second.get_string_custom_property("pushed_version") == version
    assert second.get_string_custom_property("pushed_destination").endswith(f"served/shop/{version}")


@pytest.mark.parametrize(("model_blessed", "infra_blessed"), [(True, False), (False, True)])
def test_a_refused_bundle_is_not_pushed(tmp_path, model_blessed, infra_blessed):
    pushed = push(tmp_path, model_blessed, infra_blessed)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize(
    ("model_blessed", "infra_blessed", "words"),
    [
        (True, False, "Serving validation: too slow."),
        (False, True, "Evaluation: recall is 0.01."),
        (False, False, "Evaluation: recall is 0.01. Serving validation: too slow."),
    ],
)
def test_on_kubeflow_a_refusal_fails_the_step(tmp_path, capsys, model_blessed, infra_blessed, words):
    with pytest.raises(GateRefused, match=f"^Nothing was pushed, and what was served stays. {words}$"):
        push(tmp_path, model_blessed, infra_blessed, fail_when_refused=True)
    assert pushed_in(capsys.readouterr().out) == (True, None)
    assert not (tmp_path / "served").exists()


def test_on_kubeflow_a_refusal_may_be_no_failure(tmp_path, capsys):
    assert push(tmp_path, False, True, fail_when_refused=False).get_int_custom_property("pushed") == 0
    assert pushed_in(capsys.readouterr().out) == (True, None)


def test_on_kubeflow_the_folder_has_to_be_on_a_volume(tmp_path, capsys, monkeypatch):
    mounted, listed = {"/"}, tmp_path / "mountinfo"
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in mounted)
    monkeypatch.setattr(cluster_push, "MOUNTS", listed)
    with pytest.raises(InputError, match=r"is on no mounted volume.*kubeflow\.volumes"):
        push(tmp_path, True, True, fail_when_refused=True)
    assert pushed_in(capsys.readouterr().out) == (False, None)
    assert not (tmp_path / "served").exists()
    listed.write_text("22 1 0:5 / / rw - overlay none rw\n")
    (tmp_path / "disk").mkdir()
    with pytest.raises(InputError, match="is on no mounted volume"):
        push(tmp_path / "disk", True, True, fail_when_refused=True)
    volume = tmp_path / "a volume"
    volume.mkdir()
    listed.write_text(f"22 1 0:5 / / rw - overlay none rw\n23 22 8:1 /x {tmp_path}/a\\040volume rw - ext4 /dev/a rw\n")
    assert push(volume, True, True, fail_when_refused=True).get_int_custom_property("pushed") == 1
    assert pushed_in(capsys.readouterr().out)[1].startswith(str(volume))
    listed.unlink()
    mounted.add(str(tmp_path))
    again = tmp_path / "again"
    again.mkdir()
    version = push(again, True, True, fail_when_refused=True).get_string_custom_property("pushed_destination")
    assert os.path.dirname(version) == str(again / "served" / "shop")
    assert pushed_in(capsys.readouterr().out) == (True, version)
