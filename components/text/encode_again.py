"""Encodes more texts with the encoder that a model was trained with."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.settings import TextSettings
from components.text import language_model, tfidf
from components.text.language_model import LanguageModel
from components.text.tfidf import TfidfEncoder
from trainer.data.text_vectors import EncoderDescription, read_description
from trainer.errors import InputError

_AT_A_TIME = 256


def encode_again(texts: Sequence[str], encoder: str) -> npt.NDArray[np.float32]:
    """Vectors of texts, float32 [M, E] of length 1; zero for a text without a known word.

    Args:
      texts: M texts.
      encoder: folder that :func:`components.text.encode.write_text_vectors` left.

    Raises:
      InputError: the encoder cannot be used here, or is another one by now.
    """
    description = read_description(encoder)
    if description.encoder == tfidf.KIND:
        encode = TfidfEncoder.load(encoder).encode
    else:
        encode = _language_model(description).encode
    parts = [np.asarray(encode(texts[start : start + _AT_A_TIME])) for start in range(0, len(texts), _AT_A_TIME)]
    vectors = np.concatenate([np.zeros((0, description.dimension), np.float32), *parts])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0), np.float32)


def _language_model(description: EncoderDescription) -> LanguageModel:
    settings = TextSettings(**description.settings)
    folder = language_model.locate(settings)
    if language_model.fingerprint(folder, settings.pooling, settings.max_tokens) != description.fingerprint:
        raise InputError(
            f"text.model: {settings.model} is not the language model that this model was trained with: its files have "
            "changed. Put those back, or train again."
        )
    return LanguageModel(folder, settings.pooling, settings.max_tokens)
