"""Encoding as a whole, with words; and with a stand-in for the language model's call, on Beam and with the cache."""

import json
import logging

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from components.settings import TextSettings
from components.text import batch_encoding, encode
from components.text.encode import write_text_vectors
from tests.components.text.items import item_file
from trainer.data.text_vectors import read_description, read_vectors
from trainer.errors import InputError

ITEMS = [
    {"item_id": "a", "text": ["red nail polish"]},
    {"item_id": "b", "text": ["blue nail polish"]},
    {"item_id": "c", "title": ["red shower cap"]},
    {"item_id": "d", "title": ["blue shower cap"]},
    {"item_id": "e", "text": ["unheard"]},
    {"item_id": "f"},
]


class CountsLetters:
    """Texts as numbers of the letters a, b and c."""

    def __init__(self, folder, pooling, max_tokens):
        pass

    def encode(self, texts):
        return np.array([[text.count(letter) for letter in "abc"] for text in texts], np.float32)


@pytest.fixture
def language_model(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "LanguageModel", CountsLetters)
    monkeypatch.setattr(batch_encoding, "LanguageModel", CountsLetters)
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"hidden_size": 3}))
    (folder / "model.safetensors").write_bytes(b"")
    return TextSettings(encoder="transformer", model=str(folder), batch_size=2)


def _write(tmp_path, name, settings, items=ITEMS, cache="cache", **more):
    out = tmp_path / name
    options = PipelineOptions(["--direct_running_mode=in_memory", "--direct_num_workers=1"])
    description = write_text_vectors(
        [item_file(tmp_path / f"{name}.gz", items)],
        settings,
        str(out),
        str(tmp_path / cache),
        lambda: beam.Pipeline(options=options),
        **more,
    )
    assert read_description(str(out / "encoder")) == description
    found = {}
    for ids, vectors in read_vectors(str(out), description.dimension):
        found |= {item.decode(): vector for item, vector in zip(ids, vectors, strict=True)}
    return description, found


def test_words(tmp_path):
    _, vectors = _write(tmp_path, "out", TextSettings(dimension=4))
    assert set(vectors) == set("abcd")  # no word of e is in two texts
    for vector in vectors.values():
        np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-5)
    assert vectors["a"] @ vectors["b"] > vectors["a"] @ vectors["d"]


def test_a_base_model_s_encoder_is_used_as_it_is(tmp_path):
    first, vectors = _write(tmp_path, "first", TextSettings(dimension=4))
    items = [{"item_id": "z", "text": ["red nail polish", "unheard"]}]
    base = {"base_encoder": str(tmp_path / "first" / "encoder")}
    second, again = _write(tmp_path, "second", TextSettings(dimension=99), items, **base)
    assert second == first
    np.testing.assert_allclose(again["z"], vectors["a"], rtol=1e-6)


def test_texts_are_encoded_once(tmp_path, language_model, caplog):
    caplog.set_level(logging.INFO, "polyrec.progress")
    _, vectors = _write(tmp_path, "first", language_model)
    assert set(vectors) == set("abcde")
    np.testing.assert_allclose(vectors["c"], np.array([1, 0, 1]) / np.sqrt(2), rtol=1e-5)
    assert "5 texts, of which 5 are encoded now" in caplog.text
    caplog.clear()
    more = [*ITEMS, {"item_id": "g", "text": ["cab"]}, {"item_id": "h", "text": ["red nail polish"]}]
    _, again = _write(tmp_path, "second", language_model, more)
    assert "6 texts, of which 1 are encoded now" in caplog.text
    np.testing.assert_array_equal(again["h"], vectors["a"])
    np.testing.assert_allclose(again["g"], np.ones(3) / np.sqrt(3), rtol=1e-5)
    caplog.clear()
    _write(tmp_path, "third", language_model.model_copy(update={"pooling": "cls"}))
    assert "5 texts, of which 5 are encoded now" in caplog.text


def test_the_cache_may_be_in_a_folder_named_like_a_pattern(tmp_path, language_model, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "links"))
    caplog.set_level(logging.INFO, "polyrec.progress")
    _, first = _write(tmp_path, "first", language_model, cache="cache[1]")
    _, second = _write(tmp_path, "second", language_model, cache="cache[1]")
    assert "5 texts, of which 0 are encoded now" in caplog.text
    assert first.keys() == second.keys() == set("abcde")


def test_what_does_not_fit_is_refused(tmp_path, language_model):
    with pytest.raises(InputError, match=r"No item has a text.*data.item_columns.text"):
        _write(tmp_path, "none", TextSettings(), [{"item_id": "a"}])
    _write(tmp_path, "words", TextSettings())
    base = {"base_encoder": str(tmp_path / "words" / "encoder")}
    with pytest.raises(InputError, match=r"text.encoder: transformer is not the encoder of the base model, tfidf"):
        _write(tmp_path, "bert-on-words", language_model, **base)
    _write(tmp_path, "means", language_model)
    base = {"base_encoder": str(tmp_path / "means" / "encoder")}
    with pytest.raises(InputError, match=r"another text encoder of the kind transformer.*pooling': 'mean'"):
        _write(tmp_path, "cls", language_model.model_copy(update={"pooling": "cls"}), **base)
