"""The trainer's SavedModel: the user tower from raw strings, the items, and the ``evaluate`` signature."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.data.item_attributes import catalogue_attributes
from trainer.data.preprocessing import padded, padded_history
from trainer.data.raw_features import RawFeatures
from trainer.data.vocabulary_file import line_numbers, vocabulary_file
from trainer.metrics.table import FILTERED, UNSEEN
from trainer.metrics.user_metrics import Catalogue as EvaluatedCatalogue
from trainer.metrics.user_metrics import Users, user_metrics
from trainer.models.retrieval.base import RetrievalModel
from trainer.ranking.filters import ItemFilter

EVALUATE = "evaluate"
DESCRIPTION = os.path.join("assets.extra", "model.json")


class TrainedModel(tf.Module):
    """What is saved after training.

    Attributes:
      item_vectors: variable float32 [N, D], row i is item i of the vocabulary.
      item_ids: variable string [N].
      item_counts: variable int64 [N], interactions in the training split, descending.
      item_category: variable int32 [N], finest category, -1 for none.
      item_filter: of their attributes.
      vectors_from_text: float32 [M, E] to float32 [M, D], of a model that places items by their texts; else absent.
      constant_components: variable int32, how many components at the end of an item's vector are 1 for every item.
      analysis: name -> variable, what ``polyrec analyse`` looks at; ``category_names`` string [C] for every model.
      served_interests: variable int32 scalar, K of a user's vectors.
      encode: see :meth:`_encode`.
      evaluate, evaluate_beside: see :meth:`_evaluate` and :meth:`_metrics`.

    Args:
      model: trained and built.
      catalogue: the items that are served, those it was trained on first.
      transform: the output of TFX's Transform; its graph becomes part of the model.
      user_features: profile feature -> ``categorical`` or ``numeric``.
      vocabulary: path of the served items' ids, a line each; becomes an asset.
      attributes: names of the items' attributes.
      evaluated: ``allow`` and ``deny`` of the filter that metrics are computed with once more, if it has any.
    """

    def __init__(
        self,
        model: RetrievalModel,
        catalogue: Catalogue,
        transform: tft.TFTransformOutput,
        user_features: Mapping[str, str],
        vocabulary: str,
        attributes: Sequence[str] = (),
        evaluated: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.model, self._raw = model, RawFeatures(transform, user_features)
        self.item_vectors = tf.Variable(model.item_vectors(), trainable=False)
        self.served_interests = tf.Variable(model.served_interests, trainable=False, dtype=tf.int32)
        self.constant_components = tf.Variable(model.constant_components, trainable=False)
        self.item_ids = tf.Variable(list(catalogue.ids), trainable=False, dtype=tf.string)
        self.item_counts = tf.Variable(catalogue.counts, trainable=False)
        self.item_category = tf.Variable(catalogue.finest_category, trainable=False)
        self.item_filter = ItemFilter(catalogue_attributes(catalogue, attributes))
        self._evaluated = {key: list((evaluated or {}).get(key, ())) for key in ("allow", "deny")}
        self.analysis = {name: tf.Variable(v, trainable=False) for name, v in model.analysis_tensors().items()}
        self.analysis["category_names"] = tf.Variable(list(catalogue.category_names), dtype=tf.string, trainable=False)
        self._index_of = line_numbers(vocabulary)
        trained_on = transform.vocabulary_size_by_name(schema.ITEM_VOCABULARY)
        self._has_new_items = catalogue.size > trained_on
        self.encode = tf.function(self._encode, input_signature=self._raw.signature, autograph=False)
        if model.text_width is not None:
            texts = tf.TensorSpec([None, model.text_width], tf.float32, name="texts")
            self.vectors_from_text = tf.function(model.vectors_from_text, input_signature=[texts], autograph=False)
        examples = tf.TensorSpec([None], tf.string, name="examples")
        rows = tf.TensorSpec([], tf.int32, name="page_rows")
        self.evaluate = tf.function(self._evaluate, input_signature=[examples], autograph=False)
        self.evaluate_beside = tf.function(self._metrics, input_signature=[examples, rows], autograph=False)

    def _encode(
        self, history: tf.Tensor, history_time: tf.Tensor, user_features: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The user tower, from raw values.

        Args:
          history: string [B, S], oldest first, padded with "".
          history_time: int64 [B, S], seconds.
          user_features: name -> string [B, M] padded with "", or float32 [B, M].

        Returns:
          ``interests`` [B, K, D], ``interest_mask`` [B, K], ``attribution`` [B, K, T] and ``history`` [B, T]:
          1 + index of each item the model looked at, 0 behind the last.
        """
        return self._encode_sparse(self._raw.of_request(history, history_time, user_features))

    def _encode_sparse(self, raw: Mapping[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        features = self._raw.transformed(raw)
        features |= self._looked_up(raw)
        encoding = self.model.encode_last(features)
        return {
            "interests": tf.cast(encoding.interests[:, 0], tf.float32),
            "interest_mask": encoding.interest_mask[:, 0],
            "attribution": tf.cast(encoding.attribution[:, 0], tf.float32),
            "history": features[schema.HISTORY],
        }

    def _looked_up(self, raw: Mapping[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        """The history in the served vocabulary: Transform's lacks the items that training never saw."""
        if not self._has_new_items:
            return {}
        indices = self._index_of.lookup(padded(raw[schema.HISTORY]))
        return padded_history(indices, padded(raw[schema.HISTORY_TIME]), self.model.max_history)

    def _evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Per-example metrics of serialized raw examples (string [B]), for TensorFlow Model Analysis.

        Returns:
          the metrics of trainer/metrics/table.py, float32 [B], as they are (seen items kept) and with the suffix
          ``_unseen`` (seen items removed from the list; targets that were seen still count) and, where there is a
          filter, with the suffix ``_filtered`` (seen items kept; a target that the filter takes away still counts);
          the same of the most popular items with the prefix ``popularity_``. A user without a known history is given
          the popular items, as in serving. The health of the interests, over the list with seen items kept. NaN is
          what a user has no value of.
        """
        return self._metrics(examples, self.model.served_interests, popularity=True)

    def _metrics(
        self, examples: tf.Tensor, page_rows: tf.Tensor | int, popularity: bool = False
    ) -> dict[str, tf.Tensor]:
        """The same without the popularity ranking, a page having ``page_rows`` rows: beside another model."""
        raw = self._raw.of_examples(examples, (schema.TARGETS,))
        asked = padded(raw.pop(schema.TARGETS))
        targets = self._index_of.lookup(asked)
        # A number for each item outside the catalogue, so that two are two, and one that is listed twice is one.
        names = tf.unique(tf.reshape(asked, [-1]), tf.int64)[1]
        targets = tf.where((targets == -1) & (asked != ""), -2 - tf.reshape(names, tf.shape(asked)), targets)
        seen = self._index_of.lookup(padded(raw[schema.HISTORY]))
        encoded = self._encode_sparse(raw)
        users = Users(
            encoded["interests"],
            encoded["interest_mask"],
            encoded["history"],
            targets,
            self.model.constant_components,
            self.model.ranking_temperature,
        )
        items = EvaluatedCatalogue(self.item_vectors, self.item_counts, self.item_category)
        return user_metrics(users, items, self._restrictions(seen), page_rows, popularity)

    def _restrictions(self, seen: tf.Tensor) -> dict[str, dict[str, Any]]:
        """Suffix of the metrics -> arguments of the search."""
        found: dict[str, dict[str, Any]] = {"": {}, UNSEEN: {"excluded": seen}}
        allow, deny = (tf.constant([values], tf.string, [1, len(values)]) for values in self._evaluated.values())
        if any(self._evaluated.values()):
            found[FILTERED] = {"keep": self.item_filter.keep(allow, deny)}
        return found


def save(
    model: RetrievalModel,
    catalogue: Catalogue,
    transform: tft.TFTransformOutput,
    user_features: Mapping[str, str],
    directory: str,
    attributes: Sequence[str] = (),
    evaluated: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Writes the SavedModel and, in ``assets.extra/model.json``, what the index builder has to know of it.

    Before, the model may place items that training never saw.

    Args:
      model: trained and built.
      catalogue: the items it was trained on.
      transform: the output of TFX's Transform.
      user_features: profile feature -> kind.
      directory: where to; made if missing.
      attributes: names of the items' attributes.
      evaluated: see :class:`TrainedModel`.
    """
    trained_on, catalogue = catalogue.size, model.place_new_items(catalogue)
    with vocabulary_file(catalogue.ids) as vocabulary:
        trained = TrainedModel(model, catalogue, transform, user_features, vocabulary, attributes, evaluated)
        tf.saved_model.save(trained, directory, signatures={EVALUATE: trained.evaluate})
    write_description(
        directory,
        {
            "model": model.settings.name,
            "family": model.family,
            "user_features": dict(user_features),
            "interests": model.served_interests,
            "dimension": model.vector_width,
            "max_history": model.max_history,
            "ranking_temperature": model.ranking_temperature,
            "items": catalogue.size,
            "items_trained_on": trained_on,
            "text_encoder": catalogue.text_encoder and catalogue.text_encoder.fingerprint,
        },
    )


def write_description(directory: str, description: Mapping[str, Any]) -> None:
    """Writes what has to be known of a SavedModel without loading it, as JSON beside it."""
    path = os.path.join(directory, DESCRIPTION)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(description, file, indent=1)
