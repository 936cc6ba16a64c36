"""Nothing is left out: each model file registers a model of one kind, and each model has a preset."""

import inspect
import pkgutil
from pathlib import Path

import pytest

import trainer.models
from pipeline.config.run import load
from trainer.models import registry

PRESETS = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "pipeline" / "presets").glob("*.yaml"))
BASELINES = {"shared_bottom", "mmoe"}
"""Of the models of profiles, those that others are compared with: for any preset of theirs, model.name is enough."""


def test_every_file_of_models_registers():
    found = pkgutil.walk_packages(trainer.models.__path__, "trainer.models.")
    files = {module.name.rpartition(".")[2] for module in found if not module.ispkg}
    files -= {"registry", "base", "settings", "encoding", "loss"}
    registered = {inspect.getmodule(registry.get(name)).__name__.rsplit(".", 1)[-1] for name in registry.names()}
    assert files == registered


@pytest.mark.parametrize("name", registry.names())
def test_descriptions(name):
    assert registry.describe(name) and registry.get(name).paper


def test_every_model_is_of_one_kind():
    retrieval, profile = set(registry.names("retrieval")), set(registry.names("tag_profiles"))
    assert retrieval and profile and not retrieval & profile
    assert retrieval | profile == set(registry.names())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_loads_and_names_a_model(preset):
    config = load(preset)
    name = config.model.model_dump()["name"]
    assert isinstance(config.model, registry.settings_class(name))


@pytest.mark.parametrize("name", sorted(set(registry.names()) - BASELINES))
def test_every_model_has_a_preset_of_its_name(name):
    assert load(name).model.model_dump()["name"] == name
