"""Base class of tag-profile models: user and tag vectors per task, and the tasks' probabilities."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from pydantic import Field

from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.errors import InputError
from trainer.keras_api import keras
from trainer.layers.tags.field_embeddings import FieldEmbeddings
from trainer.settings import Settings

Widths = list[Annotated[int, Field(ge=1)]]


class ProfileSettings(Settings):
    """Settings shared by the tag-profile models."""

    name: str = Field(description="Name of the model; `polyrec models` lists them.")
    dimension: int = Field(64, ge=1, description="d: width of user and tag vectors.")
    field_dimension: int = Field(16, ge=1, description="E: embedding width of a user's fields.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of the user's field vectors.")
    history_fields: list[Literal["items", "tags"]] = Field(
        ["tags"],
        description="Parts of the history used as user fields, beside the profile features; items suits large logs.",
    )
    tag_pooling: Literal["sum", "mean"] = Field("mean", description="How the scores of an item's tags are combined.")
    train_tasks: list[str] | None = Field(
        None, min_length=1, description="Labels to train, among data.labels; all by default."
    )
    task_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="Loss weight by task; 1 for tasks not listed."
    )

    def trained(self, labels: Sequence[str]) -> list[str]:
        """The tasks, in the order of the labels.

        Args:
          labels: the names of ``data.labels``.

        Raises:
          InputError: there are none, or the settings name a task that is not a label.
        """
        if not labels:
            raise InputError(f"model.name: {self.name} learns from labels, and data.labels names none. Name one.")
        named = {"train_tasks": self.train_tasks or [], "task_weights": self.task_weights}
        for key, tasks in named.items():
            for task in tasks:
                if task not in labels:
                    raise InputError(
                        f"model.{key}: there is no label {task!r} in data.labels, which has {', '.join(labels)}."
                    )
        return [task for task in labels if self.train_tasks is None or task in self.train_tasks]


class ProfileModel(tfrs.models.Model):
    """Base class of the tag-profile models.

    A subclass implements :meth:`user_vectors` and :meth:`tag_vectors`. The probability that a user u does task y with
    an item i is ``sigmoid(pool_{t in tags(i)} <u_y, t_y> + b_y)``, ``pool`` a sum or a mean. The papers have no bias b:
    it makes probabilities calibrated where positives are rare, starts at 0, and changes no ranking of a user's tags.

    Args:
      settings: the model's section of the configuration.
      catalogue: the items and their tags.
      max_history: T.
      profile: transformed profile feature -> number of values (categorical) or None (numeric).
      tasks: the names of the labels, in the order of the chain.
      seed: seed of dropout.

    Raises:
      InputError: no item has a tag, the user has no field, or settings and tasks do not fit.
    """

    family: ClassVar[str] = "tag_profiles"
    settings_class: ClassVar[type[ProfileSettings]] = ProfileSettings
    paper: ClassVar[str] = ""

    def __init__(
        self,
        settings: ProfileSettings,
        catalogue: Catalogue,
        max_history: int,
        profile: Mapping[str, int | None] | None = None,
        tasks: Sequence[str] = (),
        seed: int = 1,
    ) -> None:
        super().__init__(name=settings.name)
        self.settings, self.max_history, self.seed = settings, max_history, seed
        self.tasks: tuple[str, ...] = tuple(settings.trained(tasks))
        self.num_tags = len(catalogue.tag_names)
        if not catalogue.tags.any():
            raise InputError(
                "No item of the training split has a tag. See that data.items and data.item_columns.tags name the item "
                "table and its column of tags, and that its ids are those of the log."
            )
        # Row 0 is the unknown item, which has none.
        table = np.concatenate([np.zeros_like(catalogue.tags[:1]), catalogue.tags])
        self.item_tags = tf.Variable(table, trainable=False, dtype=tf.int32, name="item_tags")
        self.bias = self.add_weight("bias", shape=(len(self.tasks),), initializer="zeros", dtype=tf.float32)
        self.dropout = keras.layers.Dropout(settings.dropout, seed=seed)
        self.embeddings = _fields(settings, catalogue, max_history, profile or {})

    def user_vectors(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The vector of each user for each task.

        Args:
          features: transformed features: ``history``, ``history_mask`` [B, T] and the profile's.
          training: whether dropout applies.

        Returns:
          float32 [B, Y, D].
        """
        raise TypeError(f"{type(self).__name__} has no user tower: implement user_vectors().")

    def tag_vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        """Vectors of tags for each task: int [...] in 0 .. number of tags - 1 to float32 [..., Y, D]."""
        raise TypeError(f"{type(self).__name__} has no tag tower: implement tag_vectors().")

    def logits(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Log-odds that a user does each task with items; the bias alone for an unknown item or one without tags.

        Args:
          features: transformed features with ``item``, int64 [B, M], 1 + index, 0 for an unknown one.
          training: whether dropout applies.

        Returns:
          float32 [B, M, Y].
        """
        users, items = self.user_vectors(features, training), features[schema.ITEM]
        each = tf.repeat(users, tf.shape(items)[1], axis=0)
        logits = self._log_odds(each, tf.reshape(items, [-1]))
        return tf.reshape(logits, tf.concat([tf.shape(items), [len(self.tasks)]], axis=0))

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Binary cross-entropy: for each task the mean over the labels that count, then the sum over the tasks.

        A row is one state of a user's history, encoded once for the M impressions made in it.

        Args:
          inputs: transformed features with ``item`` and, for each task, ``label_<task>`` and ``weight_<task>``, float32
            [B, M]; of weight 0 are the places behind a row's impressions, too.
          training: whether dropout applies.

        Returns:
          scalar, in nats; a task of which no label counts adds 0.
        """
        labels, weights = (
            tf.stack([inputs[feature(task)] for task in self.tasks], axis=2)
            for feature in (schema.label_feature, schema.weight_feature)
        )
        counted = tf.reduce_any(weights > 0, axis=2)
        users = tf.gather(self.user_vectors(inputs, training), tf.where(counted)[:, 0])
        logits = self._log_odds(users, tf.boolean_mask(inputs[schema.ITEM], counted))
        labels, weights = tf.boolean_mask(labels, counted), tf.boolean_mask(weights, counted)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        means = tf.math.divide_no_nan(tf.reduce_sum(weights * losses, axis=0), tf.reduce_sum(weights, axis=0))
        return tf.reduce_sum(means * [self.settings.task_weights.get(task, 1.0) for task in self.tasks])

    def _log_odds(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Of users [R, Y, D] and items [R] to [R, Y]."""
        return tf.einsum("ryd,ryd->ry", users, self._pooled_tags(tf.gather(self.item_tags, items))) + self.bias

    def _pooled_tags(self, numbers: tf.Tensor) -> tf.Tensor:
        """Sum or mean of the vectors of an item's tags: int32 [B, G], 1 + number, 0 is padding, to [B, Y, D]."""
        present = numbers > 0
        # Items share tags: each tag of the batch goes through the tower once.
        unique, places = tf.unique(tf.boolean_mask(numbers, present) - 1)
        rows = tf.where(present)[:, 0]
        pooled = tf.math.unsorted_segment_sum(
            tf.gather(self.tag_vectors(unique), places), rows, tf.shape(numbers, out_type=tf.int64)[0]
        )
        if self.settings.tag_pooling == "sum":
            return pooled
        counts = tf.reduce_sum(tf.cast(present, tf.float32), axis=1)
        return pooled / tf.maximum(counts, 1.0)[:, tf.newaxis, tf.newaxis]


def _fields(
    settings: ProfileSettings, catalogue: Catalogue, max_history: int, profile: Mapping[str, int | None]
) -> FieldEmbeddings:
    if not profile and not settings.history_fields:
        raise InputError(
            "model.history_fields is empty and data.user_columns.features names no profile feature: nothing is known "
            "of a user. Give one of them."
        )
    return FieldEmbeddings(
        {name: size for name, size in profile.items() if size is not None},
        [name for name, size in profile.items() if size is None],
        settings.field_dimension,
        catalogue.size if "items" in settings.history_fields else 0,
        catalogue.tags if "tags" in settings.history_fields else None,
        max_history,
        name="fields",
    )
