"""Names of signatures and inputs, importable without TensorFlow."""

from __future__ import annotations

import re

RECOMMEND = "recommend"
SERVING_DEFAULT = "serving_default"
USER_INTERESTS = "user_interests"
EXPLAIN = "explain"
TAG_PROFILE = "tag_profile"
TAG_SCORES = "tag_scores"

UNMATCHED_FILTERS = "unmatched_filters"
"""Output of ``recommend``: the values of its filters that no item has."""
USER_PREFIX = "user_"

_ESCAPE = re.compile(r"_x([0-9A-F]{4,6})_")


def profile_feature(input_name: str) -> str | None:
    """The profile feature, as its column spells it, that a signature's input is for; None for any other input.

    Undoes ``user_feature`` of trainer/data/schema.py: ``user_Age_x0020_Group`` is for ``Age Group``.
    """
    if not input_name.startswith(USER_PREFIX):
        return None
    return _ESCAPE.sub(_character, input_name[len(USER_PREFIX) :])


def _character(escape: re.Match[str]) -> str:
    number = int(escape[1], 16)
    # A bundle of before the escapes may have such a name by chance.
    return chr(number) if number <= 0x10FFFF else escape[0]
