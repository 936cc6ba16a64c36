"""The documentation's tables of settings are those of the classes."""

import re
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field

from pipeline.config import settings_tables
from pipeline.config.run import Config
from pipeline.config.settings_tables import DOCS, PAGES, Row, rows, tables, updated
from serving.server_settings import ServerSettings
from trainer.models import registry
from trainer.settings import Settings

SECTIONS = [name for name in Config.model_fields if name != "model"]


class Leaf(Settings):
    colour: Literal["red", "green"] = Field("red", description="Colour, red|green.")


class Tree(Settings):
    age: int = Field(ge=0, le=2**32 - 1, description="Age, in years.")
    height: float | None = Field(0.001, gt=0, lt=2.5, description="Height.")
    wide: float | Literal["auto"] = Field("auto", description="Width.")
    alive: bool = Field(True, description="Grow.")
    leaf: Leaf = Leaf()
    other: Leaf | None = None
    labels: dict[str, Leaf] = Field(default_factory=dict, description="Leaves by task.")
    names: list[Annotated[str, Field(pattern="^[a-z]+$")]] = Field(["a", "b"], description="Names.")
    weights: dict[str, float] = Field({"a": 2.0}, description="Weights.")


@pytest.fixture(scope="module")
def found():
    return tables()


def test_the_rows_of_a_class():
    assert list(rows(Tree, "tree")) == [
        Row("tree.age", "required", "integer, 0 to 4294967295", "Age, in years."),
        Row("tree.height", "`0.001`", "number > 0 and < 2.5 or `null`", "Height."),
        Row("tree.wide", "`auto`", "number or `auto`", "Width."),
        Row("tree.alive", "`true`", "`true`, `false`", "Grow."),
        Row("tree.leaf.colour", "`red`", "`red`, `green`", "Colour, red|green."),
        Row("tree.other.colour", "`red`", "`red`, `green`", "Colour, red|green."),
        Row("tree.labels", "`{}`", "mapping to sections", "Leaves by task."),
        Row("tree.labels.TASK.colour", "`red`", "`red`, `green`", "Colour, red|green."),
        Row("tree.names", "`[a, b]`", "list of text matching `^[a-z]+$`", "Names."),
        Row("tree.weights", "`{a: 2}`", "mapping to number", "Weights."),
    ]


def test_a_table_goes_between_its_markers(monkeypatch, tmp_path):
    page = "a\n<!-- settings: data -->\nold\n<!-- end of settings -->\nb <!-- settings: text -->\n"
    new = "a\n<!-- settings: data -->\n| x |\n<!-- end of settings -->\nb <!-- settings: text -->\n"
    assert updated(page, {"data": "| x |\n"}) == new
    monkeypatch.setattr(settings_tables, "DOCS", tmp_path / "nowhere")
    with pytest.raises(SystemExit, match="does not exist"):
        settings_tables.main()


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_as_make_docs_writes_them(found, name):
    text = (DOCS / name).read_text(encoding="utf-8")
    assert text == updated(text, found), "Run make docs."


def test_every_table_is_in_one_page(found):
    markers = [name for page in PAGES for name in re.findall(r"<!-- settings: (\S+) -->", (DOCS / page).read_text())]
    assert sorted(markers) == sorted(found)


def _cells(table):
    """The rows of a table, by its first column without backticks."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def _flat(values, prefix):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}", value


def test_the_defaults_are_those_of_a_configuration_that_sets_nothing():
    page = (DOCS / "configuration.md").read_text()
    config = Config.model_validate({"data": {"interactions": "x"}, "text": {}, "model": {}}).model_dump()
    expected = {key: value for section in SECTIONS for key, value in _flat(config[section], section)}
    cells = _cells(page)
    read = {key: yaml.safe_load(cells[key][0].strip("`")) for key in expected}
    assert read == expected | {"data.interactions": "required"}


@pytest.mark.parametrize("name", registry.names())
def test_the_settings_of_a_model_are_all_there(found, name):
    family = registry.get(name).family
    own = re.search(rf"^`{name}` \(.*?(?=^`|\Z)", found[f"{family}-models-own"], re.DOTALL | re.MULTILINE)
    told = _cells(found[f"{family}-models"]) | (_cells(own[0]) if own else {})
    fields = registry.settings_class(name).model_fields
    assert told.keys() == {f"model.{key}" for key in fields}
    for key, field in fields.items():
        if key != "name":
            default = field.get_default(call_default_factory=True)
            default = list(default) if isinstance(default, tuple) else default
            assert yaml.safe_load(told[f"model.{key}"][0].strip("`")) == default


def test_the_options_of_the_server(found):
    cells = _cells(found["server"])
    assert cells["--port"][:2] == ["`8500`", "integer, 0 to 65535"]
    assert cells["--rest-port"][:2] == ["", "integer, 0 to 65535"]
    assert cells["--max-message-bytes"][:2] == ["`16777216` (16 MiB)", "integer, 1024 to 2147483647"]
    assert cells["--require-manifest / --plain-models"][:2] == ["`--require-manifest`", "flag"]
    assert cells["--keep-last-version"][:2] == ["", "flag"]
    assert cells["--tls-key"][:2] == ["", "file"]
    options = {key.split(" / ")[0].removeprefix("--").replace("-", "_") for key in cells}
    assert options == set(ServerSettings.model_fields)


def test_every_setting_has_a_description_of_a_line_or_two(found):
    told = {(name, key): cells[-1] for name, table in found.items() for key, cells in _cells(table).items()}
    assert ("data", "data.labels.TASK.among") in told and ("pretraining", "domains.NAME.items") in told
    assert not {where: words for where, words in told.items() if not re.fullmatch(r"\w.{8,200}\.", words)}
