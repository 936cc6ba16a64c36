"""Overrides of the form ``section.key=value``."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from trainer.errors import InputError


def key_of(override: str) -> str:
    """The dotted key of an override."""
    return override.partition("=")[0].strip()


def apply(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of ``values`` with the overrides applied in order.

    Args:
      values: nested sections.
      overrides: ``a.b=value``; the value is YAML: ``6``, ``true``, ``null``, ``[1, 2]``, ``{recall_at_50: 0.1}``.

    Raises:
      InputError: no ``=``, no key, a value that is not YAML, or a key below something that is not a section.
    """
    result: dict[str, Any] = copy.deepcopy(dict(values))
    for override in overrides:
        key, separator, text = override.partition("=")
        path = key.strip().split(".")
        if not separator or not all(path):
            raise InputError(f"--set {override}: expected section.key=value, for example model.num_interests=6.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {override}: the value is not valid YAML. Quote it if it is text.") from error
        target = result
        for depth, part in enumerate(path[:-1]):
            below = target.setdefault(part, {})
            if below is None:
                below = target[part] = {}
            if not isinstance(below, dict):
                raise InputError(f"--set {override}: {'.'.join(path[: depth + 1])} is a value, not a section.")
            target = below
        target[path[-1]] = value
    return result
