"""Configuration of a pre-training: that of a run, with several domains instead of one log."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from components.settings import MERGED_TABLES, DataSettings, DomainSettings
from pipeline.config.data_contradictions import check_domain
from pipeline.config.errors import explain
from pipeline.config.overrides import apply
from pipeline.config.run import Config, read_yaml, validate, with_absolute_paths
from trainer.errors import InputError
from trainer.settings import Settings

DEFAULTS: dict[str, dict[str, Any]] = {
    "text": {"encoder": "tfidf"},
    "model": {"name": "miracle", "item_ids": False, "negatives": "in_batch"},
    "training": {"clip_norm": 1.0},
    "pipeline": {"name": "pretraining"},
}
"""What a pre-training has where its configuration says nothing else; item_ids cannot be changed."""

_OF_DOMAINS = ("directory", "interactions", "items", "users", "columns", "item_columns", "user_columns")


class PretrainingSections(Settings):
    """The sections that a run has not."""

    base: str = Field("base", description="Folder of the base model; replaced as a whole.")
    domains: dict[str, DomainSettings] = Field(min_length=1, description="Tables of each domain, by its name.")


@dataclass(frozen=True)
class Pretraining:
    """A checked configuration, with absolute paths.

    Attributes:
      domains: name -> tables.
      base: the folder to write.
      merged: the folder of the merged tables.
      config: of the run on them.
    """

    domains: dict[str, DomainSettings]
    base: str
    merged: str
    config: Config


def load(name: str, overrides: Sequence[str] = ()) -> Pretraining:
    """Reads and checks the configuration of a pre-training.

    Args:
      name: path of a YAML file with ``domains``, and the sections of a run but ``data`` (of which what is not the
        tables may be set, for all domains).
      overrides: ``section.key=value`` each.

    Raises:
      InputError: unreadable file, unknown key, wrong value, or a setting that makes no base model.
    """
    path = Path(name)
    if not path.is_file():
        raise InputError(f"Configuration {name!r} does not exist. Give a YAML file with the section domains.")
    values = apply(read_yaml(path), overrides)
    own = {key: values.pop(key) for key in PretrainingSections.model_fields if key in values}
    try:
        sections = PretrainingSections.model_validate(own)
    except ValidationError as error:
        classes: dict[str, type[Settings]] = {f"domains.{name}": DomainSettings for name in own.get("domains") or ()}
        classes[""] = PretrainingSections
        raise InputError(explain([dict(e) for e in error.errors()], str(path), overrides, classes)) from error
    if not all(domain and ":" not in domain for domain in sections.domains):
        raise InputError(f"{path}: a domain's name stands before a colon in its ids: it has to be without one.")
    for domain, tables in sections.domains.items():
        try:
            check_domain(domain, tables)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    data = dict(values.get("data") or {})
    if wrong := sorted(set(data) & set(_OF_DOMAINS)):
        raise InputError(f"{path}: data.{wrong[0]} is a matter of each domain: set domains.NAME.{wrong[0]}.")
    for section, defaults in DEFAULTS.items():
        values[section] = {**defaults, **(values.get(section) or {})}
    if values["model"]["item_ids"] or not values["model"].get("text", True):
        raise InputError(f"{path}: a base model knows items by text alone: model.item_ids: false, model.text: true.")
    values["data"] = {**data, **MERGED_TABLES}
    config = with_absolute_paths(validate(values, str(path), overrides))
    folder = os.path.join(config.pipeline.root, config.pipeline.name, "domains")
    config = config.model_copy(update={"data": config.data.model_copy(update={"directory": folder})})
    here = Path.cwd()
    domains = {
        name: domain.model_copy(update={"directory": str(here / domain.directory)})
        for name, domain in sections.domains.items()
    }
    return Pretraining(domains, str(here / sections.base), folder, config)


assert set(_OF_DOMAINS) < set(DataSettings.model_fields)
