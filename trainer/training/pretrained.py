"""Base models: saved by pre-training, loaded for fine-tuning."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf
from pydantic import ConfigDict, Field, ValidationError

from trainer.data import text_vectors
from trainer.errors import InputError
from trainer.keras_api import keras
from trainer.plain_paths import plain_path
from trainer.settings import Settings, first_problem

FOLDER = os.path.join("assets.extra", "base")
"""Where the trainer's SavedModel has its base model, if its parts can serve as one."""
ENCODER = "text_encoder"
"""Below it: the text encoder, as trainer/data/text_vectors.py describes it."""
DESCRIPTION = "base.json"
_WEIGHTS = "weights"


class BaseDescription(Settings):
    """What is known of a base model without loading it.

    Attributes:
      format: of this file; another number is refused.
      model: name of the architecture.
      max_history: T.
      settings: of the model.
      text_encoder: the encoder of the item texts.
      parts: name of each part -> shapes of its weights, in order.
      files: name of each file of weights -> its SHA-256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: Literal[1] = 1
    model: str
    max_history: int
    settings: dict[str, Any]
    text_encoder: text_vectors.EncoderDescription
    parts: dict[str, list[list[int]]] = Field(min_length=1)
    files: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the description, and so of the weights."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def read(directory: str) -> BaseDescription:
    """The description of the base model in ``directory``.

    Raises:
      InputError: there is none, or it is of another format.
    """
    path = os.path.join(directory, DESCRIPTION)
    try:
        with tf.io.gfile.GFile(path) as file:
            return BaseDescription(**json.loads(file.read()))
    except (tf.errors.OpError, ValidationError, ValueError, TypeError) as error:
        raise InputError(
            f"model.base_model: {directory} is no base model: {DESCRIPTION}: {first_problem(error)}. "
            "Make one with polyrec pretrain."
        ) from error


def save(
    directory: str,
    parts: Mapping[str, keras.layers.Layer],
    model: str,
    max_history: int,
    settings: Mapping[str, Any],
    text_encoder: str,
) -> None:
    """Writes a base model; the description comes last, so that a folder without one is not whole.

    Args:
      directory: where to; made if missing.
      parts: layers that know nothing of particular items or users.
      model: name of the architecture.
      max_history: T.
      settings: of the model.
      text_encoder: folder of the encoder of the item texts.
    """
    encoder = text_vectors.read_description(text_encoder)
    copy = os.path.join(directory, ENCODER)
    tf.io.gfile.makedirs(copy)
    for name in tf.io.gfile.listdir(text_encoder):
        tf.io.gfile.copy(os.path.join(text_encoder, name), os.path.join(copy, name), overwrite=True)
    tf.train.Checkpoint(**parts).write(os.path.join(directory, _WEIGHTS))
    description = BaseDescription(
        model=model,
        max_history=max_history,
        settings=dict(settings),
        text_encoder=encoder,
        parts=_shapes(parts),
        files={name: _sha256(os.path.join(directory, name)) for name in _files(directory)},
    )
    with tf.io.gfile.GFile(os.path.join(directory, DESCRIPTION), "w") as file:
        file.write(description.model_dump_json(indent=1))


def restore(
    directory: str,
    parts: Mapping[str, keras.layers.Layer],
    model: str,
    max_history: int,
    text_encoder: text_vectors.EncoderDescription | None,
    settings: Mapping[str, Any] | None = None,
) -> BaseDescription:
    """Puts the weights of a base model into the parts of a built one.

    Args:
      directory: of the base model.
      parts: of the model to fine-tune; those that the base model lacks stay as they are.
      model: name of the architecture.
      max_history: T.
      text_encoder: of the item texts that the model was made with.
      settings: of the model; those that give the base model's weights another meaning at the same shapes are compared.

    Returns:
      the description of the base model.

    Raises:
      InputError: the base model does not fit: architecture, T, where positions count from, text encoder or sizes
        differ; or it is damaged.
    """
    base = read(directory)
    where = f"model.base_model: {directory}"
    if base.model != model:
        raise InputError(f"{where} is a {base.model}, not a {model}.")
    if base.max_history != max_history:
        raise InputError(
            f"{where} was trained with transform.max_history = {base.max_history}, here it is {max_history}: "
            f"a position's weights say nothing of another number of positions. Set it to {base.max_history}."
        )
    for name, usual in _MEANINGS.items():
        theirs = base.settings.get(name, usual)
        ours = theirs if settings is None else settings.get(name, usual)
        if theirs != ours:
            raise InputError(f"{where} was trained with model.{name}: {theirs}, here it is {ours}. Set it to {theirs}.")
    if text_encoder is None or text_encoder.fingerprint != base.text_encoder.fingerprint:
        raise InputError(
            f"{where} was trained on texts encoded by {base.text_encoder.settings} "
            f"({base.text_encoder.fingerprint[:12]}), and these items by "
            + (f"{text_encoder.settings} ({text_encoder.fingerprint[:12]})." if text_encoder else "nothing.")
        )
    for name, shapes in _shapes(parts).items():
        if name in base.parts and base.parts[name] != shapes:
            raise InputError(
                f"{where}: its {name} has weights of the shapes {base.parts[name]}, this model {shapes}. Take its "
                "model.dimension, num_interests, experts, encoder_layers, encoder_hidden and the like: "
                f"{ {name: value for name, value in base.settings.items() if name in _SIZES} }."
            )
    for name, digest in base.files.items():
        path = os.path.join(directory, name)
        if not tf.io.gfile.exists(path) or _sha256(path) != digest:
            raise InputError(f"{where}: {name} is missing or was changed: its SHA-256 is not that of {DESCRIPTION}.")
    shared = {name: part for name, part in parts.items() if name in base.parts}
    status = tf.train.Checkpoint(**shared).read(os.path.join(plain_path(directory), _WEIGHTS))
    status.assert_existing_objects_matched().expect_partial()
    return base


_MEANINGS = {"positions": "oldest"}
"""Settings that decide on what weights mean, and what they were before there was such a setting."""

_SIZES = (
    *("dimension", "num_interests", "experts", "encoder_layers", "encoder_heads", "encoder_hidden", "encoder_affine"),
    *("recency", "time_decay", "residual_projection", "context_layers"),
)
"""Settings that decide on the shapes of the parts."""


def _shapes(parts: Mapping[str, keras.layers.Layer]) -> dict[str, list[list[int]]]:
    return {name: [[int(size) for size in weight.shape] for weight in part.weights] for name, part in parts.items()}


def _files(directory: str) -> list[str]:
    return sorted(name for name in tf.io.gfile.listdir(directory) if name.startswith(f"{_WEIGHTS}."))


def _sha256(path: str) -> str:
    with tf.io.gfile.GFile(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
