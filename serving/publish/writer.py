"""Writes a bundle: two SavedModels, warm-up requests and a manifest in one version folder."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from serving.bundle import manifest
from serving.families.base import Content, Family
from serving.families.lookup import FAMILIES, family_before
from serving.graph.trained_functions import VECTORS_FROM_TEXT
from serving.index import ExactIndex, Index, build_index
from serving.publish.index_tuning import tune_indexes
from serving.publish.warmup_requests import write_warmup_requests
from serving.settings import IndexSettings, ServingSettings
from serving.users import RawUser
from trainer.data.vocabulary_file import vocabulary_file
from trainer.errors import InputError
from trainer.settings import Settings
from trainer.training import pretrained as base_model

DESCRIPTION = "assets.extra/model.json"
TEXT_ENCODER = "assets.extra/text_encoder"
"""Where a bundle of a model that can place items by their texts has what encodes them
(trainer/data/text_vectors.py)."""


class ModelDescription(Settings):
    """What the trainer writes of its SavedModel in ``assets.extra/model.json``.

    Attributes:
      model: name of the architecture.
      family: of the architecture.
      user_features: profile feature -> kind.
      interests: K, vectors a user has at most.
      tasks: of a model of profiles; empty for a model that retrieves items.
      dimension: D.
      max_history: T, items of a history that the model looks at.
      ranking_temperature: of :func:`trainer.ranking.top_k.merged_scores`; None for the maximum over interests.
      text_encoder: fingerprint of the encoder of the items' texts; None for a model without texts.
      made_from: of a model whose items were changed after training.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    model: str
    family: str
    user_features: dict[str, str] = Field(default_factory=dict)
    interests: int = 1
    tasks: list[str] = Field(default_factory=list)
    dimension: int
    max_history: int
    ranking_temperature: float | None = Field(None, gt=0)
    text_encoder: str | None = None
    made_from: manifest.MadeFrom | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"family": family_before(values.get("tasks")), **values}

    @field_validator("family")
    @classmethod
    def _known(cls, family: str) -> str:
        if family not in FAMILIES:
            raise ValueError(f"there is no family of models {family!r}, only {', '.join(FAMILIES)}")
        return family


def read_description(model_dir: str) -> ModelDescription:
    """Reads the description of the trainer's SavedModel.

    Raises:
      InputError: there is none, or it lacks something.
    """
    path = os.path.join(model_dir, DESCRIPTION)
    try:
        with tf.io.gfile.GFile(path) as file:
            return ModelDescription(**json.loads(file.read()))
    except (tf.errors.OpError, ValidationError, ValueError, TypeError) as error:
        raise InputError(f"{model_dir} is no model that polyrec's trainer saved: {DESCRIPTION}: {error}") from error


def build_bundle(
    model_dir: str,
    output_dir: str,
    index: IndexSettings,
    serving: ServingSettings,
    users: Sequence[RawUser] = (),
) -> None:
    """Builds a bundle from the trainer's SavedModel.

    The SavedModel at the top has operations of core TensorFlow only and searches exactly: any TensorFlow Serving
    loads it. With ``index.kind == "scann"`` a second one, ``assets.extra/scann``, searches with ScaNN.

    Args:
      model_dir: the trainer's SavedModel, with the description in ``assets.extra``.
      output_dir: what to make: absent, or an empty folder. It appears whole or not at all.
      index: kind and sizes of the index.
      serving: default k, and the model name that the warm-up requests carry.
      users: whom ``index.target_recall`` is reached for.

    Raises:
      InputError: the model was not saved by the trainer, has item vectors that are not finite,
        ``output_dir`` is in use, or there is a target and no user.
    """
    description = read_description(model_dir)
    trained = tf.saved_model.load(model_dir)
    family = FAMILIES[description.family]
    content = family.content(trained)
    ids, tables, items = content.ids, content.tables, content.items
    for vectors in tables:
        _check_vectors(vectors, model_dir)
    parent = os.path.dirname(os.path.abspath(output_dir))
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f".{os.path.basename(output_dir)}-", dir=parent)
    try:
        temperature = description.ranking_temperature
        exact = [ExactIndex(vectors, index.exact_chunk, temperature) for vectors in content.searched]
        batching = _save(family, trained, content, exact, description, index, serving, temporary)
        if index.kind == "scann":
            approximate = [build_index(vectors, index, temperature) for vectors in tables]
            if index.target_recall is not None:
                features, k = description.user_features, serving.default_k
                tune_indexes(family, approximate, exact, trained, users, features, index, k)
            scann = os.path.join(temporary, manifest.SCANN_MODEL)
            _save(family, trained, content, approximate, description, index, serving, scann)
        encoder = os.path.join(model_dir, base_model.FOLDER, base_model.ENCODER)
        if hasattr(trained, VECTORS_FROM_TEXT) and tf.io.gfile.exists(encoder):
            copy_files(encoder, os.path.join(temporary, TEXT_ENCODER))
        values = [] if items is None else items.attributes.values
        write_warmup_requests(temporary, serving.model_name, family, ids, description, values)
        manifest.write(
            temporary,
            model=description.model,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            fingerprint={
                "vocabulary": _vocabulary_fingerprint(ids),
                "tower": _folder_fingerprint(model_dir),
                "index": _index_fingerprint(tables, index, temperature),
                "text": description.text_encoder,
            },
            kind=index.kind,
            items=len(ids),
            dimension=tables[0].shape[1],
            interests=description.interests,
            default_k=serving.default_k,
            user_features=description.user_features,
            tasks=description.tasks or None,
            batching=batching,
            max_history=description.max_history,
            ranking_temperature=temperature,
            attributes=None if items is None else [name.decode() for name in items.attributes.names] or None,
            made_from=description.made_from,
        )
        os.chmod(temporary, 0o755)
        try:
            os.rename(temporary, output_dir)
        except OSError as error:
            raise InputError(
                f"{output_dir} exists and is not an empty folder: remove it, or choose another."
            ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _save(
    family: Family,
    trained: Any,
    content: Content,
    indexes: Sequence[Index],
    description: ModelDescription,
    settings: IndexSettings,
    serving: ServingSettings,
    directory: str,
) -> dict[str, manifest.SignatureBatching]:
    """Saves the model that is served; returns how its requests may be joined."""
    limits = serving.default_k, max(settings.max_k, serving.default_k)
    with vocabulary_file([] if content.items is None else content.items.all_ids) as vocabulary:
        model = family.served(trained, content, indexes, vocabulary, description.user_features, *limits)
        options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        tf.saved_model.save(model, directory, signatures=model.signatures(), options=options)
        return model.batching()


def copy_files(source: str, target: str) -> None:
    """Copies the files of a folder, which has none below it, to one that is made."""
    tf.io.gfile.makedirs(target)
    for name in tf.io.gfile.listdir(source):
        tf.io.gfile.copy(os.path.join(source, name), os.path.join(target, name))


def _check_vectors(vectors: npt.NDArray[np.float32], model_dir: str) -> None:
    broken = int((~np.isfinite(vectors)).any(axis=1).sum())
    if broken:
        raise InputError(
            f"{model_dir}: {broken} of {len(vectors)} vectors are not finite, so training diverged. "
            "Lower training.learning_rate or set training.clip_norm, and train again."
        )


def _vocabulary_fingerprint(ids: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for item in ids:
        digest.update(len(item).to_bytes(4, "big") + item)
    return digest.hexdigest()


def _index_fingerprint(tables: Sequence[npt.NDArray[Any]], settings: IndexSettings, temperature: float | None) -> str:
    digest = hashlib.sha256(settings.model_dump_json().encode())
    digest.update(b"" if temperature is None else str(temperature).encode())
    for vectors in tables:
        digest.update(np.ascontiguousarray(vectors).data)
    return digest.hexdigest()


def _folder_fingerprint(directory: str) -> str:
    digest = hashlib.sha256()
    for folder, _, files in sorted(tf.io.gfile.walk(directory)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            with tf.io.gfile.GFile(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            digest.update(f"{os.path.relpath(path, directory)}\n{content}\n".encode())
    return digest.hexdigest()
