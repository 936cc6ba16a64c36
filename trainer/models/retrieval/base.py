"""Base class of retrieval models: user tower, item tower, loss."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import tensorflow as tf
import tensorflow_recommenders as tfrs

from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.errors import InputError
from trainer.keras_api import keras
from trainer.layers.history.history_context import HistoryContext
from trainer.layers.history.masking import all_positions, last_positions, prefix_lengths
from trainer.layers.history.recency_bias import RecencyBias
from trainer.layers.towers.item_tower import ItemTower
from trainer.layers.towers.residual_projection import ResidualProjection
from trainer.layers.towers.side_features import profile_layer
from trainer.losses.interest_regularisers import disagreement, routing_variance
from trainer.models.retrieval.encoding import Encoding as Encoding
from trainer.models.retrieval.loss import TargetLoss
from trainer.models.retrieval.settings import ModelSettings


class RetrievalModel(tfrs.models.Model):
    """Base class of the retrieval models.

    A subclass implements :meth:`extract`; embedding, dropout, recency, projection, profile, candidate scoring and
    the loss are the same for all, so that models differ in what their papers differ in.

    Args:
      settings: the model's section of the configuration; ``temperature: auto`` is the first guess here, and a choice
        in :mod:`trainer.training.temperature`.
      catalogue: the items.
      max_history: T.
      profile: transformed profile feature -> number of values (categorical) or None (numeric).
      num_negatives: S, sampled negatives a batch.
      seed: seed of initialisation, dropout and drawing.
    """

    family: ClassVar[str] = "retrieval"
    settings_class: ClassVar[type[ModelSettings]] = ModelSettings
    paper: ClassVar[str] = ""

    def __init__(
        self,
        settings: ModelSettings,
        catalogue: Catalogue,
        max_history: int,
        profile: Mapping[str, int | None] | None = None,
        num_negatives: int = 1280,
        seed: int = 1,
    ) -> None:
        super().__init__(name=settings.name)
        self.temperature = settings.temperatures[-1]
        self.settings = settings.model_copy(update={"temperature": self.temperature})
        self.max_history = max_history
        self.num_items, self.num_negatives, self.seed = catalogue.size, num_negatives, seed
        self._loss = TargetLoss(
            self.settings, catalogue, num_negatives, seed, self.served_interests == 1, self.constant_components
        )
        use_category = settings.use_category and catalogue.categories.shape[1] > 0
        self.item_tower = ItemTower(
            catalogue.size,
            settings.dimension,
            catalogue.categories if use_category else None,
            settings.item_fields,
            name="item_tower",
        )
        self.dropout = keras.layers.Dropout(settings.dropout, seed=seed)
        self.recency = (
            RecencyBias(self.recency_heads, max_history, settings.time_decay, name="recency")
            if settings.recency or settings.time_decay
            else None
        )
        self.context = (
            HistoryContext(max_history, settings.context_layers, dropout=settings.dropout, seed=seed, name="context")
            if settings.context_layers
            else None
        )
        self.profile = profile_layer(profile or {}, settings.profile_dimension)
        self.projection = (
            ResidualProjection(2 * settings.dimension, name="projection")
            if settings.residual_projection or self.profile is not None
            else None
        )

    @property
    def served_interests(self) -> int:
        """Number of vectors a user is served with: K, unless the model joins its interests into fewer."""
        return self.settings.num_interests

    @property
    def ranking_temperature(self) -> float | None:
        """Temperature of the log-sum-exp over interests that items are ranked by, the loss's; None for the maximum."""
        smooth = self.settings.ranking == "log_sum_exp" and self.served_interests > 1
        return self.temperature if smooth else None

    @property
    def recency_heads(self) -> int:
        """Number of weights by recency that are learned: K, one for each interest."""
        return self.settings.num_interests

    @property
    def constant_components(self) -> int:
        """How many components at the end of an item's vector are 1 for every item, and not of its direction."""
        return 0

    @property
    def vector_width(self) -> int:
        """Width of interests and of candidates' vectors: D, and the constant components."""
        return self.settings.dimension + self.constant_components

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """The interests of each queried prefix, before projection.

        Args:
          items: float [B, T, D].
          history_mask: [B, T].
          queries: int32 [B or 1, Q].
          bias: recency bias [B or 1, Q, K, T] or None.
          training: whether dropout and noise apply.
        """
        raise TypeError(f"{type(self).__name__} does not say how it extracts interests: implement extract().")

    def encode(self, features: Mapping[str, tf.Tensor], queries: tf.Tensor, training: bool = False) -> Encoding:
        """The user tower.

        Args:
          features: transformed features: ``history`` [B, T], ``history_mask`` [B, T], ``history_gap`` [B, T] and
            the profile's.
          queries: int32 [B or 1, Q], positions at which interests are wanted.
          training: whether dropout and noise apply.
        """
        mask = features[schema.HISTORY_MASK]
        items = self.history_vectors(features, self.looked_up(features), training)
        bias = None if self.recency is None else self.recency(queries, features[schema.HISTORY_GAP])
        encoding = self.extract(items, mask, queries, bias, training)
        if self.projection is not None:
            profile = None if self.profile is None else self.profile(features)
            encoding = encoding._replace(interests=self.projection(encoding.interests, profile))
        # Scores, softmax and loss are in float32 whatever the layers compute in.
        return encoding._replace(
            interests=self._scaled(tf.cast(encoding.interests, tf.float32)),
            attribution=tf.cast(encoding.attribution, tf.float32),
        )

    def looked_up(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Vectors of a history's items as the item tower has them: float [B, T, D], anything behind the mask."""
        return self.item_tower(tf.maximum(features[schema.HISTORY] - 1, 0))

    def history_vectors(self, features: Mapping[str, tf.Tensor], items: tf.Tensor, training: bool) -> tf.Tensor:
        """What encoders see of a history, with dropout and in context: [B, T, D] to [B, T, D], 0 behind the mask."""
        mask = features[schema.HISTORY_MASK]
        items = self.dropout(items, training=training)
        items *= tf.cast(mask, items.dtype)[:, :, tf.newaxis]
        return items if self.context is None else self.context(items, mask, training=training)

    def encode_all_prefixes(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Encoding:
        """Interests of every prefix: Q = T."""
        return self.encode(features, all_positions(features[schema.HISTORY_MASK]), training)

    def encode_last(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Encoding:
        """Interests of the whole history: Q = 1."""
        return self.encode(features, last_positions(features[schema.HISTORY_MASK]), training)

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Mean sampled-softmax loss of a batch.

        Args:
          inputs: transformed features with ``targets``: int64 [B, T] (1 + index, 0 for no target), one for each
            prefix; or [B, 1], one for the whole history. ``target_weight``, float32 [B], if there, is what each
            target of a row counts in the mean.
          training: whether dropout and noise apply.

        Returns:
          scalar, nats a target.
        """
        targets = inputs[schema.TARGETS]
        whole_history = targets.shape[1] == 1
        encoding = self.encode_last(inputs, training) if whole_history else self.encode_all_prefixes(inputs, training)
        wanted = targets > 0
        interests = tf.boolean_mask(encoding.interests, wanted)
        interest_mask = tf.boolean_mask(encoding.interest_mask, wanted)
        losses = self.target_losses(interests, interest_mask, tf.boolean_mask(targets, wanted) - 1)
        if self.settings.disagreement:
            directions = interests[..., : self.settings.dimension]
            losses += self.settings.disagreement * disagreement(directions, interest_mask)
        if self.settings.routing_variance:
            attribution = tf.boolean_mask(encoding.attribution, wanted)
            lengths = tf.boolean_mask(prefix_lengths(inputs[schema.HISTORY_MASK], whole_history), wanted)
            scale = self.settings.dimension if self.settings.routing_variance_form == "released" else None
            losses += self.settings.routing_variance * routing_variance(attribution, lengths, scale)
        weights = tf.ones_like(losses)
        if schema.TARGET_WEIGHT in inputs:
            weights = tf.gather(tf.cast(inputs[schema.TARGET_WEIGHT], losses.dtype), tf.where(wanted)[:, 0])
        return tf.math.divide_no_nan(tf.reduce_sum(weights * losses), tf.reduce_sum(weights))

    def target_losses(self, interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Loss of each target.

        Args:
          interests: float [M, K, D].
          interest_mask: bool [M, K].
          targets: int64 [M], item indices.

        Returns:
          float32 [M], in nats.
        """
        return self._loss(self.candidates, interests, interest_mask, targets)

    def candidates(self, indices: tf.Tensor) -> tf.Tensor:
        """Vectors of items as candidates: int [...] to float32 [..., D]."""
        return self._scaled(tf.cast(self.item_tower(indices), tf.float32))

    def item_vectors(self, chunk: int = 65_536) -> tf.Tensor:
        """All item vectors, float32 [N, D], computed ``chunk`` items at a time."""
        starts = range(0, self.num_items, chunk)
        parts = [self.candidates(tf.range(start, min(start + chunk, self.num_items))) for start in starts]
        return tf.cast(tf.concat(parts, axis=0), tf.float32)

    def place_new_items(self, catalogue: Catalogue) -> Catalogue:
        """Called after training: makes items known that training never saw, and says which items are served.

        Here there are none: an item without a training history has no vector.
        """
        return catalogue

    def choose_after_training(self, evaluate: Callable[[], float], users: int, title: str) -> dict[str, float]:
        """Called after training, with the best weights: chooses what can be chosen without training. Nothing here.

        Args:
          evaluate: the metric that training watches, of the model as it is now, on the validation users.
          users: number of these users.
          title: of the metric.

        Returns:
          name -> value of what was chosen.
        """
        return {}

    @property
    def text_width(self) -> int | None:
        """E, width of what :meth:`vectors_from_text` takes; None for a model that makes no use of texts."""
        return None

    def vectors_from_text(self, texts: tf.Tensor) -> tf.Tensor:
        """Vectors of items from their texts alone, float [M, E] to float32 [M, D], comparable to :meth:`item_vectors`.

        Raises:
          InputError: the model was made without texts.
        """
        raise InputError("This model knows items by their ids alone: train it with texts to place new items.")

    def analysis_tensors(self) -> dict[str, tf.Tensor]:
        """Weights worth looking at, by name; saved with the model for the analyses. None here."""
        return {}

    def _scaled(self, vectors: tf.Tensor) -> tf.Tensor:
        return tf.math.l2_normalize(vectors, axis=-1) if self.settings.normalize else vectors
