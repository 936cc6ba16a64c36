"""TFX's entry point for training. Thin, because TFX reloads this module: nothing here registers with Keras."""

import dataclasses
import hashlib
import json
import logging
import os
from typing import Any, Protocol

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema, text_vectors
from trainer.data.catalogue import Catalogue, read_catalogue
from trainer.data.item_attributes import catalogue_attributes
from trainer.data.preprocessing import ITEM_FREQUENCY
from trainer.families.lookup import family_of
from trainer.ranking.filter_matches import check_values
from trainer.settings import TrainingSettings, TransformSettings
from trainer.storage_paths import remove_folder
from trainer.training import pretrained as base_model
from trainer.training.loop import Fitting
from trainer.training.precision import mixed_precision

REPORT = "training.json"

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
    # Before the training, not after it.
    attributes = catalogue_attributes(catalogue, config.get("item_attributes", []))
    check_values(config.get("evaluation_filter", {}), attributes)
    spec = transform.transformed_feature_spec()
    resume = _resume_directory(fn_args)
    family, profile = family_of(config["model"]["name"]), _profile(config, transform)
    with mixed_precision(settings.mixed_precision):
        files = _files(fn_args.train_files), _files(fn_args.eval_files)

        def fitting(temperature: float | None, folder: str) -> Fitting:
            model: Any = family.build(config, catalogue, max_history, profile, settings, temperature)
            return Fitting(
                model,
                *family.datasets(*files, spec, settings),
                settings,
                os.path.join(resume, folder),
                os.path.join(fn_args.model_run_dir, folder),
                prepare=lambda: _start_from_base(model, catalogue, max_history, getattr(fn_args, "base_model", None)),
                title=f"{model.name} {folder}".strip().replace("-", " "),
                validator=family.validator,
            )

        done, choice = family.train(config["model"], fitting, settings)
        model: Any = done.model
        report = done.finish()
    chosen = family.choose(model, family.datasets(*files, spec, settings)[1])
    if catalogue.text_encoder is not None and hasattr(model, "shared_parts"):
        base_model.save(
            os.path.join(fn_args.serving_model_dir, base_model.FOLDER),
            model.shared_parts(),
            model.settings.name,
            max_history,
            model.settings.model_dump(),
            os.path.join(config["text_vectors"], text_vectors.ENCODER),
        )
    family.save(model, catalogue, transform, config, fn_args.serving_model_dir)
    parameters = sum(int(weights.shape.num_elements()) for weights in model.trainable_weights)
    tf.io.gfile.makedirs(fn_args.model_run_dir)
    with tf.io.gfile.GFile(os.path.join(fn_args.model_run_dir, REPORT), "w") as file:
        found = {**dataclasses.asdict(report), "parameters": parameters, "settings": model.settings.model_dump()}
        found |= {"temperature": choice and dataclasses.asdict(choice), "chosen": chosen}
        json.dump(found, file, indent=1)
    remove_folder(resume)


def _profile(config: dict[str, Any], transform: tft.TFTransformOutput) -> dict[str, int | None]:
    """Transformed profile feature -> number of values (categorical) or None (numeric)."""
    keys = {schema.user_feature(feature): kind for feature, kind in config.get("user_features", {}).items()}
    return {
        key: transform.vocabulary_size_by_name(key) if kind == "categorical" else None for key, kind in keys.items()
    }


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
