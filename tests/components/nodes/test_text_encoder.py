"""The component, by its executor and compiled."""

import json
import os

import numpy as np
from tfx.types import artifact_utils, standard_artifacts

from components.nodes.text_encoder import TextEncoder
from components.settings import TextSettings
from components.text import batch_encoding, encode
from tests.components.artifacts import artifact, execute
from tests.components.text.items import item_file
from trainer.data.text_vectors import read_description, read_vectors

ITEMS = [{"item_id": name, "text": [text]} for name, text in (("a", "red soap"), ("b", "red soap"), ("c", "blue soap"))]


def _items(folder):
    items = artifact(standard_artifacts.Examples, folder)
    items.split_names = artifact_utils.encode_split_names(["items"])
    item_file(folder / "Split-items" / "data.gz", ITEMS)
    return items


def _run(folder, items, text, base=None):
    vectors = artifact(standard_artifacts.Examples, folder)
    inputs = {"items": [items], **({"base_model": [base]} if base else {})}
    execution = {"text": text.model_dump_json(), "cache": str(folder / "cache")}
    execute(TextEncoder, inputs, {"vectors": [vectors]}, execution)
    return vectors


def test_vectors_encoder_and_fingerprint_are_written(tmp_path):
    vectors = _run(tmp_path / "vectors", _items(tmp_path / "items"), TextSettings())
    description = read_description(os.path.join(vectors.uri, "encoder"))
    assert vectors.get_string_custom_property("fingerprint") == description.fingerprint
    ((ids, found),) = read_vectors(vectors.uri, description.dimension)
    assert ids == [b"a", b"b", b"c"] and (found[0] == found[1]).all() and (found[0] != found[2]).any()


def test_the_encoder_of_a_base_model_is_used(tmp_path):
    items = _items(tmp_path / "items")
    first = _run(tmp_path / "first", items, TextSettings(dimension=1))
    base = artifact(standard_artifacts.Model, tmp_path / "base")
    os.rename(os.path.join(first.uri, "encoder"), os.path.join(base.uri, "text_encoder"))
    second = _run(tmp_path / "second", items, TextSettings(), base)
    fingerprints = [vectors.get_string_custom_property("fingerprint") for vectors in (first, second)]
    assert fingerprints[0] == fingerprints[1]


class CountsLetters:
    """In place of a language model: texts as numbers of the letters r and b."""

    def __init__(self, folder, pooling, max_tokens):
        pass

    def encode(self, texts):
        return np.array([[text.count(letter) for letter in "rb"] for text in texts], np.float32)


def test_a_language_model_runs_on_the_pipeline_that_tfx_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "LanguageModel", CountsLetters)
    monkeypatch.setattr(batch_encoding, "LanguageModel", CountsLetters)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text(json.dumps({"hidden_size": 2}))
    (tmp_path / "bert" / "model.safetensors").touch()
    text = TextSettings(encoder="transformer", model=str(tmp_path / "bert"))
    vectors = _run(tmp_path / "vectors", _items(tmp_path / "items"), text)
    ((ids, found),) = read_vectors(vectors.uri, 2)
    assert ids == [b"a", b"b", b"c"]
    np.testing.assert_array_equal(found, [[1, 0], [1, 0], [0, 1]])


def test_its_specification_says_what_it_depends_on(tmp_path):
    from tfx.components import ImportExampleGen

    items = ImportExampleGen(input_base="/items").outputs["examples"]
    text = TextSettings(dimension=7).model_dump_json()
    encoder = TextEncoder(items=items, text=text, cache="/cache", model_files="abc")
    assert TextSettings.model_validate_json(encoder.exec_properties["text"]).dimension == 7
    assert encoder.exec_properties["model_files"] == "abc"
    assert encoder.outputs["vectors"].type is standard_artifacts.Examples
