"""The filter against a restatement in Python, and its limits."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.data.item_attributes import catalogue_attributes, number_attributes
from trainer.errors import InputError
from trainer.ranking import filters as item_filter
from trainer.ranking.checks import assert_all
from trainer.ranking.filter_matches import check_values
from trainer.ranking.filter_names import check_filter
from trainer.ranking.filters import MOST_WANTED, ItemFilter
from trainer.ranking.top_k import exact_top_k

NAMES = [b"colour", b"size", b"in_stock", b"never"]
RANDOM = np.random.default_rng(0)
ITEMS = [
    [b"colour=" + colour for colour in RANDOM.choice([b"red", b"blue", b"a=b"], RANDOM.integers(0, 3), replace=False)]
    + [b"size=%d" % size for size in RANDOM.choice(4, 1)]
    + [b"in_stock=yes"] * int(RANDOM.integers(0, 2))
    for _ in range(200)
]
IDS = [b"%d" % row for row in range(len(ITEMS))]
REQUESTS = [
    ([], []),
    ([b"colour=red"], []),
    ([b"colour=red", b"colour=blue"], []),
    ([b"colour=red", b"size=1", b"size=2", b"in_stock=yes"], []),
    ([], [b"in_stock=yes"]),
    ([b"colour=red"], [b"colour=red"]),
    ([b"colour=blue"], [b"colour=red", b"size=0"]),
    ([b"colour=a=b"], []),
    ([b"colour=no such"], []),
    ([b"colour=no such", b"colour=red"], []),
    ([b"never=1"], []),
    ([], [b"never=1", b"size=9"]),
]


@pytest.fixture(scope="module")
def attributes():
    return number_attributes(NAMES, ITEMS, IDS)


def allowed(item, allow, deny):
    """One item, one request: as the documentation says it."""
    wanted = {}
    for value in allow:
        wanted.setdefault(value.split(b"=", 1)[0], set()).add(value)
    return not set(item) & set(deny) and all(set(item) & values for values in wanted.values())


def padded(rows):
    width = max(map(len, rows))
    return tf.constant([[b""] * (width - len(row)) + row for row in rows], tf.string, [len(rows), width])


def restated(requests=REQUESTS):
    return np.array([[allowed(item, *request) for item in ITEMS] for request in requests])


def test_values_of_one_attribute_are_alternatives_and_attributes_add_up(attributes):
    allow, deny = map(padded, zip(*REQUESTS, strict=True))
    rows = np.tile(np.arange(len(ITEMS), dtype=np.int32), (len(REQUESTS), 1))
    keep = tf.function(ItemFilter(attributes).keep(allow, deny))
    wanted = restated()
    assert {0, len(ITEMS)} < set(wanted.sum(axis=1))  # everything, nothing and something in between
    np.testing.assert_array_equal(keep(tf.constant(rows)), wanted)
    order = RANDOM.permuted(rows, axis=1)[:, :50]
    np.testing.assert_array_equal(keep(tf.constant(order)), np.take_along_axis(wanted, order, axis=1))


def test_one_row_is_for_all_users(attributes):
    rows = np.stack([np.arange(5, 25), np.arange(100, 120)]).astype(np.int32)
    found = ItemFilter(attributes).keep(tf.constant([[b"colour=red"]]), tf.constant([[b"size=1"]]))(tf.constant(rows))
    np.testing.assert_array_equal(found, restated([([b"colour=red"], [b"size=1"])])[0][rows])


def test_many_items_are_compared_in_slices(attributes, monkeypatch):
    monkeypatch.setattr(item_filter, "_MOST_COMPARED", 7 * attributes.rows.shape[1] * len(REQUESTS))
    allow, deny = map(padded, zip(*REQUESTS, strict=True))
    rows = tf.constant(np.tile(np.arange(len(ITEMS), dtype=np.int32), (len(REQUESTS), 1)))
    np.testing.assert_array_equal(ItemFilter(attributes).keep(allow, deny)(rows), restated())


def test_the_exact_list_is_that_of_the_kept_items(attributes):
    vectors = RANDOM.normal(size=(len(ITEMS), 4)).astype(np.float32)
    interests = RANDOM.normal(size=(len(REQUESTS), 2, 4)).astype(np.float32)
    allow, deny = map(padded, zip(*REQUESTS, strict=True))
    keep = ItemFilter(attributes).keep(allow, deny)
    mask = tf.ones([len(REQUESTS), 2], tf.bool)
    found = exact_top_k(tf.constant(interests), mask, tf.constant(vectors), 6, chunk=64, keep=keep).indices.numpy()
    scores = np.where(restated(), (interests @ vectors.T).max(axis=1), -np.inf)
    best = np.argsort(-scores, axis=1)[:, :6]
    best[np.take_along_axis(scores, best, axis=1) == -np.inf] = -1
    np.testing.assert_array_equal(found, best)


@pytest.mark.parametrize(
    ("allow", "deny", "words"),
    [
        ([[b"clour=red"]], [[b""]], "allow should be attribute=value.*colour, size, in_stock, never"),
        ([[b""]], [[b"red"]], "deny should be attribute=value"),
        ([[b"colour"]], [[b""]], "allow should be attribute=value"),
        ([[b"\xff\xfe"]], [[b""]], "allow should be attribute=value"),
        ([[b"=red"]], [[b""]], "allow should be attribute=value"),
        ([[b""]] * 2, [[b""]], "allow should have one row, or as many rows as history"),
        ([[b""]], [[b"size=1"] * (MOST_WANTED + 1)], f"deny should have at most {MOST_WANTED} values"),
    ],
)
def test_a_slip_is_an_error_in_words(attributes, allow, deny, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        assert_all(ItemFilter(attributes).checks(tf.constant(allow), tf.constant(deny), tf.constant(3)))


def test_what_is_no_slip_passes(attributes):
    known = ItemFilter(attributes)
    for allow, deny in [*REQUESTS, ([b"colour="], [])]:
        assert_all(known.checks(padded([allow] * 3), padded([deny]), tf.constant(3)))
    nothing = ItemFilter(number_attributes([], [[]] * 5, IDS[:5]))
    assert_all(nothing.checks(tf.constant([[""]]), tf.fill([1, 0], ""), tf.constant(3)))
    keep = nothing.keep(tf.constant([[""]]), tf.fill([1, 0], ""))
    assert keep(tf.constant([[0, 4]])).numpy().tolist() == [[True, True]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"attribute that items have \(none\)"):
        assert_all(nothing.checks(tf.constant([["colour=red"]]), tf.constant([[""]]), tf.constant(3)))


def test_categories_are_an_attribute_and_new_items_have_theirs():
    catalogue = Catalogue(
        [b"a", b"b"], np.array([2, 1]), np.array([[1, 2], [1, 0]], np.int32), [b"food", b"fruit"],
        attributes=np.array([[0], [2]], np.int32), attribute_values=[b"stock=no", b"stock=yes"],
    )  # fmt: skip
    found = catalogue_attributes(catalogue, ["stock", "colour"])
    assert found.names == [b"category", b"stock", b"colour"]
    assert found.of_items() == [[b"category=food", b"category=fruit"], [b"category=food", b"stock=yes"]]
    assert found.rows.shape == (2, 2)
    assert found.having(b"category=food").tolist() == [True, True]
    assert found.having(b"stock=yes").tolist() == [False, True]


def test_a_request_may_spell_a_value_in_another_way_and_is_told_what_no_item_has():
    names, ids = [b"stock", b"price", b"gone"], [b"a", b"b", b"c"]
    items = [[b"stock=True", b"price=1.50", b"gone=x"], [b"stock=false"], [b"stock=true", b"price=2.0"]]
    attributes = number_attributes(names, items, ids)
    assert attributes.values == [b"stock=true", b"price=1.5", b"gone=x", b"stock=false", b"price=2"]
    # As of a refreshed model whose only item with "gone=x" was removed.
    known = ItemFilter(replace(attributes, rows=attributes.rows[1:]))
    allow = tf.constant([["stock=TRUE ", ""], ["price= +2", "price=3"], ["gone=x", "stock=no"]])
    deny = tf.constant([["stock=false", "price=2.000", "stock=x"]])
    rows = tf.constant([[0, 1]] * 3)
    assert known.keep(allow, tf.constant([[""]]))(rows).numpy().tolist() == [[False, True], [False, True], [False] * 2]
    assert known.keep(tf.constant([[""]]), deny[:, :2])(rows).numpy().tolist() == [[False, False]] * 3
    assert known.unmatched(allow, deny, tf.constant(3)).numpy().tolist() == [
        [b"stock=x", b"", b""],
        [b"price=3", b"stock=x", b""],
        [b"gone=x", b"stock=no", b"stock=x"],
    ]
    assert known.unmatched(allow[:2, :1], deny[:, :2], tf.constant(2)).numpy().tolist() == [[b""], [b""]]


def test_the_filter_of_the_evaluation_has_values_that_items_have(caplog):
    caplog.set_level("INFO", "polyrec.progress")
    found = number_attributes([b"stock", b"size"], [[b"stock=true", b"size=1"], [b"stock=false"]], [b"a", b"b"])
    check_values({"allow": ["stock=True"], "deny": ["size=1.0"]}, found)
    assert not caplog.records
    check_values({"allow": ["stock=true", "stock=no"], "deny": ["stock=flase", "size=2"]}, found)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert [record.message for record in caplog.records] == [
        "evaluation.allow: no item has stock=no (items have stock=true, stock=false), so it filters nothing",
        "evaluation.deny: no item has stock=flase (items have stock=false, stock=true), so it filters nothing",
        "evaluation.deny: no item has size=2 (items have size=1), so it filters nothing",
    ]
    for allow in (["stock=no"], ["size=1", "stock=no"], ["stock=no", "stock=maybe"]):
        with pytest.raises(InputError, match=r"evaluation.allow: no item has stock=no.*every list is empty"):
            check_values({"allow": allow, "deny": []}, found)
    with pytest.raises(InputError, match=r"no item has colour=red \(no item has a value of this attribute\)"):
        check_values({"allow": ["colour=red"]}, found)


def test_too_much_is_refused():
    with pytest.raises(InputError, match="Item 'b' has 65 categories and attribute values"):
        number_attributes([b"a"], [[], [b"a=%d" % value for value in range(65)]], [b"a", b"b"])
    with pytest.raises(InputError, match="names 63; at most 62"):
        number_attributes([b"%d" % name for name in range(63)], [[]], [b"a"])


def test_a_configured_filter_is_checked():
    check_filter({"allow": ["in_stock=yes"], "deny": ["category=x=y"]}, ["in_stock", "category"])
    for value in ("stock=yes", "in_stock", "=yes"):
        with pytest.raises(InputError, match=r"evaluation.deny: '.*' should be attribute=value.*: in_stock\. "):
            check_filter({"deny": [value]}, ["in_stock"])
