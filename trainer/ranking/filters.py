"""Attribute filters in the graph, shared by evaluation and serving.

Only operations of core TensorFlow are used: any TensorFlow Serving runs them.
"""

from collections.abc import Mapping

import tensorflow as tf

from trainer.data.item_attributes import ItemAttributes
from trainer.data.spelling_in_graph import spelled_entries
from trainer.ranking.checks import Check
from trainer.ranking.top_k import Keep

MOST_WANTED = 100
"""A request names at most so many values to allow, and to deny, a user."""
_DENIED = 1 << 62
_MOST_COMPARED = 1 << 25


class ItemFilter(tf.Module):
    """Items that have none of the denied values and, of every attribute with an allowed value, one of those.

    A value is written ``attribute=value``, the value in any of its spellings (trainer/data/spelling.py); "" is
    padding. A value that no item has allows nothing and denies nothing, which :meth:`unmatched` tells; an attribute
    that no item can have is an error, because a slip in its name would let everything through.

    Args:
      attributes: of N items.
    """

    def __init__(self, attributes: ItemAttributes) -> None:
        super().__init__()
        attributes = attributes.with_one_spelling()
        self.names = tf.Variable(list(attributes.names), dtype=tf.string, trainable=False)
        self.values = tf.Variable(list(attributes.values), dtype=tf.string, trainable=False)
        self.rows = tf.Variable(attributes.rows, dtype=tf.int32, trainable=False)
        # Not a file with a value a line: a value may hold a line break.
        self._number_of_name = _numbers(dict(zip(attributes.names, range(len(attributes.names)), strict=True)))
        # The table of a refreshed model keeps values whose items are gone.
        counted = enumerate(zip(attributes.values, attributes.counts.tolist(), strict=True))
        self._number_of_value = _numbers({value: number for number, (value, count) in counted if count})
        self._known = ", ".join(name.decode(errors="replace") for name in attributes.names) or "none"

    def is_used(self, allow: tf.Tensor, deny: tf.Tensor) -> tf.Tensor:
        """Whether there is anything to filter by: scalar bool."""
        return tf.reduce_any(allow != "") | tf.reduce_any(deny != "")

    def keep(self, allow: tf.Tensor, deny: tf.Tensor) -> Keep:
        """The filter of a request.

        Args:
          allow: string [B or 1, F], padded with ""; one row is for all users.
          deny: string [B or 1, G], padded with "".

        Returns:
          a function from rows of items, int32 [B, M] in 0 .. N - 1, to bool [B, M]: may user b get the item? It
          compares at most about 2^25 values at a time (128 MB), however many items there are.
        """
        allowed, denied = self._numbers_of(allow), self._numbers_of(deny)
        attribute = self._number_of_name.lookup(_names(allow))
        bit = tf.bitwise.left_shift(tf.ones_like(attribute), tf.maximum(attribute, 0))
        bit = tf.where(attribute >= 0, bit, tf.zeros_like(bit))
        count = self.names.shape[0]
        asked = tf.reduce_any(tf.one_hot(attribute, count, on_value=True, off_value=False), axis=1)
        needed = tf.reduce_sum(tf.where(asked, tf.constant([1 << g for g in range(count)], tf.int64), 0), axis=1)

        def kept(rows: tf.Tensor) -> tf.Tensor:
            values = tf.gather(self.rows, rows)
            found = _bits(values, allowed, bit)
            without = _bits(values, denied, tf.fill(tf.shape(denied), tf.constant(_DENIED, tf.int64))) == 0
            return without & (found == needed[:, tf.newaxis])

        width = max(self.rows.shape[1], 1)
        return lambda rows: _in_slices(kept, rows, _MOST_COMPARED // width)

    def unmatched(self, allow: tf.Tensor, deny: tf.Tensor, users: tf.Tensor) -> tf.Tensor:
        """The values of a request that no item has.

        Args:
          allow: as in :meth:`keep`.
          deny: as in :meth:`keep`.
          users: scalar, B.

        Returns:
          string [B, U], as they were written, those of ``allow`` first, padded with "" behind; U is at least 1.
        """
        asked, missing = [], []
        for given in (allow, deny):
            missing.append((given != "") & (self._numbers_of(given) < 0))
            asked.append(given)

        def told() -> tf.Tensor:
            wide = [tf.broadcast_to(values, [users, tf.shape(values)[1]]) for values in (*asked, *missing)]
            return tf.ragged.boolean_mask(tf.concat(wide[:2], 1), tf.concat(wide[2:], 1)).to_tensor("")

        nothing = ~(tf.reduce_any(missing[0]) | tf.reduce_any(missing[1]))
        return tf.cond(nothing, lambda: tf.fill([users, 1], ""), told)

    def _numbers_of(self, given: tf.Tensor) -> tf.Tensor:
        return self._number_of_value.lookup(spelled_entries(given))

    def checks(self, allow: tf.Tensor, deny: tf.Tensor, users: tf.Tensor) -> list[Check]:
        """What makes a request's filters be understood.

        Args:
          allow: as in :meth:`keep`.
          deny: as in :meth:`keep`.
          users: scalar, B.
        """
        return [
            check for name, given in (("allow", allow), ("deny", deny)) for check in self._checks(name, given, users)
        ]

    def _checks(self, name: str, given: tf.Tensor, users: tf.Tensor) -> list[Check]:
        flat = tf.reshape(given, [-1])
        rows, width = tf.shape(given)[0], tf.shape(given)[1]

        def wrong() -> tf.Tensor:
            return (flat != "") & ((self._number_of_name.lookup(_names(flat)) < 0) | ~_has_value(flat))

        return [
            Check(
                (rows == 1) | (rows == users),
                lambda: [f"{name} should have one row, or as many rows as history. Received:", rows, users],
            ),
            Check(
                width <= MOST_WANTED,
                lambda: [f"{name} should have at most {MOST_WANTED} values a user. Received:", width],
            ),
            Check(
                # Most requests filter by nothing, and taking text apart is dear.
                tf.cond(tf.reduce_all(flat == ""), lambda: tf.constant(True), lambda: ~tf.reduce_any(wrong())),
                lambda: [
                    f"{name} should be attribute=value, of an attribute that items have ({self._known}). Received:",
                    tf.boolean_mask(flat, wrong()),
                ],
            ),
        ]


def _numbers(number_of: Mapping[bytes, int]) -> tf.lookup.StaticHashTable:
    """Entry -> number; -1 for what is not there."""
    # A table cannot be empty; padding is never there.
    keys, numbers = tf.constant([b"", *number_of]), tf.constant([-1, *number_of.values()], tf.int64)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, numbers)
    return tf.lookup.StaticHashTable(initializer, default_value=-1)


def _parts(values: tf.Tensor) -> tf.RaggedTensor:
    return tf.strings.split(tf.reshape(values, [-1]), "=", maxsplit=1)


def _names(values: tf.Tensor) -> tf.Tensor:
    """What stands before the first "=", in the shape of ``values``."""
    first = _parts(values)[:, :1].to_tensor("", shape=[None, 1])
    return tf.reshape(first, tf.shape(values))


def _has_value(values: tf.Tensor) -> tf.Tensor:
    return _parts(values).row_lengths() == 2


def _bits(values: tf.Tensor, wanted: tf.Tensor, bit: tf.Tensor) -> tf.Tensor:
    """The bits of those wanted values that items have.

    Args:
      values: int32 [B, M, A], 1 + number of each value of the items, 0 is padding.
      wanted: int64 [B or 1, F], numbers of values, -1 for none.
      bit: int64 [B or 1, F].

    Returns:
      int64 [B, M].
    """
    wanted = tf.cast(tf.where(wanted >= 0, wanted + 1, wanted), tf.int32)

    def one_more(number: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        has = tf.reduce_any(values == wanted[:, number, tf.newaxis, tf.newaxis], axis=2)
        more = tf.where(has, bit[:, number, tf.newaxis], tf.zeros([], tf.int64))
        return number + 1, tf.bitwise.bitwise_or(found, more)

    nothing = tf.zeros(tf.shape(values)[:2], tf.int64)
    shapes = (tf.TensorShape([]), tf.TensorShape([None, None]))
    return tf.while_loop(
        lambda number, _: number < tf.shape(wanted)[1], one_more, (0, nothing), shapes, parallel_iterations=1
    )[1]


def _in_slices(function: Keep, rows: tf.Tensor, most: int) -> tf.Tensor:
    """``function`` of rows int32 [B, M], so many columns at a time that B times their number is at most ``most``."""
    batch, count = tf.shape(rows)[0], tf.shape(rows)[1]
    step = tf.maximum(most // tf.maximum(batch, 1), 1)

    def sliced() -> tf.Tensor:
        def one_more(start: tf.Tensor, done: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return start + step, tf.concat([done, function(rows[:, start : start + step])], axis=1)

        shapes = (tf.TensorShape([]), tf.TensorShape([None, None]))
        nothing = tf.zeros([batch, 0], tf.bool)
        return tf.while_loop(lambda start, _: start < count, one_more, (0, nothing), shapes, parallel_iterations=1)[1]

    return tf.cond(step >= count, lambda: function(rows), sliced)
