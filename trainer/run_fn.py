"""TFX's entry point for training. Thin, because TFX reloads this module: nothing here registers with Keras."""

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema, text_vectors
from trainer.data.catalogue import Catalogue, read_catalogue
from trainer.data.impressions import evaluation_impressions, training_impressions
from trainer.data.item_attributes import catalogue_attributes
from trainer.data.preprocessing import ITEM_FREQUENCY
from trainer.data.sequences import evaluation_dataset, training_dataset
from trainer.export import retrieval as export
from trainer.export import tag_profiles as profile_export
from trainer.models import registry
from trainer.models.retrieval.base import RetrievalModel
from trainer.models.retrieval.settings import ModelSettings
from trainer.models.tag_profiles.base import ProfileModel
from trainer.ranking.filter_matches import check_values
from trainer.settings import TrainingSettings, TransformSettings
from trainer.training import pretrained as base_model
from trainer.training.loop import Fitting
from trainer.training.precision import mixed_precision
from trainer.training.temperature import Choice, train_at_the_best
from trainer.training.validation import validator_of

REPORT = "training.json"
_VALIDATED_USERS, _VALIDATED_IMPRESSIONS = 64, 1024

progress = logging.getLogger("polyrec.progress")


class FnArgs(Protocol):
    """What of TFX's FnArgs is used.

    Attributes:
      train_files, eval_files: patterns of the transformed examples.
      transform_output: folder of the transform graph.
      serving_model_dir, model_run_dir: where to write the model, and the summaries and report.
      custom_config: ``model``, ``training``, ``transform``, ``user_features``, ``labels`` (the tasks of a log of
        impressions), ``item_attributes`` (names), ``evaluation_filter`` (``allow`` and ``deny``), ``item_files``
        (patterns of item examples), ``text_vectors`` (folder of the vectors of their texts, or None),
        ``resume_directory`` (where interrupted training is kept).
      base_model: folder of a base model to start from, or None.
    """

    train_files: list[str]
    eval_files: list[str]
    transform_output: str
    serving_model_dir: str
    model_run_dir: str
    custom_config: dict[str, Any]
    base_model: str | None


def run_fn(fn_args: FnArgs) -> None:
    """Trains the configured model and exports it.

    Args:
      fn_args: see :class:`FnArgs`.

    Raises:
      InputError: the configuration names no known model, a base model that does not fit, or a filter of the evaluation
        that lets no item through.
    """
    config = fn_args.custom_config
    settings, max_history = TrainingSettings(**config["training"]), TransformSettings(**config["transform"]).max_history
    transform = tft.TFTransformOutput(fn_args.transform_output)
    catalogue = read_catalogue(
        transform.vocabulary_file_by_name(ITEM_FREQUENCY),
        transform.vocabulary_file_by_name(schema.ITEM_VOCABULARY),
        _files(config.get("item_files", [])),
        config.get("text_vectors"),
    )
    attributes, evaluated = config.get("item_attributes", []), config.get("evaluation_filter", {})
    # Before the training, not after it.
    check_values(evaluated, catalogue_attributes(catalogue, attributes))
    spec = transform.transformed_feature_spec()
    resume = _resume_directory(fn_args)
    profile = issubclass(registry.get(config["model"]["name"]), ProfileModel)
    with mixed_precision(settings.mixed_precision):
        files = _files(fn_args.train_files), _files(fn_args.eval_files)

        def fitting(temperature: float | None, folder: str) -> Fitting:
            model = _build(config, catalogue, transform, settings, max_history, temperature)
            return Fitting(
                model,
                *_datasets(*files, spec, settings, profile),
                settings,
                os.path.join(resume, folder),
                os.path.join(fn_args.model_run_dir, folder),
                prepare=lambda: _start_from_base(model, catalogue, max_history, getattr(fn_args, "base_model", None)),
                title=f"{model.name} {folder}".strip().replace("-", " "),
            )

        done, choice = _trained(config["model"], fitting, settings)
        model, report = done.model, done.finish()
    chosen = {} if profile else _choose(model, _datasets(*files, spec, settings, profile)[1])
    if catalogue.text_encoder is not None and hasattr(model, "shared_parts"):
        base_model.save(
            os.path.join(fn_args.serving_model_dir, base_model.FOLDER),
            model.shared_parts(),
            model.settings.name,
            max_history,
            model.settings.model_dump(),
            os.path.join(config["text_vectors"], text_vectors.ENCODER),
        )
    exported = model, catalogue, transform, config.get("user_features", {}), fn_args.serving_model_dir
    if profile:
        profile_export.save(*exported)
    else:
        export.save(*exported, attributes, evaluated)
    parameters = sum(int(weights.shape.num_elements()) for weights in model.trainable_weights)
    tf.io.gfile.makedirs(fn_args.model_run_dir)
    with tf.io.gfile.GFile(os.path.join(fn_args.model_run_dir, REPORT), "w") as file:
        found = {**dataclasses.asdict(report), "parameters": parameters, "settings": model.settings.model_dump()}
        found |= {"temperature": choice and dataclasses.asdict(choice), "chosen": chosen}
        json.dump(found, file, indent=1)
    shutil.rmtree(resume, ignore_errors=True)


def _trained(
    section: Mapping[str, Any], fitting: Callable[[float | None, str], Fitting], settings: TrainingSettings
) -> tuple[Fitting, Choice | None]:
    """Trains to the end; a model that has a choice of temperatures, at the best of them."""
    given = registry.settings_class(section["name"])(**section)
    if not isinstance(given, ModelSettings):
        done = fitting(None, "")
        done.run()
        return done, None
    several = len(given.temperatures) > 1
    return train_at_the_best(
        lambda temperature: fitting(temperature, f"temperature-{temperature:g}" if several else ""),
        given.temperatures,
        settings,
        given.name,
    )


def _datasets(
    train_files: list[str], eval_files: list[str], spec: dict[str, Any], settings: TrainingSettings, profile: bool
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Batches to train on and to validate with."""
    if profile:
        return (
            training_impressions(train_files, spec, settings.batch_size, settings.seed),
            evaluation_impressions(eval_files, spec, _VALIDATED_IMPRESSIONS),
        )
    users = settings.sampling == "users"
    return (
        training_dataset(train_files, spec, settings.batch_size, settings.seed, settings.all_prefixes, users),
        evaluation_dataset(eval_files, spec, _VALIDATED_USERS),
    )


def _choose(model: RetrievalModel, validation: tf.data.Dataset) -> dict[str, float]:
    """What the model chooses on the validation users, now that it is trained."""
    validator = validator_of(model)
    users = sum(int(batch[schema.HISTORY].shape[0]) for batch in validation)
    return model.choose_after_training(
        lambda: validator.evaluate(validation)[validator.watched], users, validator.title
    )


def _build(
    config: dict[str, Any],
    catalogue: Catalogue,
    transform: tft.TFTransformOutput,
    settings: TrainingSettings,
    max_history: int,
    temperature: float | None,
) -> Any:
    name = config["model"]["name"]
    chosen = {} if temperature is None else {"temperature": temperature}
    profile = {}
    for feature, kind in config.get("user_features", {}).items():
        key = schema.user_feature(feature)
        profile[key] = transform.vocabulary_size_by_name(key) if kind == "categorical" else None
    model, given = registry.get(name), cast(Any, registry.settings_class(name)(**{**config["model"], **chosen}))
    if issubclass(model, ProfileModel):
        return model(given, catalogue, max_history, profile, config["labels"], seed=settings.seed)
    return model(
        given,
        catalogue,
        max_history,
        profile,
        num_negatives=settings.num_negatives,
        seed=settings.seed,
    )


def _start_from_base(model: Any, catalogue: Catalogue, max_history: int, directory: str | None) -> None:
    if directory is None:
        return
    base = base_model.restore(
        *(directory, model.shared_parts(), model.settings.name, max_history, catalogue.text_encoder),
        model.settings.model_dump(),
    )
    progress.info("starts from the base model %s: %s", base.fingerprint[:12], ", ".join(base.parts))


def _resume_directory(fn_args: FnArgs) -> str:
    """A folder that belongs to exactly this data, these settings and this code."""
    base = getattr(fn_args, "base_model", None)
    parts = [fn_args.custom_config, fn_args.train_files, fn_args.eval_files, fn_args.transform_output]
    identity = json.dumps([*parts, base and base_model.read(base).fingerprint], sort_keys=True)
    root = fn_args.custom_config.get("resume_directory") or os.path.join(fn_args.model_run_dir, "resume")
    return os.path.join(root, hashlib.sha256(identity.encode()).hexdigest()[:16])


def _files(patterns: list[str]) -> list[str]:
    return [path for pattern in patterns for path in tf.io.gfile.glob(pattern)]
