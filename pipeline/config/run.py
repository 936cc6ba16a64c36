"""Configuration of a run: one YAML file with ``--set`` overrides, validated before anything starts."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SerializeAsAny, ValidationError

from components.settings import DataSettings, EvaluationSettings, TextSettings, ValidationSettings
from pipeline.config.contradictions import check_model, check_sections
from pipeline.config.errors import explain
from pipeline.config.kubeflow import KubeflowSettings
from pipeline.config.overrides import apply
from pipeline.families.base import Family
from pipeline.families.lookup import FAMILIES
from pipeline.terminal.quiet import quiet
from serving.settings import IndexSettings, ServingSettings
from trainer.errors import InputError
from trainer.settings import Settings, TrainingSettings, TransformSettings
from trainer.storage_paths import is_url, join

progress = logging.getLogger("polyrec.progress")

PRESETS = Path(__file__).parents[1] / "presets"


class PipelineSettings(Settings):
    """The run itself."""

    name: str = Field(
        "polyrec", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name of the run, and of its folder below root."
    )
    root: str = Field("runs", description="Folder of runs; artifacts, metadata and logs are in ROOT/NAME.")
    cache: bool = Field(True, description="Reuse results whose inputs, settings and code are unchanged.")
    beam_args: list[str] = Field(
        default_factory=lambda: ["--runner=DirectRunner", "--direct_running_mode=in_memory"],
        description="Options of every Beam job; `polyrec run --beam-arg` appends to them.",
    )
    keep_records: int = Field(100, ge=1, description="Records of the latest runs that stay in ROOT/NAME/records.")


class Config(Settings):
    """All sections. Relative folders start at the working directory, data files at ``data.directory``."""

    data: DataSettings = Field(description="The interaction log and its tables.")
    text: TextSettings | None = Field(None, description="Text encoder, for models that use texts.")
    transform: TransformSettings = Field(TransformSettings(), description="From raw examples to tensors.")
    model: SerializeAsAny[Settings] = Field(
        description="The model: its name, and the settings that `polyrec models` lists for it."
    )
    training: TrainingSettings = Field(TrainingSettings(), description="The training loop.")
    validation: ValidationSettings = Field(ValidationSettings(), description="Schema, statistics and drift.")
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="Metrics and gates.")
    index: IndexSettings = Field(IndexSettings(), description="The search index.")
    serving: ServingSettings = Field(ServingSettings(), description="The pushed model and its checks.")
    pipeline: PipelineSettings = Field(PipelineSettings(), description="The run itself.")
    kubeflow: KubeflowSettings = Field(KubeflowSettings(), description="Runs on Kubeflow Pipelines 2.")


def model_registry() -> Any:
    """The registry of models, imported when it is needed: it brings TensorFlow, which most commands do without."""
    with quiet(Path(os.devnull)):
        from trainer.models import registry

        # It imports the models, and TensorFlow with them, when it is asked for one.
        registry.names()
    return registry


def family_of(config: Config) -> Family:
    """The family of the configured model.

    Raises:
      InputError: no model has that name.
    """
    return FAMILIES[model_registry().get(config.model.model_dump()["name"]).family]


def presets() -> list[str]:
    """The names of the configurations that come with polyrec."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a configuration given by path or by a preset's name.

    Raises:
      InputError: there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in presets():
        return PRESETS / f"{name}.yaml"
    what = "is a folder" if path.is_dir() else "does not exist"
    raise InputError(f"Configuration {name!r} {what}. Give a YAML file or a preset: {', '.join(presets())}.")


def load(name: str, overrides: Sequence[str] = ()) -> Config:
    """Reads and checks a configuration.

    Args:
      name: path of a YAML file, or a preset's name.
      overrides: ``section.key=value`` each, the value in YAML; later ones win.

    Raises:
      InputError: unreadable file, malformed override, unknown key (the nearest valid one is named), wrong value.
    """
    path = find(name)
    values = apply(read_yaml(path), overrides)
    return validate(values, source=str(path), overrides=overrides)


def validate(values: Mapping[str, Any], source: str, overrides: Sequence[str] = ()) -> Config:
    """Checks the sections and builds the configuration.

    Args:
      values: the sections as plain values.
      source: where they come from, for messages.
      overrides: those already applied, so that a message can say that the key came from one.

    Raises:
      InputError: unknown key or wrong value.
    """
    with suppress(ValidationError):  # told below, together with those of the model
        sections = Config.model_validate({**values, "model": Settings()})
        try:
            check_sections(sections)
        except InputError as error:
            raise _named(source, error) from error
    registry = model_registry()

    section = values.get("model")
    if not isinstance(section, Mapping) or "name" not in section:
        raise InputError(f"{source}: model.name is missing. Give one of: {', '.join(registry.names())}.")
    model_settings = registry.settings_class(str(section["name"]))
    errors = []
    try:
        model: Settings | None = model_settings.model_validate(section)
    except ValidationError as error:
        model = None
        errors += [{**e, "loc": ("model", *e["loc"])} for e in error.errors()]
    try:
        config = Config.model_validate({**values, "model": model or Settings()})
    except ValidationError as error:
        errors += [dict(e) for e in error.errors()]
    if not errors and config.text is not None and not getattr(model, "text", False):
        raise InputError(
            f"{source}: the section text encodes the items' texts, and model.name: {section['name']} makes no use of "
            "them. Leave the section out, or take a model that does (miracle, with model.text: true)."
        )
    if errors:
        raise InputError(explain(errors, source, overrides, {"": Config, "model": model_settings}))
    try:
        family = family_of(config)
        family.check_data(config)
        for words in check_model(config, family):
            progress.warning("%s: %s", source, words)
    except InputError as error:
        raise _named(source, error) from error
    return config


def _named(source: str, error: InputError) -> InputError:
    """The error with the file in front of each of its lines."""
    return InputError("\n".join(f"{source}: {line}" for line in str(error).splitlines()))


def with_absolute_paths(config: Config, base: Path | None = None) -> Config:
    """The same configuration, independent of the working directory.

    Args:
      config: a configuration.
      base: what relative folders start at; the working directory by default.
    """
    base = (base or Path.cwd()).absolute()

    def absolute(path: str) -> str:
        return path if is_url(path) else str(base / path)

    schema_path, text, model = config.validation.schema_path, config.text, config.model
    if text is not None:
        cache = text.cache or join(config.pipeline.root, "text_cache")
        # A name on the hub stays what it is.
        name = absolute(text.model) if text.model and (base / text.model).is_dir() else text.model
        text = text.model_copy(update={"cache": absolute(cache), "model": name})
    if (start := getattr(model, "base_model", None)) is not None:
        model = model.model_copy(update={"base_model": absolute(start)})
    return config.model_copy(
        update={
            "text": text,
            "model": model,
            "data": config.data.model_copy(update={"directory": absolute(config.data.directory)}),
            "validation": config.validation.model_copy(
                update={"schema_path": absolute(schema_path) if schema_path else None}
            ),
            "serving": config.serving.model_copy(update={"directory": absolute(config.serving.directory)}),
            "pipeline": config.pipeline.model_copy(update={"root": absolute(config.pipeline.root)}),
        }
    )


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice instead of forgetting the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a file as plain values.

    Raises:
      InputError: it cannot be read, or is not YAML with sections.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}{where}: not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML file in UTF-8: {error}.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected sections (data:, model:, ...), found {type(values).__name__}.")
    return values
