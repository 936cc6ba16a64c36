"""What every retrieval model says of a history."""

import numpy as np
import tensorflow as tf

from tests.conformance.models import B, D, N, T, batch
from trainer.data.sequences import one_prefix_a_row


def test_shapes(encoder):
    k, width = encoder.served_interests, encoder.vector_width
    assert width == D + encoder.constant_components
    encoding = encoder.encode_last(batch())
    assert encoding.interests.shape == (B, 1, k, width)
    assert encoding.interest_mask.shape == (B, 1, k) and encoding.interest_mask.dtype == tf.bool
    assert encoding.attribution.shape == (B, 1, k, T)
    assert encoder.encode_all_prefixes(batch()).interests.shape == (B, T, k, width)
    assert encoder.item_vectors().shape == (N, width)
    constant = encoder.item_vectors().numpy()[:, D:]
    np.testing.assert_array_equal(constant, np.ones_like(constant))
    np.testing.assert_allclose(encoder.item_vectors(chunk=7), encoder.item_vectors(), rtol=1e-5, atol=1e-6)


def test_what_is_behind_the_mask_changes_nothing(encoder):
    given = batch()
    hidden = 1 - given["history_mask"]
    other = {
        **given,
        "history": given["history"] + 9 * hidden,
        "history_gap": given["history_gap"] + tf.cast(hidden, tf.float32),
    }
    for one, two in zip(encoder.encode_last(given), encoder.encode_last(other), strict=True):
        np.testing.assert_allclose(np.float32(one), np.float32(two), rtol=1e-5, atol=1e-6)


def test_more_padding_changes_nothing(encoder):
    """The rows at half the width."""
    given = batch()
    narrow = {
        name: value[1:, :4] if name in ("history", "history_mask", "history_gap") else value[1:]
        for name, value in given.items()
    }
    wide = encoder.encode_last(given).interests[1:]
    np.testing.assert_allclose(encoder.encode_last(narrow).interests, wide, rtol=1e-5, atol=1e-6)


def test_other_rows_change_nothing(encoder):
    given = batch()
    other = {name: tf.concat([tf.reverse(value[:1], [-1]), value[1:2], value[:1]], 0) for name, value in given.items()}
    alone = {name: value[1:2] for name, value in given.items()}
    expected = [np.float32(part[0]) for part in encoder.encode_last(alone)]
    for rows in (given, other):
        for one, part in zip(expected, encoder.encode_last(rows), strict=True):
            np.testing.assert_allclose(np.float32(part[1]), one, rtol=1e-5, atol=1e-6)


def test_serving_is_deterministic(encoder):
    for one, two in zip(encoder.encode_last(batch()), encoder.encode_last(batch()), strict=True):
        np.testing.assert_array_equal(one, two)


def test_all_prefixes_are_the_prefixes_one_by_one(encoder):
    given = batch()
    rows = one_prefix_a_row(given)
    wanted = given["targets"] > 0
    together, single = encoder.encode_all_prefixes(given), encoder.encode_last(rows)
    for many, one in zip(together, single, strict=True):
        np.testing.assert_allclose(
            np.float32(tf.boolean_mask(many, wanted)), np.float32(one[:, 0]), rtol=1e-4, atol=1e-5
        )


def test_a_history_of_one_item(encoder):
    """Some interest is in use, and what is in use comes from that item."""
    encoding = encoder.encode_last({name: value[2:] for name, value in batch().items()})
    active = encoding.interest_mask[0, 0].numpy()
    assert active.any()
    assert np.isfinite(encoding.interests).all() and (np.abs(encoding.interests[0, 0][active]).max(axis=-1) > 0).all()
    attribution = encoding.attribution[0, 0].numpy()
    assert attribution[active, 0].max() > 0
    np.testing.assert_array_equal(attribution[:, 1:], np.zeros_like(attribution[:, 1:]))


def test_an_empty_history_is_finite(encoder):
    given = {name: tf.zeros_like(value) for name, value in batch().items()}
    encoding = encoder.encode_last(given)
    assert np.isfinite(encoding.interests).all()
    np.testing.assert_array_equal(encoding.attribution, np.zeros_like(encoding.attribution))
    assert float(encoder.compute_loss(given)) == 0
