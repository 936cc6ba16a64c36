"""The spelling of values: by hand, and the graph's against Python's for whatever text there is."""

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainer.data.spelling import spelled, spelled_entry
from trainer.data.spelling_in_graph import spelled_entries, spelled_values

WRITTEN = {
    "true": ["true", "True", "TRUE", " True ", "\ttrue\n", "tRuE"],
    "false": ["false", "False", "FALSE\u00a0", "\ufefffalse"],
    "1": ["1", "1.0", "1.", "1.00", "+1", "+1.0", " 1.0"],
    "1.5": ["1.5", "1.50", "+1.500"],
    "-2": ["-2", "-2.0"],
    "0": ["0", "0.0", "-0", "-0.0"],
    ".5": [".5", ".50", "+.5"],
    "100": ["100", "100.0"],
    "2024-01-01 10:00:00": ["2024-01-01 10:00:00", "2024-01-01 10:00:00.000000", "2024-01-01 10:00:00.000000000"],
    "2024-01-01T10:00:00.05": ["2024-01-01T10:00:00.050"],
    "007": ["007", "007.0"],
    "red": ["red", "red ", " red", "\u3000red\u2003"],
    "Red": ["Red"],
    "a  b": ["a  b "],
    "": ["", " ", "\t\u00a0"],
}
LEFT = [
    "yes",
    "1e5",
    "1,0",
    "++1",
    "+-1",
    "+",
    ".",
    "-.",
    "1.0.0",
    "1 000.0",
    "trueish",
    "\u0661.0",
    "x\x00",
    "2024-01-01",
    "1-1-1 10:00:00.0",
]


@pytest.mark.parametrize(("spelling", "written"), WRITTEN.items())
def test_what_is_the_same_value_is_spelt_the_same(spelling, written):
    assert {spelled(value) for value in written} == {spelling}
    entries = [f"attribute={value}" for value in written]
    assert set(spelled_entries(tf.constant(entries)).numpy()) == {f"attribute={spelling}".encode()}
    assert set(spelled_values(tf.constant(written)).numpy()) == {spelling.encode()}


@pytest.mark.parametrize("value", LEFT)
def test_other_text_stays_as_it_is(value):
    assert spelled(value) == value
    assert spelled_entries(tf.constant([[f"a={value}"]])).numpy().tolist() == [[f"a={value}".encode()]]
    assert spelled_values(tf.constant([[value]])).numpy().tolist() == [[value.encode()]]


def test_only_what_is_behind_the_first_equals_sign_is_a_value():
    entries = [" a b =1.0", "a=b=1.0", "a= b= x ", "=TRUE", "1.0", " x ", "a\nb=\n1.0\n", "é=1.0"]
    wanted = [" a b =1", "a=b=1.0", "a=b= x", "=true", "1.0", " x ", "a\nb=1", "é=1"]
    assert spelled_entries(tf.constant(entries)).numpy().tolist() == [value.encode() for value in wanted]
    assert [spelled_entry(entry.encode()).decode() for entry in entries] == wanted


def test_bytes_that_are_no_text_stay():
    entries = [b"a=\xff 1.0", b"a=\xe9"]
    assert spelled_entries(tf.constant(entries)).numpy().tolist() == entries
    assert list(map(spelled_entry, entries)) == entries


PARTS = [
    "2024-01-01 10:00:00",
    "",
    "=",
    "true",
    "FALSE",
    "+",
    "-",
    ".",
    "0",
    "00",
    "7",
    "10",
    "e5",
    "\n",
    "\x00",
    "\x1c",
    "\x85",
    "\u00a0",
    "\u2028",
    "é",
    " ",
]
TEXTS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=7).map("".join), st.text(max_size=8))


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8))
@example(["1.0\n", "\n", "-0.00", "\u180e1.0", "\u200b1"])
def test_the_graph_spells_as_python_does(values):
    entries = [f"a={value}".encode() for value in values] + [value.encode() for value in values]
    found = spelled_entries(tf.constant(entries)).numpy().tolist()
    assert found == list(map(spelled_entry, entries))
    assert list(map(spelled_entry, found)) == found
    assert spelled_values(tf.constant(values)).numpy().tolist() == [spelled(value).encode() for value in values]
