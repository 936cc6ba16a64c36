"""Canonical spelling of values (trainer/data/spelling.py) with core TensorFlow operations."""

import tensorflow as tf

from trainer.data.spelling import BLANKS, STEPS


def spelled_entries(entries: tf.Tensor) -> tf.Tensor:
    """:func:`trainer.data.spelling.spelled_entry` of each entry of a string tensor of any shape."""

    def rewritten() -> tf.Tensor:
        found = tf.strings.regex_replace(entries, rf"\A((?s:[^=]*)=)[{BLANKS}]+", r"\1")
        # Blanks behind a text without a value are part of it.
        found = tf.strings.regex_replace(found, rf"\A((?s:[^=]*=.*?))[{BLANKS}]+\z", r"\1")
        for pattern, replacement in STEPS:
            found = tf.strings.regex_replace(found, rf"\A((?s:[^=]*)=){pattern}\z", _behind_a_group(replacement))
        return found

    # Most requests filter by nothing.
    return tf.cond(tf.reduce_all(entries == ""), lambda: tf.identity(entries), rewritten)


def spelled_values(values: tf.Tensor) -> tf.Tensor:
    """:func:`trainer.data.spelling.spelled` of each value of a string tensor of any shape."""
    found = tf.strings.regex_replace(values, rf"\A[{BLANKS}]+|[{BLANKS}]+\z", "")
    for pattern, replacement in STEPS:
        found = tf.strings.regex_replace(found, rf"\A(?:{pattern})\z", replacement)
    return found


def _behind_a_group(replacement: str) -> str:
    return r"\1" + replacement.replace(r"\1", r"\2")
