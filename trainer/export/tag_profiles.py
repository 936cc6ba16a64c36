"""The SavedModel of a model of profiles: the user tower from raw strings, the tags, and ``evaluate``."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.data.preprocessing import padded
from trainer.data.raw_features import RawFeatures
from trainer.data.vocabulary_file import line_numbers, vocabulary_file
from trainer.export.retrieval import EVALUATE, write_description
from trainer.metrics.tags import TAG_CUTOFFS, precision_of_tags
from trainer.models.tag_profiles.base import ProfileModel


class TrainedProfile(tf.Module):
    """What is saved after training.

    Attributes:
      tag_vectors: variable float32 [Y, N_tags, D]; row i of task y is tag i for that task.
      tag_bias: variable float32 [Y]; the probability of a task on an item of that tag alone is
        ``sigmoid(<u, t> + bias)``.
      tag_names: variable string [N_tags].
      tag_counts: variable int64 [N_tags], training impressions of items with the tag.
      task_names: variable string [Y].
      encode: see :meth:`_encode`.

    Args:
      model: trained and built.
      catalogue: the items it was trained on, with their tags.
      transform: the output of TFX's Transform; its graph becomes part of the model.
      user_features: profile feature -> ``categorical`` or ``numeric``.
      vocabulary: path of the items' ids, a line each; becomes an asset.
    """

    def __init__(
        self,
        model: ProfileModel,
        catalogue: Catalogue,
        transform: tft.TFTransformOutput,
        user_features: Mapping[str, str],
        vocabulary: str,
    ) -> None:
        super().__init__()
        self.model, self._raw = model, RawFeatures(transform, user_features)
        vectors = model.tag_vectors(tf.range(len(catalogue.tag_names)))
        self.tag_vectors = tf.Variable(tf.transpose(vectors, [1, 0, 2]), trainable=False)
        self.tag_bias = tf.Variable(model.bias, trainable=False)
        self.tag_names = tf.Variable(list(catalogue.tag_names), dtype=tf.string, trainable=False)
        self.task_names = tf.Variable(list(model.tasks), dtype=tf.string, trainable=False)
        self.tag_counts = tf.Variable(_tag_counts(catalogue), trainable=False)
        self._item_tags = tf.Variable(catalogue.tags, trainable=False)
        self._index_of = line_numbers(vocabulary)
        self.encode = tf.function(self._encode, input_signature=self._raw.signature, autograph=False)
        examples = tf.TensorSpec([None], tf.string, name="examples")
        self.evaluate = tf.function(self._evaluate, input_signature=[examples], autograph=False)

    def _encode(
        self, history: tf.Tensor, history_time: tf.Tensor, user_features: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The user tower, from raw values as of :meth:`trainer.data.raw_features.RawFeatures.of_request`.

        Returns:
          ``vectors`` float32 [B, Y, D]; ``known`` bool [B], whether there is a known item or a profile feature.
        """
        raw = self._raw.of_request(history, history_time, user_features)
        features = self._raw.transformed(raw)
        known = tf.reduce_any(features[schema.HISTORY] > 0, axis=1)
        for name, values in raw.items():
            if name.startswith(schema.USER_PREFIX):
                told = tf.math.bincount(tf.cast(values.indices[:, 0], tf.int32), minlength=tf.size(known))
                known |= told > 0
        return {"vectors": tf.cast(self.model.user_vectors(features), tf.float32), "known": known}

    def _evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """What TensorFlow Model Analysis is given of serialized raw examples (string [B]).

        Returns:
          ``<task>`` float32 [B], the probability of the task's label, for each task; ``precision_at_<k>`` [B], the
          part of the k best tags of the first task that items of ``targets`` have, NaN where there are no targets;
          the same of the tags most frequent in training with the prefix ``popularity_``.
        """
        raw = self._raw.of_examples(examples, (schema.ITEM, schema.TARGETS))
        items, targets = (self._index_of.lookup(padded(raw.pop(name))) for name in (schema.ITEM, schema.TARGETS))
        features = self._raw.transformed(raw)
        features[schema.ITEM] = items[:, :1] + 1
        vectors = tf.cast(self.model.user_vectors(features), tf.float32)
        probabilities = tf.sigmoid(self.model.logits(features)[:, 0])
        outputs = {task: probabilities[:, column] for column, task in enumerate(self.model.tasks)}
        relevant = self._tags_of(targets)
        scores = tf.matmul(vectors[:, 0], self.tag_vectors[0], transpose_b=True)
        counts = tf.broadcast_to(tf.cast(self.tag_counts, tf.float32), tf.shape(scores))
        for prefix, ranked in (("", scores), ("popularity_", counts)):
            found = precision_of_tags(ranked, relevant, TAG_CUTOFFS)
            outputs.update({prefix + name: values for name, values in found.items()})
        return outputs

    def _tags_of(self, items: tf.Tensor) -> tf.Tensor:
        """Bool [B, N_tags]: the tags of any of the items [B, M], -1 for none."""
        tags = tf.gather(self._item_tags, tf.maximum(items, 0))
        tags = tf.where(items[..., tf.newaxis] >= 0, tags, 0)
        flat = tf.reshape(tags, [tf.shape(items)[0], -1])
        rows = tf.broadcast_to(tf.range(tf.shape(flat)[0])[:, tf.newaxis], tf.shape(flat))
        size = tf.shape(self.tag_names)[0] + 1
        hits = tf.scatter_nd(tf.stack([rows, flat], axis=-1), tf.ones_like(flat), tf.stack([tf.shape(flat)[0], size]))
        return hits[:, 1:] > 0


def _tag_counts(catalogue: Catalogue) -> npt.NDArray[np.int64]:
    counts = np.zeros(len(catalogue.tag_names) + 1, np.int64)
    np.add.at(counts, catalogue.tags, catalogue.counts[:, np.newaxis])
    return counts[1:]


def save(
    model: ProfileModel,
    catalogue: Catalogue,
    transform: tft.TFTransformOutput,
    user_features: Mapping[str, str],
    directory: str,
) -> None:
    """Writes the SavedModel and its description, as trainer.export.retrieval.save does for a retrieval model.

    Args:
      model: trained and built.
      catalogue: the items it was trained on.
      transform: the output of TFX's Transform.
      user_features: profile feature -> kind.
      directory: where to; made if missing.
    """
    with vocabulary_file(catalogue.ids) as vocabulary:
        trained = TrainedProfile(model, catalogue, transform, user_features, vocabulary)
        tf.saved_model.save(trained, directory, signatures={EVALUATE: trained.evaluate})
    write_description(
        directory,
        {
            "model": model.settings.name,
            "family": model.family,
            "user_features": dict(user_features),
            "tasks": list(model.tasks),
            "dimension": int(trained.tag_vectors.shape[2]),
            "max_history": model.max_history,
            "items": catalogue.size,
            "tags": len(catalogue.tag_names),
        },
    )
