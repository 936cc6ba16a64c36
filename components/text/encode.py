"""Encodes the texts of item examples with the configured encoder."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.ingestion.files.storage import full_disk_in_words, write_records, write_text
from components.settings import TextSettings
from components.text import language_model, tfidf
from components.text.batch_encoding import encode_on_beam
from components.text.cache import TextCache, key_of
from components.text.examples import vector_examples
from components.text.language_model import LanguageModel
from components.text.texts import read_texts
from components.text.tfidf import TfidfEncoder
from trainer.data.text_vectors import DESCRIPTION, ENCODER, VECTORS, EncoderDescription, read_description
from trainer.errors import InputError

_AT_A_TIME = 4096

progress = logging.getLogger("polyrec.progress")

Vectors = Callable[[int, int], npt.NDArray[np.float32]]
"""Vectors float32 [B, E] of the texts from one number to another."""


def write_text_vectors(
    item_files: Sequence[str],
    settings: TextSettings,
    directory: str,
    cache: str,
    make_pipeline: Callable[[], Any],
    base_encoder: str | None = None,
) -> EncoderDescription:
    """Encodes the items' texts and writes what trainer/data/text_vectors.py reads.

    Every vector is brought to length 1, whichever encoder made it: item vectors then start as short as embeddings do,
    and training is quicker. An item whose text
    is missing, or has no word that the encoder knows, is left out; their number is logged.

    Args:
      item_files: TFRecord files (gzip) of item examples.
      settings: the encoder.
      directory: where to.
      cache: folder of texts encoded earlier, by language models.
      make_pipeline: makes a Beam pipeline, for language models.
      base_encoder: folder of the encoder that a base model was trained with; it is used as it is.

    Returns:
      the encoder's description.

    Raises:
      InputError: no item has a text, the encoder cannot be used, or is not the base model's.
    """
    ids, texts, without = read_texts(item_files, settings.fields)
    if not texts:
        raise InputError(
            "No item has a text to encode: set data.items, and data.item_columns.text or .title"
            + (", or change text.fields." if settings.fields else ".")
        )
    base = None if base_encoder is None else read_description(base_encoder)
    if base is not None and base.encoder != settings.encoder:
        raise InputError(
            f"text.encoder: {settings.encoder} is not the encoder of the base model, {base.encoder}: what was learned "
            "of one encoder's vectors says nothing of another's. Leave the section text out."
        )
    folder = os.path.join(directory, ENCODER)
    with full_disk_in_words(directory):
        tf.io.gfile.makedirs(folder)
        if settings.encoder == tfidf.KIND:
            description, vectors = _by_words(texts, settings, folder, base_encoder)
        else:
            description, vectors = _by_language_model(texts, settings, cache, make_pipeline)
        if base is not None and base.fingerprint != description.fingerprint:
            raise InputError(
                f"The base model was trained with another text encoder of the kind {base.encoder} "
                f"({base.settings}). Leave the section text out, or set text.model to the same files."
            )
        written = 0

        def examples() -> Iterator[bytes]:
            nonlocal written
            for start in range(0, len(texts), _AT_A_TIME):
                batch = vectors(start, start + _AT_A_TIME)
                lengths = np.linalg.norm(batch, axis=1)
                said = np.flatnonzero(lengths > 0)
                written += len(said)
                scaled = batch[said] / lengths[said][:, np.newaxis]
                yield from vector_examples([ids[start + row] for row in said], scaled)

        write_records(os.path.join(directory, VECTORS.replace("*", "00000-of-00001")), examples())
        write_text(os.path.join(folder, DESCRIPTION), description.model_dump_json(indent=1))
    progress.info(
        "%s: vectors of width %d for %s items; %s items have no text, %s none with a known word",
        settings.encoder, description.dimension, f"{written:,}", f"{without:,}", f"{len(texts) - written:,}",
    )  # fmt: skip
    return description


def _by_words(
    texts: Sequence[str], settings: TextSettings, folder: str, base_encoder: str | None
) -> tuple[EncoderDescription, Vectors]:
    encoder = TfidfEncoder.fit(texts, settings) if base_encoder is None else TfidfEncoder.load(base_encoder)
    encoder.save(folder)
    description = EncoderDescription(
        encoder=tfidf.KIND,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        settings={"encoder": tfidf.KIND},
    )
    return description, lambda start, stop: encoder.encode(texts[start:stop])


def _by_language_model(
    texts: Sequence[str], settings: TextSettings, cache_root: str, make_pipeline: Callable[[], Any]
) -> tuple[EncoderDescription, Vectors]:
    model = language_model.locate(settings)
    pooling, max_tokens = settings.pooling, settings.max_tokens
    described = {name: getattr(settings, name) for name in ("encoder", "model", "revision", "pooling", "max_tokens")}
    description = EncoderDescription(
        encoder=language_model.KIND,
        fingerprint=language_model.fingerprint(model, pooling, max_tokens),
        dimension=language_model.width(model),
        settings=described,
    )
    cache = TextCache(cache_root, description.fingerprint, description.dimension)
    keys = [key_of(text) for text in texts]
    found = cache.look_up(keys)
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
    progress.info("transformer: %s texts, of which %s are encoded now", f"{len(set(keys)):,}", f"{len(new):,}")
    if new:
        # Here, where a model that does not load can still be said in words: Beam wraps what its workers raise.
        LanguageModel(model, pooling, max_tokens)
        staging = cache.staging()
        encode_on_beam(new, model, pooling, max_tokens, settings.batch_size, staging, make_pipeline)
        cache.adopt(staging)
        found |= cache.look_up(new)
    return description, lambda start, stop: np.stack([found[key] for key in keys[start:stop]])
