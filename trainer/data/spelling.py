"""Canonical spelling of attribute and category values, for tables, requests and configurations.

Here as a function of text, for what is read and configured. trainer/data/spelling_in_graph.py has it in the graph, for
requests: any client of any TensorFlow Serving gets it.

- Blanks around a value go: ``red `` is ``red``.
- ``True``, ``TRUE`` and ``true`` are ``true``; the same of ``false``.
- A number has no plus sign, no zeros at the end of its fraction, and no fraction of zeros: ``1.0`` and ``+1`` are
  ``1``, ``1.50`` is ``1.5``, ``-0.0`` is ``0``. Zeros in front stay (``007`` is a code), and so do exponents.
- The seconds of a time have no zeros at the end either: ``2024-01-01 10:00:00.000000`` is ``2024-01-01 10:00:00``.

Any other text stays as it is.
"""

import re

BLANKS = "\t\n\v\f\r \x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""Within brackets of a pattern."""
_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}"
STEPS = (
    (r"\+([0-9]+(?:\.[0-9]*)?|\.[0-9]+)", r"\1"),
    (rf"(-?[0-9]+|{_TIME})\.0*", r"\1"),
    (rf"((?:-?[0-9]*|{_TIME})\.[0-9]*[1-9])0+", r"\1"),
    (r"-0", "0"),
    (r"[Tt][Rr][Uu][Ee]", "true"),
    (r"[Ff][Aa][Ll][Ss][Ee]", "false"),
)
"""What a whole value looks like, and what it becomes: in a syntax that Python and RE2 share."""
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in STEPS)
_OUTER = re.compile(rf"\A[{BLANKS}]+|[{BLANKS}]+\Z")


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
