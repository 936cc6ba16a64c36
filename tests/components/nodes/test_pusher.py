"""The Pusher pushes what every gate blessed, and nothing else."""

import os

import pytest
from tfx.types import Channel, standard_artifacts
from tfx.utils import proto_utils

from components.nodes.pusher import BundlePusher, BundlePusherExecutor
from serving.bundle import manifest
from serving.settings import ServingSettings
from tests.components.artifacts import artifact, toy_artifacts


def push(tmp_path, model_blessed, infra_blessed):
    _, bundle = toy_artifacts(tmp_path)
    model_blessing = artifact(standard_artifacts.ModelBlessing, tmp_path / "model_blessing")
    model_blessing.set_int_custom_property("blessed", int(model_blessed))
    infra_blessing = artifact(standard_artifacts.InfraBlessing, tmp_path / "infra_blessing")
    infra_blessing.set_int_custom_property("blessed", int(infra_blessed))
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    component = BundlePusher(
        bundle=Channel(type=standard_artifacts.Model),
        serving=ServingSettings(directory=str(tmp_path / "served"), model_name="shop"),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        infra_blessing=Channel(type=standard_artifacts.InfraBlessing),
    )
    destination = component.exec_properties["push_destination"]
    if not isinstance(destination, str):
        destination = proto_utils.proto_to_json(destination)
    BundlePusherExecutor().Do(
        {"model": [bundle], "model_blessing": [model_blessing], "infra_blessing": [infra_blessing]},
        {"pushed_model": [pushed]},
        {"push_destination": destination},
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
