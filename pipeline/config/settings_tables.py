"""Tables of settings derived from their classes, for ``polyrec models`` and the documentation.

``python -m pipeline.config.settings_tables`` (``make docs``) writes them between the markers of the pages.
"""

import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from pipeline.config.errors import sections_of
from pipeline.config.pretraining import PretrainingSections
from pipeline.config.run import Config, model_registry
from pipeline.families.lookup import FAMILIES
from serving.server_settings import ServerSettings
from serving.settings_command import options
from trainer.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("configuration.md", "deploy.md")

_BLOCK = re.compile(r"(<!-- settings: (\S+) -->\n).*?(<!-- end of settings -->)", re.DOTALL)
_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_NULL = "`null`"
_ENTRIES = {"labels": "TASK", "domains": "NAME", "tolerations": "KEY", "steps": "STEP"}
"""What stands for the key of an entry of a mapping from names to sections."""


class Row(NamedTuple):
    """A setting.

    Attributes:
      key: as ``--set`` takes it.
      default: as YAML; "required" without one.
      values: what it may be.
      meaning: its description.
    """

    key: str
    default: str
    values: str
    meaning: str


def rows(settings: type[Settings], prefix: str = "") -> Iterator[Row]:
    """The settings of a class, those of its sections included.

    Args:
      settings: the class.
      prefix: of the keys, such as ``model``.
    """
    schema = settings.model_json_schema(mode="validation")
    for name, field in settings.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        if section := _section(field.annotation):
            yield from rows(section, key)
            continue
        yield Row(key, _default(field), _values(schema["properties"][name]), field.description or "")
        if name in _ENTRIES:
            _, entry = typing.get_args(field.annotation)
            yield from rows(entry, f"{key}.{_ENTRIES[name]}")


def server_options() -> Iterator[Row]:
    """The options of ``python -m serving.server``."""
    for row, option in zip(rows(ServerSettings), options(ServerSettings), strict=True):
        key, values = " / ".join((*option.opts, *option.secondary_opts)), row.values.removesuffix(f" or {_NULL}")
        default = "" if option.default is None else row.default + _in_mebibytes(row.key, option.default)
        if option.is_flag:
            default, values = f"`{option.opts[0]}`" if option.default else "", "flag"
        yield Row(key, default, values, row.meaning)


def tables() -> dict[str, str]:
    """Every table of the documentation, in Markdown, by the name that its marker gives."""
    found = {}
    for section, field in Config.model_fields.items():
        if section != "model" and (settings := _section(field.annotation)):
            found[section] = _table(rows(settings, section))
    registry = model_registry()
    for family in FAMILIES:
        names = registry.names(family)
        base = _shared(registry.settings_class(names[0]))
        found[f"{family}-models"] = _table(rows(base, "model"))
        found[f"{family}-models-own"] = "\n".join(
            f"`{name}` ({registry.get(name).paper or 'baseline'}):\n\n{_table(own)}"
            for name in names
            if (own := _own_rows(registry.settings_class(name), base))
        )
    found["pretraining"] = _table(rows(PretrainingSections))
    found["server"] = _table(server_options(), "option")
    return found


def updated(page: str, found: Mapping[str, str]) -> str:
    """A page with its tables made anew.

    Args:
      page: its text, with the lines ``<!-- settings: NAME -->`` and ``<!-- end of settings -->`` around each table.
      found: :func:`tables`.

    Raises:
      KeyError: a marker names no table.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{found[block[2]]}{block[3]}", page)


def main() -> None:
    """Writes the tables into the pages."""
    if not DOCS.is_dir():
        raise SystemExit(f"Error: {DOCS} does not exist. Run this in a clone of the repository.")
    found = tables()
    for name in PAGES:
        page = DOCS / name
        page.write_text(updated(page.read_text(encoding="utf-8"), found), encoding="utf-8")


def _section(annotation: Any) -> type[Settings] | None:
    """The class of a value that is a section."""
    return next((found for found in sections_of(annotation) if issubclass(found, Settings)), None)


def _shared(settings: type[Settings]) -> type[Settings]:
    """The class of the settings that all models of a family have: the ancestor next to :class:`Settings`."""
    ancestors = settings.__mro__
    return ancestors[ancestors.index(Settings) - 1]


def _own_rows(settings: type[Settings], base: type[Settings]) -> list[Row]:
    """The settings that a model has beside the shared ones, or with another default or other values."""
    shared = {row.key: row for row in rows(base, "model")}
    own = (row for row in rows(settings, "model") if row.key != "model.name")
    return [row for row in own if row.key not in shared or row[:3] != shared[row.key][:3]]


def _table(found: Iterable[Row], first: str = "key") -> str:
    lines = [f"| {first} | default | values | meaning |", "|---|---|---|---|"]
    for row in found:
        cells = (f"`{row.key}`", row.default, row.values, row.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else _written(field.get_default(call_default_factory=True))


def _in_mebibytes(key: str, value: Any) -> str:
    return f" ({value >> 20} MiB)" if key.endswith("_bytes") and value % (1 << 20) == 0 else ""


def _written(value: Any) -> str:
    """A value as YAML, in Markdown."""
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_yaml(entry)}' for key, entry in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _values(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "anyOf" in schema:
        return " or ".join(map(_values, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return ", ".join(map(_written, schema.get("enum", [schema.get("const")])))
    form = schema.get("type")
    if form in ("integer", "number"):
        if {"minimum", "maximum"} <= schema.keys():
            return f"{form}, {_yaml(schema['minimum'])} to {_yaml(schema['maximum'])}"
        bounds = [f"{sign} {_yaml(schema[bound])}" for bound, sign in _SIGNS.items() if bound in schema]
        return " ".join((form, " and ".join(bounds))).strip()
    if form == "string":
        pattern = f" matching `{schema['pattern']}`" if "pattern" in schema else ""
        text: str = schema.get("format", "text") + pattern
        return text
    if form == "array":
        return f"list of {_values(schema['items'])}"
    if form == "object":
        entries = schema.get("additionalProperties") or next(iter(schema["patternProperties"].values()))
        return "mapping to " + ("sections" if "$ref" in entries else _values(entries))
    return {"boolean": "`true`, `false`", "null": _NULL}[str(form)]


if __name__ == "__main__":
    main()
