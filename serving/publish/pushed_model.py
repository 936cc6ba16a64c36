"""Reads a pushed retrieval model to change its items, and writes it as the trainer would."""

import json
import os
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from serving.bundle import manifest
from serving.families.retrieval import Retrieval
from serving.graph.items import Items, ItemVariables, pushed_items
from serving.graph.trained_functions import VECTORS_FROM_TEXT, TrainedFunctions
from serving.publish.writer import DESCRIPTION, TEXT_ENCODER, copy_files
from trainer.errors import InputError
from trainer.plain_paths import plain_path
from trainer.ranking.filters import ItemFilter
from trainer.training import pretrained as base_model


@dataclass(frozen=True)
class PushedModel:
    """What a version folder says.

    Attributes:
      version_dir: the folder.
      stated: its manifest.
      functions: of the model.
      max_history: T.
      items: the items.
    """

    version_dir: str
    stated: manifest.Manifest
    functions: TrainedFunctions
    max_history: int
    items: Items

    @property
    def text_encoder(self) -> str | None:
        """Folder of the encoder of texts; None for a model that does not place items by texts."""
        folder = os.path.join(self.version_dir, TEXT_ENCODER)
        return folder if hasattr(self.functions, VECTORS_FROM_TEXT) and os.path.isdir(folder) else None


def read_pushed(version_dir: str) -> PushedModel:
    """Reads a version folder.

    Raises:
      InputError: it is no whole bundle, holds a model of profiles, or was made by an earlier polyrec.
    """
    stated = manifest.verify(version_dir)
    if stated.tasks:
        raise InputError(
            f"{version_dir} holds {stated.model}, a model of profiles: it has tags and no items to change."
        )
    served = tf.saved_model.load(plain_path(version_dir))
    if not hasattr(served, "items") or stated.max_history is None:
        raise InputError(
            f"{version_dir} was made by an earlier polyrec and does not hold what a change of items needs. "
            "Run the pipeline once (polyrec run): its bundle will."
        )
    return PushedModel(version_dir, stated, TrainedFunctions(served.tower), stated.max_history, pushed_items(served))


class ChangedModel(tf.Module):
    """What the trainer would have saved, had it known other items: the attributes of trainer/export/retrieval.py's
    TrainedModel that serving uses.

    Args:
      functions: of the pushed model.
      items: the new ones.
    """

    def __init__(self, functions: TrainedFunctions, items: Items) -> None:
        super().__init__()
        for name, value in vars(functions).items():
            if callable(value):
                setattr(self, name, value)
        self.functions = functions
        self.item_vectors = tf.Variable(items.vectors, trainable=False)
        for name, variable in vars(ItemVariables(items)).items():
            if isinstance(variable, tf.Variable):
                setattr(self, name, variable)
        self.item_filter = ItemFilter(items.attributes)


def save_changed(pushed: PushedModel, items: Items, made_from: manifest.MadeFrom, directory: str) -> None:
    """Writes the pushed model with other items, as a folder that :func:`serving.publish.writer.build_bundle` takes.

    Args:
      pushed: the model.
      items: the new ones.
      made_from: what was changed.
      directory: where to; made if missing.
    """
    tf.saved_model.save(ChangedModel(pushed.functions, items), directory)
    if pushed.text_encoder is not None:
        copy_files(pushed.text_encoder, os.path.join(directory, base_model.FOLDER, base_model.ENCODER))
    stated = pushed.stated
    description: dict[str, Any] = {
        "model": stated.model,
        "family": Retrieval.name,
        "user_features": dict(stated.inputs.user_features),
        "interests": stated.interests,
        "dimension": stated.dimension,
        "max_history": pushed.max_history,
        "ranking_temperature": stated.ranking_temperature,
        "text_encoder": stated.fingerprint.text,
        "made_from": made_from.model_dump(),
    }
    path = os.path.join(directory, DESCRIPTION)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(description, file, indent=1)
