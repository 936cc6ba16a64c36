import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.tags.field_embeddings import Field
from trainer.layers.tags.tag_attention import TagAttention

LOG_3 = np.log(3.0)


def _layer() -> TagAttention:
    """Two heads that look at one component each; ReLU of the values themselves."""
    layer = TagAttention(2, ["b"])
    fields = {"a": Field(tf.zeros([1, 2, 2]), tf.ones([1, 2])), "b": Field(tf.zeros([1, 1, 2]), tf.ones([1, 1]))}
    layer(fields)
    layer.queries.assign([[1, 0], [0, 1]])
    for dense in (layer.inside["a"], layer.across):
        dense.kernel.assign(np.eye(2))
    return layer


def _fields(values, counts, single, present) -> dict[str, Field]:
    return {
        "a": Field(tf.constant([values], tf.float32), tf.constant([counts], tf.float32)),
        "b": Field(tf.constant([[single]], tf.float32), tf.constant([[present]], tf.float32)),
    }


def test_inside_and_across_by_hand():
    """Inside: weights 3/4 and 1/4 for the first head, halves for the second; across, the merged ones once more."""
    x = _layer()(_fields([[LOG_3, 0.0], [0.0, 0.0]], [1, 1], [0.0, 5.0], 1.0))
    first = np.array([0.75 * LOG_3, 0.0])
    weight = np.exp(first[0]) / (np.exp(first[0]) + 1)
    expected_1 = weight * first + (1 - weight) * np.array([0, 5])
    second = np.array([0.5 * LOG_3, 0.0])
    weight = 1 / (1 + np.exp(5))
    expected_2 = weight * second + (1 - weight) * np.array([0, 5])
    np.testing.assert_allclose(x, [[*expected_1, *expected_2]], rtol=1e-5)


def test_a_count_is_as_many_values():
    values = [[LOG_3, 1.0], [0.5, 2.0]]
    counted = _layer()(_fields(values, [3, 1], [1.0, 1.0], 1.0))
    repeated = _layer()(_fields([values[0], values[1], values[0], values[0]], [1, 1, 1, 1], [1.0, 1.0], 1.0))
    np.testing.assert_allclose(counted, repeated, rtol=1e-5)


def test_an_absent_field_has_no_weight():
    only = _layer()(_fields([[LOG_3, 0.0], [0.0, 0.0]], [1, 1], [0.0, 5.0], 0.0))
    np.testing.assert_allclose(only, [[0.75 * LOG_3, 0, 0.5 * LOG_3, 0]], rtol=1e-5)
    np.testing.assert_array_equal(_layer()(_fields([[9, 9], [9, 9]], [0, 0], [0.0, 5.0], 0.0)), [[0, 0, 0, 0]])


def test_config_and_bad_arguments():
    check_config_round_trip(TagAttention(3, ["age"]))
    with pytest.raises(ValueError, match="Received: 0"):
        TagAttention(0)
