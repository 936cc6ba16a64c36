"""One spelling of a value of an attribute or category: of a CSV, a Parquet file, a request or a configuration.

The same steps as a function of text, for what is read and configured, and of the graph, for requests: any client of any
TensorFlow Serving gets them.

- Blanks around a value go: ``red `` is ``red``.
- ``True``, ``TRUE`` and ``true`` are ``true``; the same of ``false``.
- A number has no plus sign, no zeros at the end of its fraction, and no fraction of zeros: ``1.0`` and ``+1`` are
  ``1``, ``1.50`` is ``1.5``, ``-0.0`` is ``0``. Zeros in front stay (``007`` is a code), and so do exponents.

Any other text stays as it is.
"""

import re

import tensorflow as tf

_BLANKS = "\t\n\v\f\r \x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_STEPS = (
    (r"\+([0-9]+(?:\.[0-9]*)?|\.[0-9]+)", r"\1"),
    (r"(-?[0-9]+)\.0*", r"\1"),
    (r"(-?[0-9]*\.[0-9]*[1-9])0+", r"\1"),
    (r"-0", "0"),
    (r"[Tt][Rr][Uu][Ee]", "true"),
    (r"[Ff][Aa][Ll][Ss][Ee]", "false"),
)
"""What a whole value looks like, and what it becomes: in a syntax that Python and RE2 share."""
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _STEPS)
_OUTER = re.compile(rf"\A[{_BLANKS}]+|[{_BLANKS}]+\Z")


def spelled(value: str) -> str:
    """The one spelling of a value."""
    value = _OUTER.sub("", value)
    for pattern, replacement in _COMPILED:
        if match := pattern.fullmatch(value):
            value = match.expand(replacement)
    return value


def spelled_entry(entry: bytes) -> bytes:
    """``attribute=value`` with the one spelling of the value; what has no value stays as it is."""
    name, equals, value = entry.partition(b"=")
    # A request may hold bytes that are no text; they stay what they are.
    return name + equals + spelled(value.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def spelled_entries(entries: tf.Tensor) -> tf.Tensor:
    """:func:`spelled_entry` in the graph, of a string tensor of any shape."""

    def rewritten() -> tf.Tensor:
        found = tf.strings.regex_replace(entries, rf"\A((?s:[^=]*)=)[{_BLANKS}]+", r"\1")
        # Blanks behind a text without a value are part of it.
        found = tf.strings.regex_replace(found, rf"\A((?s:[^=]*=.*?))[{_BLANKS}]+\z", r"\1")
        for pattern, replacement in _STEPS:
            found = tf.strings.regex_replace(found, rf"\A((?s:[^=]*)=){pattern}\z", _behind_a_group(replacement))
        return found

    # Most requests filter by nothing.
    return tf.cond(tf.reduce_all(entries == ""), lambda: tf.identity(entries), rewritten)


def _behind_a_group(replacement: str) -> str:
    return r"\1" + replacement.replace(r"\1", r"\2")
