"""Other items for a trained model, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from serving.graph.items import Items
from serving.publish.item_changes import CategoryPlaces, Known, with_known, with_more, without
from trainer.data.item_attributes import ItemAttributes, number_attributes
from trainer.errors import InputError

VECTORS = np.array([[1, 0], [0, 1], [2, 0], [0, 3]], np.float32)
VALUES = [
    [b"category=x", b"stock=yes"],
    [b"category=y"],
    [b"category=x", b"stock=no"],
    [b"category=z"],
]


def test_constant_components_stay_constant():
    """The mean of two unit vectors at a right angle, as long as they are, and behind it the 1 of every item."""
    ids, vectors = [b"a", b"b"], np.array([[1, 0, 1], [0, 1, 1]], np.float32)
    of = number_attributes([b"category"], [[b"category=x"]] * 2, ids)
    given = Items(
        ids, vectors, np.array([2, 1]), np.zeros(2, np.int32), [b"x"], of, [], np.zeros((0, 3), np.float32),
        np.arange(2, dtype=np.int32), constant_components=1,
    )  # fmt: skip
    np.testing.assert_allclose(CategoryPlaces(given).vector([b"x"]), [0.5**0.5, 0.5**0.5, 1], rtol=1e-6)
    assert with_more(without(given, [b"a"]), [b"c"], vectors[:1]).constant_components == 1


@pytest.fixture
def items():
    """Four items as training leaves them."""
    ids = [b"a", b"b", b"c", b"d"]
    return Items(
        ids=ids,
        vectors=VECTORS,
        counts=np.array([9, 7, 7, 2]),
        category=np.array([0, 1, 0, 2], np.int32),
        category_names=[b"x", b"y", b"z"],
        attributes=number_attributes([b"category", b"stock"], VALUES, ids),
        retired_ids=[],
        retired_vectors=np.zeros((0, 2), np.float32),
        tower_rows=np.arange(4, dtype=np.int32),
    )


def tower_sees(items):
    """The item and vector behind each number of the user tower."""
    vectors = np.concatenate([items.vectors, items.retired_vectors])
    return [(items.all_ids[row], vectors[row].tolist()) for row in items.tower_rows]


def test_removed_items_stay_known_to_histories(items):
    fewer = without(items, [b"c", b"a"])
    assert (fewer.ids, fewer.retired_ids) == ([b"b", b"d"], [b"a", b"c"])
    assert fewer.counts.tolist() == [7, 2] and fewer.category.tolist() == [1, 2]
    assert fewer.attributes.of_items() == [[b"category=y"], [b"category=z"]]
    assert tower_sees(fewer) == tower_sees(items)
    again = without(fewer, [b"b"])
    assert (again.ids, again.retired_ids) == ([b"d"], [b"b", b"a", b"c"])
    assert tower_sees(again) == tower_sees(items)


def test_values_that_an_earlier_polyrec_wrote_become_those_of_today(items):
    """Two spellings of one value, on one item even, are one value: in a model read, and beside what a table says."""
    values = [
        [b"category=x", b"stock=True", b"price=1.0", b"price=1"],
        [b"category=y", b"stock=False"],
        [b"stock= true", b"price=2.50"],
        [],
    ]
    names = [b"category", b"stock", b"price"]
    flat = list(dict.fromkeys(value for row in values for value in row))
    rows = np.zeros((4, 4), np.int32)
    for row, said in enumerate(values):
        rows[row, : len(said)] = [flat.index(value) + 1 for value in said]
    old = ItemAttributes(names, flat, rows).with_one_spelling()
    assert old.values == [b"category=x", b"stock=true", b"price=1", b"category=y", b"stock=false", b"price=2.5"]
    assert [sorted(row) for row in old.of_items()] == [
        [b"category=x", b"price=1", b"stock=true"],
        [b"category=y", b"stock=false"],
        [b"price=2.5", b"stock=true"],
        [],
    ]
    assert old.counts.tolist() == [1, 2, 1, 1, 1, 1]
    known = {b"a": Known([b"x"], [b"category=x", b"stock=TRUE"]), b"c": Known([], [b"stock=false"])}
    now, changed = with_known(replace(items, attributes=old), known, [b"category", b"stock"], categories=False)
    assert changed.tolist() == [False, False, True, False]
    assert sorted(now.attributes.of_items()[2]) == [b"price=2.5", b"stock=false"]


def test_an_item_that_the_tower_never_knew_goes_without_a_trace(items):
    more = with_more(items, [b"new", b"newer"], np.array([[5, 5], [6, 6]]))
    assert more.ids == [b"a", b"b", b"c", b"d", b"new", b"newer"]
    assert more.counts.tolist() == [9, 7, 7, 2, 0, 0] and more.category.tolist() == [0, 1, 0, 2, -1, -1]
    assert more.attributes.of_items()[3:] == [[b"category=z"], [], []]
    fewer = without(more, [b"new", b"b"])
    assert (fewer.ids, fewer.retired_ids) == ([b"a", b"c", b"d", b"newer"], [b"b"])
    assert tower_sees(fewer) == tower_sees(items)


def test_a_removed_item_comes_back(items):
    back = with_more(without(items, [b"a", b"c"]), [b"new", b"a"], np.array([[5, 5], [1, 0]]))
    assert (back.ids, back.retired_ids) == ([b"b", b"d", b"new", b"a"], [b"c"])
    assert tower_sees(back) == tower_sees(items)
    assert back.counts.tolist() == [7, 2, 0, 0]


def test_not_everything_can_be_removed(items):
    with pytest.raises(InputError, match="All 4 items would be removed"):
        without(items, items.ids)


def test_a_table_replaces_what_it_has_columns_for_and_leaves_the_rest(items):
    known = {
        b"a": Known([b"y"], [b"category=y", b"stock=no"]),
        b"b": Known([b"w", b"v"], [b"category=w", b"category=v"]),
        b"c": Known([b"x"], [b"category=x", b"stock=no"]),
        b"elsewhere": Known([b"q"], [b"category=q"]),
    }
    after, changed = with_known(items, known, [b"category", b"stock", b"colour"], categories=True)
    assert after.attributes.names == [b"category", b"stock", b"colour"]
    assert after.attributes.of_items() == [
        [b"category=y", b"stock=no"],
        [b"category=w", b"category=v"],
        [b"category=x", b"stock=no"],
        [b"category=z"],
    ]
    assert changed.tolist() == [True, True, False, False]
    assert [after.category_names[number] for number in after.category] == [b"y", b"v", b"x", b"z"]
    only_stock, changed = with_known(items, {b"a": Known([], [b"stock=no"])}, [b"stock"], categories=False)
    assert set(only_stock.attributes.of_items()[0]) == {b"category=x", b"stock=no"}
    assert only_stock.category.tolist() == items.category.tolist() and changed.tolist() == [True, False, False, False]


def test_a_category_points_as_its_items_do_and_is_as_long(items):
    places = CategoryPlaces(items)
    np.testing.assert_allclose(places.vector([b"x"]), [1.5, 0])
    np.testing.assert_allclose(places.vector([b"z"]), [0, 3])
    both, _ = with_known(items, {b"b": Known([b"x"], [b"category=x"])}, [b"category"], categories=True)
    mean = np.array([1.0, 1 / 3])  # of [1, 0], [2, 0] and [0, 1], which are 4/3 long on average
    np.testing.assert_allclose(CategoryPlaces(both).vector([b"x"]), mean / np.linalg.norm(mean) * 4 / 3, rtol=1e-6)
    assert CategoryPlaces(both).vector([b"y"]) is None  # no item has it any more
    assert places.vector([b"unknown"]) is None and places.vector([]) is None


def test_the_rarest_known_category_decides_and_of_equals_the_last(items):
    places = CategoryPlaces(items)
    np.testing.assert_allclose(places.vector([b"z", b"x", b"unknown"]), [0, 3])
    np.testing.assert_allclose(places.vector([b"x", b"z"]), [0, 3])
    np.testing.assert_allclose(places.vector([b"z", b"y"]), [0, 1])
