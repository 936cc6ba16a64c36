import pytest

from components.text.texts import read_texts
from tests.components.text.items import item_file

ITEMS = [
    {"item_id": "a", "text": ["soap  bar"], "title": ["Soap"], "category": ["bath"]},
    {"item_id": "b", "title": ["Towel", "large"]},
    {"item_id": "c", "text": [" "], "title": ["é"]},
    {"item_id": "d", "category": ["bath"]},
]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, {"a": "soap bar", "b": "Towel large", "c": "é"}),
        (["title", "category"], {"a": "Soap bath", "b": "Towel large", "c": "é", "d": "bath"}),
        (["text"], {"a": "soap bar"}),
    ],
)
def test_the_fields_of_a_text(tmp_path, fields, expected):
    ids, texts, without = read_texts([item_file(tmp_path / "items.gz", ITEMS)], fields)
    assert {item.decode(): text for item, text in zip(ids, texts, strict=True)} == expected
    assert without == len(ITEMS) - len(expected)
