"""Text encoder: a pre-trained language model such as BERT. Needs the extra: pip install polyrec[text]."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.settings import TextSettings
from trainer.errors import InputError

KIND = "transformer"
WEIGHTS = ("model.safetensors", "tf_model.h5")
"""The files a model may have its weights in, the first that is there; a pickle is not opened."""
_NEEDED = ("config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")


class LanguageModel:
    """TensorFlow's version of a Hugging Face model with a tokenizer, and the pooling of its last layer.

    Args:
      folder: with configuration, tokenizer and weights (safetensors, also of a PyTorch model, or TensorFlow's).
      pooling: ``mean`` over the tokens or ``cls``, the first one.
      max_tokens: a longer text is cut.

    Raises:
      InputError: the extra is not installed, or the folder holds no model that can be loaded.
    """

    def __init__(self, folder: str, pooling: str, max_tokens: int) -> None:
        transformers = _transformers()
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = transformers.TFAutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=_weights(folder) == WEIGHTS[0]
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise InputError(f"text.model: {folder} holds no model that can be loaded: {error}") from error
        self._pooling, self._max_tokens = pooling, max_tokens

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of texts, float32 [B, E]."""
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._max_tokens, return_tensors="tf"
        )
        states = self._model(tokens, training=False).last_hidden_state
        vectors: npt.NDArray[np.float32] = pooled(states, tokens["attention_mask"], self._pooling).numpy()
        return vectors


def pooled(states: tf.Tensor, mask: tf.Tensor, pooling: str) -> tf.Tensor:
    """One vector a text.

    Args:
      states: float [B, L, E], the tokens.
      mask: integer [B, L], 1 where a token is.
      pooling: ``mean`` or ``cls``.

    Returns:
      float32 [B, E].
    """
    states = tf.cast(states, tf.float32)
    if pooling == "cls":
        return states[:, 0]
    weights = tf.cast(mask, tf.float32)[:, :, tf.newaxis]
    return tf.reduce_sum(states * weights, axis=1) / tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)


def locate(settings: TextSettings) -> str:
    """The folder of the model; one on the hub is fetched, without executable parts, or taken from the hub's cache.

    Raises:
      InputError: there is no such model, or it has its weights in a pickle only.
    """
    name = str(settings.model)
    if os.path.isdir(name):
        folder = name
    else:
        _transformers()
        from huggingface_hub import snapshot_download

        try:
            folder = snapshot_download(name, revision=settings.revision, allow_patterns=[*_NEEDED, *WEIGHTS])
        except Exception as error:
            # The client's errors have no common ancestor but this one.
            raise InputError(
                f"text.model: {name!r} is no folder and cannot be had from the Hugging Face hub: {error}"
            ) from error
    _weights(folder)
    return folder


def width(folder: str) -> int:
    """E, as the model's configuration states it.

    Raises:
      InputError: it does not.
    """
    path = os.path.join(folder, "config.json")
    try:
        return int(json.loads(Path(path).read_text(encoding="utf-8"))["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"text.model: {path} does not state a hidden_size: {error!r}.") from error


def fingerprint(folder: str, pooling: str, max_tokens: int) -> str:
    """SHA-256 of all that decides on a vector: weights, configuration, tokenizer, pooling and length."""
    digest = hashlib.sha256(json.dumps([KIND, pooling, max_tokens]).encode())
    for path in _deciding(Path(folder)):
        with path.open("rb") as file:
            content = hashlib.sha256()
            while block := file.read(1 << 20):
                content.update(block)
        digest.update(f"\n{path.name} {content.hexdigest()}".encode())
    return digest.hexdigest()


def _deciding(folder: Path) -> Iterator[Path]:
    patterns = (*_NEEDED, _weights(str(folder)))
    for path in sorted(folder.iterdir()):
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in patterns):
            yield path


def _weights(folder: str) -> str:
    for name in WEIGHTS:
        if os.path.isfile(os.path.join(folder, name)):
            return name
    raise InputError(
        f"text.model: {folder} has none of {', '.join(WEIGHTS)}. Weights in a pickle (pytorch_model.bin) are not "
        "opened: save the model with save_pretrained(..., safe_serialization=True)."
    )


def _transformers() -> ModuleType | Any:
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            "text.encoder: transformer needs the package transformers, which is not installed here. "
            "Install it with: pip install 'polyrec[text]'. Or take text.encoder: tfidf."
        ) from error
    return transformers
