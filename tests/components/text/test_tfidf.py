import numpy as np
import pytest

from components.settings import TextSettings
from components.text.tfidf import TfidfEncoder
from trainer.errors import InputError

TEXTS = ["red nail lacquer", "red nail polish", "Blue NAIL polish", "shower cap", "shower brush", "blue shower cap é"]
SETTINGS = TextSettings(dimension=3, min_items=2)


def _restated(texts, words, idf, components):
    """Sublinear counts times idf, to unit length, then projected; by hand for texts without repeated words."""
    rows = []
    for text in texts:
        row = np.array([idf[n] * (word in text.lower().split()) for n, word in enumerate(words)])
        rows.append(row / max(np.linalg.norm(row), 1e-12))
    return np.array(rows) @ components.T


def test_against_numpy():
    encoder = TfidfEncoder.fit(TEXTS, SETTINGS)
    assert encoder.words == ["blue", "cap", "nail", "polish", "red", "shower"]  # each in two texts
    frequency = np.array([sum(word in text.lower().split() for text in TEXTS) for word in encoder.words])
    np.testing.assert_allclose(encoder.idf, np.log((1 + len(TEXTS)) / (1 + frequency)) + 1, rtol=1e-5)
    found = encoder.encode(TEXTS)
    assert (found.shape, found.dtype) == ((6, 3), np.float32)
    np.testing.assert_allclose(
        found, _restated(TEXTS, encoder.words, encoder.idf, encoder.components), rtol=1e-4, atol=1e-6
    )
    assert found[0] @ found[1] > found[0] @ found[3]


def test_a_saved_encoder_says_the_same_of_new_texts(tmp_path):
    encoder = TfidfEncoder.fit(TEXTS, SETTINGS)
    encoder.save(str(tmp_path))
    again = TfidfEncoder.load(str(tmp_path))
    new = ["a red shower", "nothing known", ""]
    np.testing.assert_array_equal(again.encode(new), encoder.encode(new))
    assert not again.encode(new)[1:].any()
    assert again.fingerprint == encoder.fingerprint == TfidfEncoder.fit(TEXTS, SETTINGS).fingerprint
    assert again.fingerprint != TfidfEncoder.fit(TEXTS[::-1][1:], SETTINGS).fingerprint


def test_a_small_catalogue_has_fewer_dimensions():
    assert TfidfEncoder.fit(TEXTS, TextSettings(dimension=50)).dimension == 6


def test_what_cannot_be_learned_or_loaded_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"text.min_items = 2.*data.item_columns.text"):
        TfidfEncoder.fit(["a1 b1", "c1 d1"], SETTINGS)
    with pytest.raises(InputError, match="no complete tfidf encoder"):
        TfidfEncoder.load(str(tmp_path))
    np.savez(tmp_path / "tfidf.npz", idf=np.array([{"not": "numbers"}], object), components=np.zeros((1, 1)))
    (tmp_path / "words.json").write_text('["a"]')
    with pytest.raises(InputError, match="no complete tfidf encoder"):
        TfidfEncoder.load(str(tmp_path))
