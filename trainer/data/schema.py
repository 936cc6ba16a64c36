"""The owner of all feature names: what a tf.Example holds, and what Transform makes of it.

One raw example is one user (evaluation) or one window of a user's sequence (training):

* ``history``: bytes list, item ids, oldest first;
* ``history_time``: int64 list, seconds, aligned with ``history``;
* ``targets``: bytes list. In training the last ``m`` positions of ``history`` have one target each,
  aligned from the right: ``targets[m - 1]`` is the item that followed ``history[n - 1]``. In
  evaluation it is the set of held-out items;
* ``history_overlap``: int64, how many leading items of ``history`` an earlier training window of the
  same user already holds (so that frequencies are counted once);
* ``user_id`` and ``history_bucket``: bytes, for reports and slices;
* ``user_<name>``: bytes list or float list, the profile features of the users' table.

With labels (``data.labels``) one raw example is one impression in evaluation. In training it is a run of
impressions of a user between which the history did not change:

* ``item``: bytes list, the items that were shown;
* ``label_<task>``: float list aligned with it, 1 where the user did it and 0 where not; ``weight_<task>``: 1
  where the label counts and 0 where it is unknown or of no meaning;
* ``history`` and ``history_time``: the items of the user's earlier events with the first label; in
  evaluation, those before the part that is held out;
* ``targets``: in evaluation, in the first held-out example of each user, the items of all held-out events
  with the first label; empty in all other examples;
* ``history_bucket``, ``user_id`` and ``user_<name>`` as above.

One item example is one row of the catalogue: ``item_id``, ``category`` (bytes list, coarse to fine), ``tags``
(bytes list, in no order), ``attributes`` (bytes list of ``name=value``), ``title`` and ``text`` (bytes). The vector of
an item's text is an example of its own: ``item_id`` and ``text_vector`` (E floats).
"""

import re

USER_ID = "user_id"
HISTORY = "history"
HISTORY_TIME = "history_time"
HISTORY_OVERLAP = "history_overlap"
HISTORY_BUCKET = "history_bucket"
TARGETS = "targets"
USER_PREFIX = "user_"
ITEM = "item"

ITEM_ID = "item_id"
CATEGORY = "category"
TAGS = "tags"
ATTRIBUTES = "attributes"
TITLE = "title"
TEXT = "text"
TEXT_VECTOR = "text_vector"

HISTORY_MASK = "history_mask"
HISTORY_GAP = "history_gap"
USER = "user"
TARGET_WEIGHT = "target_weight"

TRAIN_SPLIT = "train"
VALID_SPLIT = "valid"
TEST_SPLIT = "test"

ITEM_VOCABULARY = "item_id"

HISTORY_BUCKETS = ((0, "000"), (1, "001-004"), (5, "005-009"), (10, "010-019"), (20, "020-049"), (50, "050+"))
"""Lower bound of a history's length and the name of its slice, ascending; only an impression's may be empty."""


LONGEST_USER_FEATURE = 200
"""Characters of a feature's name: Transform names a vocabulary file after it, and adds some of its own."""

# An underscore that would read as the beginning of an escape is escaped itself, so that no two names meet.
_ESCAPED = re.compile(r"[^A-Za-z0-9_]|_(?=x[0-9A-F]{4})")


def user_feature(name: str) -> str:
    """The feature of the profile column ``name``, raw and transformed, and the input of that name when served.

    Weights, tensors and inputs of a SavedModel can be named by ASCII letters, digits and underscores alone. Any other
    character is written as in SQL/XML (ISO/IEC 9075-14): its code point in hexadecimal digits, at least four, between
    ``_x`` and ``_``. ``Age Group`` is ``user_Age_x0020_Group``; serving/bundle/signatures.py reads it back.

    Raises:
      ValueError: the name is empty or too long, or would collide with the feature of the user's id.
    """
    if name == "id":
        raise ValueError("A profile feature cannot be named 'id': 'user_id' is the user's id. Rename the column.")
    if not name:
        raise ValueError("A profile feature needs a name, and one of the columns has none. Name it.")
    feature = USER_PREFIX + _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", name)
    if len(feature) > LONGEST_USER_FEATURE:
        raise ValueError(
            f"The profile feature {name[:40]!r}... is too long: it would be named by {len(feature)} characters "
            f"(others than ASCII letters, digits and _ take 7 and more), and {LONGEST_USER_FEATURE} are possible. "
            "Shorten the column's name."
        )
    return feature


def label_feature(task: str) -> str:
    """The feature of a task's label: 1 or 0."""
    return f"label_{task}"


def weight_feature(task: str) -> str:
    """The feature that says whether a task's label counts: 1 or 0."""
    return f"weight_{task}"
