"""What README, pages and presets say of the configuration is what the settings are."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.config import run as config
from pipeline.config.pretraining import DEFAULTS, PretrainingSections
from pipeline.graph.baseline import baseline_settings
from trainer.models import registry
from trainer.settings import TrainingSettings

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MINIMAL = {"data": {"interactions": "log.csv"}, "model": {"name": "comirec_sa"}}
SECTIONS = set(config.Config.model_fields)
RETRIEVAL = [name for name in config.presets() if name not in ("mvke", "utpm")]


def _blocks(page: Path) -> list[str]:
    """Fenced blocks of YAML, and indented ones that begin with a section."""
    text = page.read_text()
    found = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    for block in re.findall(r"(?:^ {4,}.*\n|^\n(?= {4}))+", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M):
        for part in re.split(r"\n\s*\n", block):
            lines = [line for line in part.splitlines() if line.strip()]
            if not lines:
                continue
            margin = min(len(line) - len(line.lstrip()) for line in lines)
            if re.match(rf"({'|'.join(SECTIONS)}):( |$)", lines[0][margin:]):
                found.append("\n".join(line[margin:] for line in lines))
    return found


BLOCKS = [
    pytest.param(page, block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(_blocks(page))
]


def test_the_blocks_are_found():
    names = [parameter.id for parameter in BLOCKS]
    assert {"bring-your-own-data.md-0", "mind.md-0", "configuration.md-0"} <= set(names)


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_block_is_a_valid_part_of_a_configuration(page, block):
    values = yaml.safe_load(block)
    assert isinstance(values, dict), block
    if set(values) & set(PretrainingSections.model_fields):
        assert set(values) - SECTIONS <= set(PretrainingSections.model_fields)
        values = {key: value for key, value in values.items() if key in SECTIONS}
        values["model"] = {**DEFAULTS["model"], **values.get("model", {})}
        values["text"] = {**DEFAULTS["text"], **values.get("text", {})}
    merged = {key: {**MINIMAL.get(key, {}), **values.get(key, {})} for key in {*MINIMAL, *values}}
    if "labels" in merged["data"]:
        merged["model"] = {"name": "utpm"}
        merged["data"].setdefault("items", "items.csv")
    if merged["model"].get("name") in registry.names("tag_profiles") and "labels" not in merged["data"]:
        merged["data"] |= {
            "labels": {"click": {"column": "click"}},
            "items": "items.csv",
            "item_columns": {"tags": "t"},
        }
    if "text" in merged:
        merged["data"] = {"items": "items.csv", "item_columns": {"text": "words"}} | merged["data"]
    if "text" in merged and not getattr(registry.settings_class(merged["model"]["name"])(), "text", False):
        merged["model"] = {"name": "miracle"}
    config.validate(merged, source=page.name)


def test_the_first_configuration_is_the_good_one():
    """Of the page that a newcomer reads: a log and a name, and nothing that has to be known."""
    first = yaml.safe_load(_blocks(ROOT / "docs" / "bring-your-own-data.md")[0])
    assert (
        set(first) == {"data", "model"} and set(first["model"]) == {"name"} and set(first["data"]) == {"interactions"}
    )
    loaded = config.validate(first, source="first")
    model = loaded.model
    assert (model.normalize, model.temperature, model.read_out, model.num_interests) == (True, "auto", "mixture", 4)
    assert loaded.data.min_history == 1 and loaded.training.schedule == "plateau"
    baseline = baseline_settings(loaded)
    assert (baseline["normalize"], baseline["temperature"], baseline["dropout"]) == (True, "auto", model.dropout)


def test_the_baseline_has_a_temperature_of_its_own():
    own = config.validate({**MINIMAL, "model": {"name": "octopus", "temperature": 0.3}}, source="x")
    assert baseline_settings(own)["temperature"] == "auto"
    plain = {"name": "comirec_sa", "normalize": False, "temperature": 0.3}
    assert baseline_settings(config.validate({**MINIMAL, "model": plain}, source="x"))["temperature"] == 0.3


@pytest.mark.parametrize("name", registry.names("retrieval"))
def test_every_model_is_good_by_default(name):
    settings = registry.settings_class(name)()
    scores = (settings.normalize, settings.temperature, settings.read_out)
    # MIRACLE's capsules are shorter than 1, and are scored as they are.
    assert scores == ((False, 0.1, "max") if name == "miracle" else (True, "auto", "mixture"))
    layers = {"mind": (1.0, 0.1), "comirec_dr": (0.15, 0.1)}
    if name in layers:
        assert (settings.routing_temperature, settings.squash_power) == layers[name]


@pytest.mark.parametrize("name", RETRIEVAL)
def test_a_preset_says_only_what_differs_from_the_defaults(name):
    values, loaded = config.read_yaml(config.find(name)), config.load(name)
    defaults = {
        "model": registry.settings_class(loaded.model.name)(),
        "training": TrainingSettings(),
        "data": loaded.data.__class__(interactions=""),
    }
    for section, default in defaults.items():
        for key, value in values.get(section, {}).items():
            assert key == "name" or getattr(default, key) != value, f"{section}.{key} is {value} anyway"


def _rows(page: Path) -> list[list[str]]:
    rows = [line.strip().strip("|").split(" | ") for line in page.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows if len(row) == 3]


def _written(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return str(value)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "models").glob("*.md")), ids=lambda page: page.stem)
def test_the_defaults_in_the_tables_of_a_models_page(page):
    """Rows of one setting; a model in brackets behind it says whose."""
    text = page.read_text()
    models = [name for name in registry.names() if f"`{name}`" in text.split("##")[0]]
    checked = 0
    for key, default, _ in _rows(page):
        match = re.fullmatch(r"`([a-z_]+)`(?: \((\w+)\))?", key)
        for name in models:
            field = registry.settings_class(name).model_fields.get(match.group(1)) if match else None
            if field is None or (match.group(2) and not name.endswith(match.group(2).lower())):
                continue
            value = field.get_default(call_default_factory=True)
            if isinstance(value, tuple | list | dict):
                continue
            written = default.replace("`", "").split(";")[0]
            if value is None and written in ("see above", "all"):
                continue
            assert written in (_written(value), f"{value:g}" if isinstance(value, float) else ""), f"{name}.{key}"
            checked += 1
    assert checked > 0
