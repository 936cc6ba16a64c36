"""Text encoder: TF-IDF with a truncated SVD."""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from components.ingestion.files.storage import read_text, write_text
from components.settings import TextSettings
from trainer.errors import InputError

KIND = "tfidf"
_WORDS, _ARRAYS = "words.json", "tfidf.npz"


class TfidfEncoder:
    """TF-IDF with sublinear term frequency, then a truncated SVD (latent semantic analysis).

    Reference: Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 1990.

    Args:
      words: V words.
      idf: float32 [V], weight of each.
      components: float32 [E, V], directions of the SVD.
    """

    def __init__(
        self, words: Sequence[str], idf: npt.NDArray[np.floating[Any]], components: npt.NDArray[np.floating[Any]]
    ) -> None:
        self.words, self.idf, self.components = list(words), idf.astype(np.float32), components.astype(np.float32)
        self._weights = _vectorizer(vocabulary=self.words)
        self._weights.idf_ = self.idf

    @classmethod
    def fit(cls, texts: Sequence[str], settings: TextSettings) -> "TfidfEncoder":
        """Learns words and directions; the same texts and settings give the same encoder.

        Raises:
          InputError: no word is in ``min_items`` texts.
        """
        vectorizer = _vectorizer(max_features=settings.max_words, min_df=settings.min_items)
        try:
            weighted = vectorizer.fit_transform(texts)
        except ValueError as error:
            raise InputError(
                f"None of the words in {len(texts)} texts occurs in text.min_items = {settings.min_items} of them. "
                "Look at data.item_columns.text and .title, or lower text.min_items."
            ) from error
        svd = TruncatedSVD(min(settings.dimension, *weighted.shape), random_state=settings.seed).fit(weighted)
        return cls(vectorizer.get_feature_names_out().tolist(), vectorizer.idf_, svd.components_)

    @property
    def dimension(self) -> int:
        """E."""
        return len(self.components)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of words, weights and directions."""
        digest = hashlib.sha256(json.dumps([KIND, self.words]).encode())
        for array in (self.idf, self.components):
            digest.update(np.ascontiguousarray(array, "<f4").data)
        return digest.hexdigest()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of texts, float32 [B, E]; zero for a text without a known word."""
        return np.asarray(self._weights.transform(texts) @ self.components.T, np.float32)

    def save(self, folder: str) -> None:
        """Writes words and numbers into ``folder``; nothing that executes when it is read."""
        arrays = io.BytesIO()
        np.savez(arrays, idf=self.idf, components=self.components)
        with tf.io.gfile.GFile(os.path.join(folder, _ARRAYS), "wb") as file:
            file.write(arrays.getvalue())
        write_text(os.path.join(folder, _WORDS), json.dumps(self.words))

    @classmethod
    def load(cls, folder: str) -> "TfidfEncoder":
        """The encoder that :meth:`save` wrote.

        Raises:
          InputError: files are missing or damaged.
        """
        try:
            words = json.loads(read_text(os.path.join(folder, _WORDS)))
            with tf.io.gfile.GFile(os.path.join(folder, _ARRAYS), "rb") as file:
                arrays = np.load(io.BytesIO(file.read()), allow_pickle=False)
            return cls(words, arrays["idf"], arrays["components"])
        except (tf.errors.OpError, ValueError, KeyError, OSError) as error:
            raise InputError(f"{folder} holds no complete {KIND} encoder: {error}") from error


def _vectorizer(**options: object) -> TfidfVectorizer:
    return TfidfVectorizer(strip_accents="unicode", sublinear_tf=True, dtype=np.float32, **options)
