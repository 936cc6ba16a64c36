"""All of the language models but the model's own call: the package transformers is an extra, and not installed here."""

import json

import numpy as np
import pytest

from components.settings import TextSettings
from components.text import language_model
from trainer.errors import InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 12}))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[CLS]\nsoap\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def _settings(model, **more):
    return TextSettings(encoder="transformer", model=str(model), **more)


def test_pooling_against_numpy():
    random = np.random.default_rng(0)
    states, mask = random.normal(size=(2, 4, 3)).astype(np.float32), np.array([[1, 1, 1, 0], [1, 0, 0, 0]])
    expected = np.stack([states[0, :3].mean(axis=0), states[1, 0]])
    np.testing.assert_allclose(language_model.pooled(states, mask, "mean"), expected, rtol=1e-5)
    np.testing.assert_allclose(language_model.pooled(states, mask, "cls"), states[:, 0])


def test_the_fingerprint_is_of_all_that_decides_on_a_vector(folder):
    name = str(folder)
    found = {language_model.fingerprint(name, *how) for how in (("mean", 64), ("cls", 64), ("mean", 32))}
    (folder / "README.md").write_text("says nothing")
    assert language_model.fingerprint(name, "mean", 64) in found
    (folder / "model.safetensors").write_bytes(b"other weights")
    found.add(language_model.fingerprint(name, "mean", 64))
    (folder / "vocab.txt").write_text("[PAD]\n[CLS]\ncream\n")
    found.add(language_model.fingerprint(name, "mean", 64))
    (folder / "sentencepiece.bpe.model").write_bytes(b"pieces")
    found.add(language_model.fingerprint(name, "mean", 64))
    (folder / "special_tokens_map.json").write_text("{}")
    found.add(language_model.fingerprint(name, "mean", 64))
    assert len(found) == 7


def test_a_folder_is_taken_as_it_is(folder):
    assert language_model.locate(_settings(folder)) == str(folder)
    assert language_model.width(str(folder)) == 12


def test_weights_in_a_pickle_are_not_opened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"model.safetensors.*pytorch_model.bin.*not opened"):
        language_model.locate(_settings(folder))


def test_a_folder_without_a_configuration_is_refused(folder):
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="does not state a hidden_size"):
        language_model.width(str(folder))


def test_without_the_extra_one_is_told_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'polyrec\[text\]'"):
        language_model.LanguageModel(str(folder), "mean", 64)
    with pytest.raises(InputError, match=r"pip install 'polyrec\[text\]'"):
        language_model.locate(_settings("some-owner/some-model"))
