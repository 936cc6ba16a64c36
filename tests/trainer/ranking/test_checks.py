import pytest
import tensorflow as tf

from trainer.ranking.checks import Check, assert_all


@tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32)])
def accepted(rows, width):
    checks = [
        Check(rows > 0, lambda: ["rows should be above 0. Received:", rows]),
        Check(width < 10, lambda: ["width should be below 10. Received:", width]),
    ]
    with tf.control_dependencies([assert_all(checks)]):
        return rows * width


def test_what_holds_passes():
    assert accepted(3, 4) == 12


@pytest.mark.parametrize(
    ("rows", "width", "words"),
    [(0, 4, "rows should be above 0. Received:.*0"), (3, 11, "width should be.*11"), (-1, 11, "rows should be.*-1")],
)
def test_the_first_that_does_not_hold_is_told(rows, width, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){words}"):
        accepted(rows, width)
