"""Pydantic errors as messages: the dotted key, the value received, what was expected, the nearest valid key."""

import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.config.overrides import key_of


def explain(
    errors: Sequence[Mapping[str, Any]],
    source: str,
    overrides: Sequence[str],
    models: Mapping[str, type[BaseModel]],
) -> str:
    """One line an error.

    Args:
      errors: pydantic's, their locations complete.
      source: the configuration file.
      overrides: the overrides that were applied; a wrong key that one of them set is blamed on it.
      models: the class of the whole configuration under "", and of sections that it does not know by dotted key.
    """
    valid = sorted({key for prefix, model in models.items() for key in keys(model, prefix)})
    by_override = {key_of(override): override for override in overrides}
    return "\n".join(_line(error, source, by_override, valid) for error in errors)


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a settings class, sections included."""
    for name, field in model.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        yield key
        for inner in sections_of(field.annotation):
            yield from keys(inner, key)


def nearest(key: str, valid: Sequence[str]) -> str | None:
    """The valid key most likely meant: the same name elsewhere, a sibling spelt alike, or any key spelt alike."""
    section, _, name = key.rpartition(".")
    siblings = [v.rpartition(".")[2] for v in valid if v.rpartition(".")[0] == section]
    for other in valid:
        if other.rpartition(".")[2] == name:
            return other
    for match in difflib.get_close_matches(name, siblings, n=1):
        return f"{section}.{match}" if section else match
    return next(iter(difflib.get_close_matches(key, valid, n=1)), None)


def sections_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings classes that a value of this type may be of."""
    origin = typing.get_origin(annotation)  # dict[str, float] passes for a type, but is not a class.
    if origin in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from sections_of(argument)
    elif origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _line(error: Mapping[str, Any], source: str, by_override: Mapping[str, str], valid: Sequence[str]) -> str:
    # A dictionary's bad key is reported as (..., key, "[key]").
    key = ".".join(str(part) for part in error["loc"] if part != "[key]")
    where = next((f"--set {o}" for k, o in by_override.items() if k == key or k.startswith(key + ".")), source)
    if error["type"] == "extra_forbidden":
        guess = nearest(key, valid)
        return f"{where}: there is no key {key!r}." + (f" Did you mean {guess!r}?" if guess else "")
    if error["type"] == "missing":
        return f"{where}: {key} is missing."
    if error["type"] == "value_error":
        return f"{where}: {key}: {error['ctx']['error']}"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{where}: {key} should be a section with keys below it. Received: {error['input']!r}."
    message = error["msg"].replace("Input should", "should", 1)
    message = message[0].lower() + message[1:]
    return f"{where}: {key} {message}. Received: {error['input']!r}."
