import numpy as np

from tests.components.text.items import item_file
from tests.trainer.data.text_vectors_on_disk import write_text_vectors
from trainer.data.catalogue import read_catalogue

ITEMS = [
    {"item_id": "new", "category": ["all", "fresh"]},
    {"item_id": "b", "category": ["all", "old"]},
    {"item_id": "a", "category": ["all"]},
    {"item_id": "textless", "category": ["all"]},
]
VECTORS = {"b": [1.0, 0.0], "new": [0.0, 2.0], "two\nlines": [1.0, 1.0], "not in the table": [3.0, 0.0]}


def _vocabulary(folder):
    (folder / "frequency").write_text("3 a\n2 b\n")
    (folder / "ids").write_text("a\nb\n")
    return str(folder / "frequency"), str(folder / "ids")


def test_known_and_new_items(tmp_path):
    items = [item_file(tmp_path / "items.gz", ITEMS)]
    catalogue = read_catalogue(*_vocabulary(tmp_path), items, write_text_vectors(tmp_path / "texts", VECTORS))
    np.testing.assert_array_equal(catalogue.text_vectors, [[0, 0], [1, 0]])
    assert list(catalogue.category_names) == [b"all", b"old", b"fresh"]  # those of training first
    assert list(catalogue.new_items.ids) == [b"new", b"not in the table"]
    served = catalogue.with_new_items()
    assert list(served.ids) == [b"a", b"b", b"new", b"not in the table"]
    np.testing.assert_array_equal(served.counts, [3, 2, 0, 0])
    np.testing.assert_array_equal(served.text_vectors, [[0, 0], [1, 0], [0, 2], [3, 0]])
    np.testing.assert_array_equal(served.finest_category, [0, 1, 2, -1])


def test_without_texts_there_are_no_new_items(tmp_path):
    catalogue = read_catalogue(*_vocabulary(tmp_path), [item_file(tmp_path / "items.gz", ITEMS)])
    assert catalogue.text_vectors is None and catalogue.with_new_items() is catalogue
    np.testing.assert_array_equal(catalogue.finest_category, [0, 1])


def test_tags_of_known_items(tmp_path):
    items = [
        {"item_id": "b", "tags": ["loud", "long"]},
        {"item_id": "c", "tags": ["rare"]},
        {"item_id": "a", "tags": []},
    ]
    catalogue = read_catalogue(*_vocabulary(tmp_path), [item_file(tmp_path / "items.gz", items)])
    np.testing.assert_array_equal(catalogue.tags, [[0, 0], [1, 2]])
    assert list(catalogue.tag_names) == [b"loud", b"long"]  # and none that only unknown items have


def test_attributes_of_known_and_new_items(tmp_path):
    items = [
        {"item_id": "new", "attributes": ["stock=no", "colour=red"]},
        {"item_id": "b", "attributes": ["colour=red", "colour=blue"]},
        {"item_id": "a", "attributes": []},
    ]
    texts = write_text_vectors(tmp_path / "texts", {"b": [1.0, 0.0], "new": [0.0, 2.0]})
    catalogue = read_catalogue(*_vocabulary(tmp_path), [item_file(tmp_path / "items.gz", items)], texts)
    assert list(catalogue.attribute_values) == [b"colour=red", b"colour=blue", b"stock=no"]  # those of training first
    np.testing.assert_array_equal(catalogue.attributes, [[0, 0], [1, 2]])
    np.testing.assert_array_equal(catalogue.with_new_items().attributes, [[0, 0], [1, 2], [3, 1]])
    without = read_catalogue(*_vocabulary(tmp_path), [item_file(tmp_path / "items.gz", items)])
    assert list(without.attribute_values) == [b"colour=red", b"colour=blue"]
