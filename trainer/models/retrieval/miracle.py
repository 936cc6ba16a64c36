"""MIRACLE: interests by sparse capsules, over text-based items."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from pydantic import Field, model_validator

from trainer.data.catalogue import Catalogue
from trainer.errors import InputError
from trainer.keras_api import keras
from trainer.layers.history.masking import last_positions, prefix_mask
from trainer.layers.history.prefix_rows import prefixes_as_rows, rows_as_prefixes
from trainer.layers.history.transformer_encoder import TransformerEncoder
from trainer.layers.interests.sparse_capsule import Capsules, SparseCapsule
from trainer.layers.towers.added_loss import AddedLoss
from trainer.layers.towers.item_tower import ItemTower
from trainer.layers.towers.moe_adaptor import MoEAdaptor
from trainer.layers.towers.text_item_tower import TextItemTower
from trainer.losses.contrastive import contrastive_loss
from trainer.losses.load_balance import load_balance
from trainer.losses.orthogonality import OrthogonalityRegularizer
from trainer.models.registry import register
from trainer.models.retrieval.base import Encoding, RetrievalModel
from trainer.models.retrieval.settings import ModelSettings, Temperature

MIN_CONTRASTED = 5  # shorter histories are not masked


class MIRACLESettings(ModelSettings):
    """Settings of ``miracle``."""

    name: Literal["miracle"] = "miracle"
    num_interests: int = Field(
        32, ge=1, description="C: number of capsules; a user has those that the history activates."
    )
    normalize: bool = Field(False, description="L2-normalise vectors, so that scores are cosines.")
    temperature: Temperature = Field(
        0.1, description="Divisor of the scores in the loss; capsules are shorter than 1, so scores are small."
    )
    read_out: Literal["max", "mixture", "hard", "soft"] = Field(
        "max", description="How the interests score a candidate in training."
    )
    text: bool = Field(True, description="Make item vectors from texts, if the catalogue has text vectors.")
    item_ids: bool = Field(True, description="With texts: add an embedding per item (transductive).")
    base_model: str | None = Field(None, description="Folder of a pre-trained model to start from.")
    serve_cold_items: bool = Field(True, description="With texts: serve items that training never saw.")
    experts: int = Field(8, ge=1, description="G: experts of the adaptor from texts to items.")
    text_dropout: float = Field(0.2, ge=0, lt=1, description="Dropout of the text vectors.")
    attention: Literal["causal", "bidirectional"] = Field(
        "causal", description="Attend to earlier items, or to the whole prefix (bidirectional, much slower)."
    )
    positions: Literal["oldest", "newest"] = Field(
        "oldest", description="End that positions count from; newest, as released, is as slow as bidirectional."
    )
    encoder_layers: int = Field(2, ge=1, description="Transformer layers.")
    encoder_heads: int = Field(2, ge=1, description="Attention heads; must divide dimension.")
    encoder_hidden: int = Field(0, ge=0, description="Width of the Transformer's feed-forward layer; 0 means 4 D.")
    encoder_dropout: float = Field(0.2, ge=0, lt=1, description="Dropout inside the Transformer.")
    encoder_affine: bool = Field(
        False, description="Train gain and offset in the Transformer's layer norms, as in BERT."
    )
    position_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of the hidden layer of the position weights.")
    vote_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of the items' routing input, before its norm.")
    freeze_encoder: bool = Field(False, description="Freeze Transformer and position embeddings (fine-tuning).")
    routing_iterations: int = Field(3, ge=1, description="Routing iterations.")
    gate_noise: float = Field(0.2, ge=0, description="Relative noise of the activation in training.")
    position_activation: Literal["tanh", "leaky_relu"] = Field(
        "tanh", description="Activation of the position weights: of the paper (tanh), or of the released code."
    )
    agreement: Literal["projected", "encoded"] = Field(
        "projected", description="Item vector that routing compares with: q_i (projected) or h_i."
    )
    balance: float = Field(0.3, ge=0, description="theta 1: weight of the load-balancing loss of the capsules.")
    orthogonality: float = Field(
        0.01, ge=0, description="theta 2: weight of the orthogonality loss of the interest base."
    )
    contrast: float = Field(1e-3, ge=0, description="theta 3: weight of the contrastive loss with a masked history.")
    contrast_temperature: float = Field(1.0, gt=0, description="Temperature of the contrastive loss.")
    masked_share: float = Field(0.2, gt=0, lt=1, description="Fraction of the items masked for the contrastive loss.")

    @model_validator(mode="after")
    def _divisible(self) -> "MIRACLESettings":
        if self.dimension % self.encoder_heads:
            raise ValueError(
                f"dimension ({self.dimension}) should be a multiple of encoder_heads ({self.encoder_heads})."
            )
        return self

    def most_interests(self, max_history: int) -> None:
        """No bound: capsules are a pool that all users share, and each activates a few of it."""
        return None


@register("miracle")
class MIRACLE(RetrievalModel):
    """Interests as capsules that a history activates, over items known by their texts.

    As released: the recipes in docs/models/miracle.md. Without vectors of texts in the catalogue an item is its
    embedding.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network", SIGIR 2023.
    """

    settings_class = MIRACLESettings
    paper = "Tang et al., SIGIR 2023"
    settings: MIRACLESettings

    def __init__(self, settings: MIRACLESettings, catalogue: Catalogue, *args: Any, **kwargs: Any) -> None:
        super().__init__(settings, catalogue, *args, **kwargs)
        self._text_width: int | None = None
        self.text_adaptor: MoEAdaptor | None = None
        if settings.text and catalogue.text_vectors is not None:
            self._text_width = int(catalogue.text_vectors.shape[1])
            self.text_adaptor = MoEAdaptor(
                settings.dimension, settings.experts, settings.text_dropout, self.seed, name="adaptor"
            )
            own = self.item_tower if settings.item_ids else None
            self.item_tower = TextItemTower(
                *(self.num_items, self._text_width, self.text_adaptor, own, catalogue.text_vectors),
                name="text_item_tower",
            )
        elif not settings.item_ids:
            raise InputError(
                "model.item_ids: false leaves an item nothing but its text, and there are no vectors of texts here. "
                "Set it to true, or give the items texts and model.text: true."
            )
        self.encoder = TransformerEncoder(
            self.max_history,
            settings.encoder_layers,
            settings.encoder_heads,
            settings.encoder_hidden or 4 * settings.dimension,
            settings.encoder_dropout,
            causal=settings.attention == "causal",
            affine=settings.encoder_affine,
            seed=self.seed,
            newest=settings.positions == "newest",
            name="encoder",
        )
        self.encoder.trainable = not settings.freeze_encoder
        self.capsules = SparseCapsule(
            settings.num_interests,
            self.max_history,
            settings.routing_iterations,
            settings.gate_noise,
            settings.position_activation,
            settings.agreement,
            OrthogonalityRegularizer(settings.orthogonality) if settings.orthogonality else None,
            self.seed,
            newest=settings.positions == "newest",
            position_dropout=settings.position_dropout,
            vote_dropout=settings.vote_dropout,
            name="capsules",
        )
        self.added_loss = AddedLoss(name="added_loss")

    def extract(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Encoding:
        """See the base class."""
        if self._one_encoding:
            found = self._capsules(items, history_mask, queries, bias, training)
            gates = found.gates[:, tf.newaxis]
        else:
            found, gates = self._by_prefix(items, history_mask, queries, bias, training)
        if training and (self.settings.balance or self.settings.contrast):
            self.added_loss(self._side_losses(items, history_mask, queries, bias, found, gates))
        return Encoding(found.interests, found.active, found.attribution)

    @property
    def _one_encoding(self) -> bool:
        """Whether an item is encoded alike in all prefixes it is in: it sees neither later items nor their number."""
        return self.encoder.causal and not self.encoder.newest

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """See the base class; balance, contrast and orthogonality are in ``losses``, as Keras has it."""
        tower = self.item_tower
        with tower.noise(training) if isinstance(tower, TextItemTower) else nullcontext():
            return super().compute_loss(inputs, training)

    def target_losses(self, interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See the base class, which scores every capsule: here only as many as the busiest user of the batch has."""
        most = tf.reduce_max(tf.reduce_sum(tf.cast(interest_mask, tf.int32), axis=1))
        first = tf.argsort(tf.cast(interest_mask, tf.int32), axis=1, direction="DESCENDING", stable=True)
        chosen = first[:, : tf.maximum(most, 1)]
        return super().target_losses(
            tf.gather(interests, chosen, batch_dims=1), tf.gather(interest_mask, chosen, batch_dims=1), targets
        )

    @property
    def text_width(self) -> int | None:
        """See the base class."""
        return self._text_width

    def vectors_from_text(self, texts: tf.Tensor) -> tf.Tensor:
        """See the base class; the texts are vectors by the text encoder of training."""
        if self.text_adaptor is None:
            return super().vectors_from_text(texts)
        return tf.cast(self._scaled(self.text_adaptor(texts, training=False)), tf.float32)

    def place_new_items(self, catalogue: Catalogue) -> Catalogue:
        """See the base class: items with a text become items N .. N + M - 1, in histories and as candidates.

        The vectors of all items are computed once and from then on looked up, which is quicker to serve; the model
        cannot be trained further.
        """
        tower, chunk = self.item_tower, 65_536
        if not isinstance(tower, TextItemTower) or catalogue.text_vectors is None:
            return catalogue
        served = catalogue.with_new_items() if self.settings.serve_cold_items else catalogue
        known, texts = self.num_items, np.asarray(served.text_vectors)
        vectors = [tower(tf.range(start, min(start + chunk, known))) for start in range(0, known, chunk)]
        vectors += [tower.from_text(texts[start : start + chunk]) for start in range(known, served.size, chunk)]
        self.num_items = served.size
        self.item_tower = ItemTower(served.size, self.settings.dimension, dtype=tower.dtype_policy, name="placed_items")
        self.item_tower.build(None)
        self.item_tower.embeddings.assign(tf.cast(tf.concat(vectors, axis=0), tf.float32))
        return served

    def shared_parts(self) -> dict[str, keras.layers.Layer]:
        """The layers that know nothing of particular items or users: what pre-training leaves to fine-tuning."""
        parts = {
            "encoder": self.encoder,
            "capsules": self.capsules,
            "adaptor": self.text_adaptor,
            "recency": self.recency,
            "context": self.context,
            "projection": self.projection if self.profile is None else None,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _capsules(
        self, items: tf.Tensor, mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> Capsules:
        return self.capsules(self.encoder(items, mask, training=training), mask, queries, bias, training=training)

    def _by_prefix(
        self, items: tf.Tensor, mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> tuple[Capsules, tf.Tensor]:
        """Each queried prefix as a row of its own; also the gates [B, Q, T, C]."""
        rows, present, bias = prefixes_as_rows(items, mask, queries, bias)
        found = self._capsules(rows, present, last_positions(present), bias, training)
        interests, active, attribution, gates = (
            rows_as_prefixes(values, tf.shape(queries)[1])
            for values in (found.interests, found.active, found.attribution, found.gates[:, tf.newaxis])
        )
        return Capsules(interests, active, attribution, found.gates), gates

    def _side_losses(
        self, items: tf.Tensor, mask: tf.Tensor, queries: tf.Tensor, bias: Any, found: Capsules, gates: tf.Tensor
    ) -> tf.Tensor:
        """Balance and contrast, weighted. ``gates`` [B, 1 or Q, T, C]."""
        last = last_positions(mask)
        real = queries <= last
        loss = tf.constant(0.0)
        if self.settings.balance:
            counted = tf.cast(mask, tf.bool)[:, tf.newaxis]
            if not self._one_encoding:
                counted = tf.logical_and(prefix_mask(mask, queries), real[..., tf.newaxis])
            loss += self.settings.balance * load_balance(gates, counted)
        if self.settings.contrast:
            place = tf.argmax(tf.where(real, queries, -1), axis=1, output_type=tf.int32)
            loss += self.settings.contrast * self._contrast(items, mask, queries, bias, found, gates, place)
        return loss

    def _contrast(
        self,
        items: tf.Tensor,
        mask: tf.Tensor,
        queries: tf.Tensor,
        bias: tf.Tensor | None,
        found: Capsules,
        gates: tf.Tensor,
        place: tf.Tensor,
    ) -> tf.Tensor:
        """The capsules that items activate against those same capsules with the items masked.

        ``place`` [B] is the number of each row's longest queried prefix, the one that is masked.
        """
        each = tf.broadcast_to(queries, [tf.shape(items)[0], tf.shape(queries)[1]])
        query = tf.gather(each, place[:, tf.newaxis], batch_dims=1)
        present = prefix_mask(mask, query)[:, 0]
        long = tf.reduce_sum(tf.cast(present, tf.int32), axis=1, keepdims=True) >= MIN_CONTRASTED
        drawn = tf.random.uniform(tf.shape(present), seed=self.seed) < self.settings.masked_share
        hidden = drawn & present & long & (tf.range(tf.shape(present)[1]) < query)
        if bias is not None:
            bias = (tf.gather(bias[0], place) if bias.shape[0] == 1 else tf.gather(bias, place, batch_dims=1))[:, None]
        active = tf.gather(found.active, place, batch_dims=1)[:, tf.newaxis]
        encoded = self.encoder(items, present, hidden, training=True)
        after = self.capsules(encoded, present, query, bias, active, training=True).interests[:, 0]
        before = tf.gather(found.interests, place, batch_dims=1)
        chosen = tf.gather(gates, tf.minimum(place, tf.shape(gates)[1] - 1), batch_dims=1)
        places = tf.where(hidden)
        pairs = tf.stack([places[:, 0], tf.gather_nd(tf.argmax(chosen, axis=-1), places)], axis=1)
        groups = pairs[:, 0] * self.settings.num_interests + pairs[:, 1]
        return contrastive_loss(
            tf.gather_nd(before, pairs), tf.gather_nd(after, pairs), groups, self.settings.contrast_temperature
        )
