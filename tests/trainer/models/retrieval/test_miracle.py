import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainer.data.catalogue import Catalogue, NewItems
from trainer.data.sequences import one_prefix_a_row
from trainer.errors import InputError
from trainer.losses.contrastive import contrastive_loss
from trainer.losses.orthogonality import orthogonality
from trainer.models import registry
from trainer.models.retrieval import miracle
from trainer.training.lazy_adam import LazyAdam

N, T, E, D = 40, 7, 10, 6
RANDOM = np.random.default_rng(0)
LENGTHS = (7, 3, 1, 6)
MASK = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
PLAIN = Catalogue([b"%d" % item for item in range(N)], np.arange(N, 0, -1), np.zeros((N, 0), np.int32), [])
TEXTS = RANDOM.normal(size=(N, E)).astype(np.float32)
WITH_TEXTS = dataclasses.replace(PLAIN, text_vectors=TEXTS)
BATCH = {
    "history": tf.constant(RANDOM.integers(1, N + 1, size=(4, T)) * MASK, tf.int64),
    "history_mask": tf.constant(MASK, tf.int64),
    "history_gap": tf.constant(RANDOM.uniform(0, 9, size=(4, T)) * MASK, tf.float32),
    "targets": tf.constant(RANDOM.integers(1, N + 1, size=(4, T)) * MASK, tf.int64),
}
NO_DROPOUT = {"dropout": 0.0, "text_dropout": 0.0, "encoder_dropout": 0.0}


def _model(catalogue=WITH_TEXTS, **options):
    """Untrained weights with some noise, so that users have several capsules and nothing is zero."""
    settings = registry.settings_class("miracle")(dimension=D, **{"num_interests": 8, "experts": 3, **options})
    model = registry.get("miracle")(settings, catalogue, T)
    model.compute_loss(BATCH)
    random = np.random.default_rng(1)
    for weights in model.trainable_weights:
        weights.assign_add(random.normal(scale=0.2, size=weights.shape))
    return model


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    ("catalogue", "options"),
    [
        (WITH_TEXTS, {"time_decay": True}),
        (WITH_TEXTS, {"item_ids": False, "recency": False}),
        (PLAIN, {}),
        (PLAIN, {"positions": "newest"}),
    ],
    ids=["transductive", "inductive", "ids", "newest"],
)
def test_all_prefixes_are_the_prefixes_one_by_one(catalogue, options, attention):
    model = _model(catalogue, attention=attention, **options)
    rows, wanted = one_prefix_a_row(BATCH), BATCH["targets"] > 0
    together, single = model.encode_all_prefixes(BATCH), model.encode_last(rows)
    assert together.interests.shape == (4, T, 8, D)
    for many, one in zip(together, single, strict=True):
        np.testing.assert_allclose(
            np.float32(tf.boolean_mask(many, wanted)), np.float32(one[:, 0]), rtol=1e-3, atol=1e-5
        )
    np.testing.assert_allclose(model.compute_loss(BATCH), model.compute_loss(rows), rtol=1e-4)
    assert tf.reduce_max(tf.reduce_sum(tf.cast(together.interest_mask, tf.int32), axis=2)) > 1


def test_attention_changes_what_a_prefix_says():
    causal, both = _model(), _model(attention="bidirectional")
    both.set_weights(causal.get_weights())
    apart = np.abs(causal.encode_last(BATCH).interests - both.encode_last(BATCH).interests).max(axis=(1, 2, 3))
    assert apart[0] > 1e-3
    assert apart[2] < 1e-5  # of one item there is nothing to see but itself


def test_positions_from_the_newest_pad_in_front():
    """A history of 3 among T = 7 is what a model of T = 3, with the last 3 positions, makes of it."""
    model = _model(PLAIN, attention="bidirectional", positions="newest", recency=False)
    settings = registry.settings_class("miracle")(
        dimension=D, num_interests=8, attention="bidirectional", positions="oldest", recency=False
    )
    short = registry.get("miracle")(settings, PLAIN, 3)
    few = {name: values[1:2, :3] for name, values in BATCH.items()}
    short.compute_loss(few)
    for mine, theirs in zip(short.weights, model.weights, strict=True):
        kept = theirs.numpy()
        if mine.shape != theirs.shape:
            kept = np.concatenate([kept[:1], kept[-3:]]) if mine.shape[0] == 4 else kept[-3:]
        mine.assign(kept)
    expected, found = short.encode_last(few), model.encode_last(BATCH)
    np.testing.assert_array_equal(found.interest_mask[1], expected.interest_mask[0])
    np.testing.assert_allclose(found.interests[1], expected.interests[0], rtol=1e-4, atol=1e-5)
    oldest = _model(PLAIN, attention="bidirectional", recency=False)
    oldest.set_weights(model.get_weights())
    assert np.abs(oldest.encode_last(BATCH).interests[1] - found.interests[1]).max() > 1e-3
    np.testing.assert_allclose(oldest.encode_last(BATCH).interests[0], found.interests[0], rtol=1e-4, atol=1e-5)


def test_what_is_behind_the_mask_changes_nothing():
    model = _model()
    other = {**BATCH, "history": BATCH["history"] + 5 * (1 - BATCH["history_mask"])}
    for one, two in zip(model.encode_last(BATCH), model.encode_last(other), strict=True):
        np.testing.assert_allclose(np.float32(one), np.float32(two), rtol=1e-5, atol=1e-6)


def test_a_text_alone_is_scored_as_the_item_is():
    inductive = _model(item_ids=False)
    np.testing.assert_allclose(inductive.vectors_from_text(TEXTS), inductive.item_vectors(), rtol=1e-4, atol=1e-5)
    interests = inductive.encode_last(BATCH).interests[:, 0]
    for chosen in (0, 17):
        known = tf.einsum("bkd,d->bk", interests, inductive.item_vectors()[chosen])
        unseen = tf.einsum("bkd,d->bk", interests, inductive.vectors_from_text(TEXTS[chosen : chosen + 1])[0])
        np.testing.assert_allclose(known, unseen, rtol=1e-4, atol=1e-5)
    transductive = _model()
    own = transductive.item_tower.embeddings(tf.range(N))
    np.testing.assert_allclose(
        transductive.vectors_from_text(TEXTS) + own, transductive.item_vectors(), rtol=1e-4, atol=1e-5
    )
    unit = _model(item_ids=False, normalize=True).vectors_from_text(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), np.ones(N), rtol=1e-5)


def test_without_texts_an_item_is_its_embedding():
    for model in (_model(PLAIN), _model(WITH_TEXTS, text=False)):
        np.testing.assert_array_equal(model.item_vectors(), model.item_tower.embeddings)
        with pytest.raises(InputError, match="train it with texts"):
            model.vectors_from_text(TEXTS)
    with pytest.raises(InputError, match=r"model\.item_ids"):
        _model(PLAIN, item_ids=False)


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "causal"},
        {"attention": "bidirectional"},
        {"attention": "causal", "positions": "newest", "position_dropout": 0.1, "vote_dropout": 0.1},
    ],
    ids=["causal", "bidirectional", "newest"],
)
def test_training_reaches_every_weight_and_touches_rows(options):
    model = _model(masked_share=0.9, **options)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(BATCH, training=True) + sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_weights)
    for weights, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weights.name
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name
    by_name = {weights.name: gradient for weights, gradient in zip(model.trainable_weights, gradients, strict=True)}
    assert np.abs(by_name["encoder/positions:0"][0]).max() > 0  # the mask's vector
    own = next(gradient for name, gradient in by_name.items() if name.endswith("item_tower/embeddings:0"))
    assert isinstance(own, tf.IndexedSlices)


def test_losses_of_a_training_step(monkeypatch):
    """Balance from the items' gates and the orthogonality of the base; nothing is masked, so no contrast."""
    quiet = {"gate_noise": 0.0, "balance": 3.0, "orthogonality": 0.5, **NO_DROPOUT}
    model = _model(PLAIN, masked_share=1e-9, **quiet)
    assert len(model.losses) == 1  # the orthogonality, which is of the weights alone
    monkeypatch.setattr(tf.random, "normal", lambda shape, seed=None: tf.zeros(shape))
    model.compute_loss(BATCH, training=True)
    encoded = model.encoder(model.item_tower(tf.maximum(BATCH["history"] - 1, 0)), MASK).numpy()[MASK > 0]
    gates = encoded @ model.capsules.base.numpy().T
    probability = np.exp(gates) / np.exp(gates).sum(axis=1, keepdims=True)
    share = np.bincount(gates.argmax(axis=1), minlength=8) / len(gates)
    expected = [3.0 * 8 * (share * probability.mean(axis=0)).sum(), 0.5 * orthogonality(model.capsules.base)]
    np.testing.assert_allclose(sorted(map(float, model.losses)), sorted(expected), rtol=1e-3)


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_contrast_of_whole_histories(attention, monkeypatch):
    """Everything but the last item is masked in the histories of 7 and 6 items; those of 3 and 1 are left alone."""
    seen = {}

    def record(before, after, groups, temperature):
        seen.update(before=before, after=after, groups=groups)
        return contrastive_loss(before, after, groups, temperature)

    monkeypatch.setattr(miracle, "contrastive_loss", record)
    quiet = {"gate_noise": 0.0, "masked_share": 1 - 1e-7, "recency": False, **NO_DROPOUT}
    model = _model(PLAIN, attention=attention, **quiet)
    monkeypatch.setattr(tf.random, "normal", lambda shape, seed=None: tf.zeros(shape))
    model.compute_loss(BATCH, training=True)
    assert seen["groups"].shape == (6 + 5,)
    items = model.item_tower(tf.maximum(BATCH["history"] - 1, 0)) * MASK[:, :, np.newaxis]
    row = 0
    for user, length in ((0, 7), (3, 6)):
        own, mask, query = items[user : user + 1], MASK[user : user + 1], tf.constant([[length - 1]])
        found = model.capsules(model.encoder(own, mask), mask, query)
        hidden = tf.range(T)[tf.newaxis] < length - 1
        after = model.capsules(model.encoder(own, mask, hidden), mask, query, active=found.active)
        for position in range(length - 1):
            capsule = int(np.argmax(found.gates[0, position]))
            assert int(seen["groups"][row]) == user * 8 + capsule
            np.testing.assert_allclose(seen["before"][row], found.interests[0, 0, capsule], rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(seen["after"][row], after.interests[0, 0, capsule], rtol=1e-3, atol=1e-5)
            row += 1


def test_a_frozen_encoder_stays_while_the_rest_learns():
    model = _model(freeze_encoder=True)
    assert not model.encoder.trainable_weights
    before = [weights.numpy() for weights in model.encoder.weights], model.capsules.base.numpy()
    model.compile(optimizer=LazyAdam(0.1))
    metrics = tf.function(model.train_step)(BATCH)
    assert np.isfinite(metrics["total_loss"])
    for old, new in zip(before[0], model.encoder.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(before[1] - model.capsules.base).max() > 0.01


def test_parts_move_to_a_model_of_other_items(tmp_path):
    """Pre-trained on one catalogue by texts alone, restored into a transductive model of a smaller one."""
    source, texts = _model(item_ids=False), TEXTS[:12]
    path = tf.train.Checkpoint(**source.shared_parts()).save(str(tmp_path / "parts"))
    other = Catalogue(PLAIN.ids[:12], PLAIN.counts[:12], PLAIN.categories[:12], [], texts)
    settings = registry.settings_class("miracle")(dimension=D, num_interests=8, experts=3, freeze_encoder=True)
    target = registry.get("miracle")(settings, other, T)
    few = {**BATCH, "history": tf.minimum(BATCH["history"], 12), "targets": tf.minimum(BATCH["targets"], 12)}
    target.compute_loss(few)
    tf.train.Checkpoint(**target.shared_parts()).restore(path).assert_consumed()
    np.testing.assert_allclose(target.vectors_from_text(texts), source.vectors_from_text(texts), rtol=1e-5)
    target.item_tower.embeddings.embeddings.assign(np.zeros((12, D)))
    np.testing.assert_allclose(target.encode_last(few).interests, source.encode_last(few).interests, rtol=1e-4)


def test_save_and_load(tmp_path):
    model = _model()
    module = tf.Module()
    module.model = model
    module.encode = tf.function(lambda features: model.encode_last(features).interests)
    expected = module.encode(BATCH)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.encode(BATCH), expected, rtol=1e-5, atol=1e-6)


def test_bad_settings():
    with pytest.raises(ValueError, match="multiple of encoder_heads"):
        registry.settings_class("miracle")(dimension=7)


@pytest.mark.parametrize("item_ids", [True, False])
def test_placed_items_are_known_as_those_of_training_are(item_ids):
    random = np.random.default_rng(5)
    texts = random.normal(size=(3, E)).astype(np.float32)
    new = NewItems([b"x", b"y", b"z"], texts, np.zeros((3, 0), np.int32))
    catalogue = dataclasses.replace(WITH_TEXTS, new_items=new)
    model = _model(catalogue, item_ids=item_ids, normalize=True)
    before, placed, encoded = model.item_vectors(), model.vectors_from_text(texts), model.encode_last(BATCH)
    served = model.place_new_items(catalogue)
    assert served.size == N + 3 and list(served.ids[-3:]) == [b"x", b"y", b"z"]
    np.testing.assert_allclose(model.item_vectors(), np.concatenate([before, placed]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.encode_last(BATCH).interests, encoded.interests, rtol=1e-3, atol=1e-5)
    last = np.where(np.arange(T) == MASK.sum(axis=1, keepdims=True) - 1, N + 3, BATCH["history"])
    with_new = model.encode_last({**BATCH, "history": tf.constant(last)})
    assert np.abs(with_new.interests - encoded.interests).max() > 1e-3


def test_only_texts_place_new_items():
    new = NewItems([b"x"], TEXTS[:1], np.zeros((1, 0), np.int32))
    catalogue = dataclasses.replace(WITH_TEXTS, new_items=new)
    assert _model(catalogue, text=False).place_new_items(catalogue) is catalogue
    assert _model(catalogue, serve_cold_items=False).place_new_items(catalogue).size == N
