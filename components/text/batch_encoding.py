"""Encodes texts with a language model, on Beam."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.utils.shared import Shared

from components.text.examples import vector_examples
from components.text.language_model import LanguageModel

_SMALLEST_BATCH = 8


class _Encode(beam.DoFn):
    """Batches of (key, text) to serialized examples. One model a process, whatever the number of threads."""

    def __init__(self, folder: str, pooling: str, max_tokens: int, shared: Shared) -> None:
        self._arguments, self._shared = (folder, pooling, max_tokens), shared

    def setup(self) -> None:
        self._model = self._shared.acquire(lambda: LanguageModel(*self._arguments))

    def process(self, batch: list[tuple[bytes, str]]) -> Iterator[bytes]:
        keys, texts = zip(*batch, strict=True)
        yield from vector_examples(keys, np.asarray(self._model.encode(texts)))


def encode_on_beam(
    texts: Mapping[bytes, str],
    folder: str,
    pooling: str,
    max_tokens: int,
    batch_size: int,
    output: str,
    make_pipeline: Callable[[], Any],
) -> None:
    """Writes the vectors of texts as TFRecord files (gzip) into a folder.

    Args:
      texts: key -> text.
      folder: of the language model.
      pooling: see :class:`~components.text.language_model.LanguageModel`.
      max_tokens: the same.
      batch_size: texts encoded at once, at most.
      output: an existing folder.
      make_pipeline: makes the Beam pipeline.
    """
    # Texts of about one length in a batch: the shorter are padded to the longest.
    ordered: Iterable[tuple[bytes, str]] = sorted(texts.items(), key=lambda item: (len(item[1]), item[0]))
    with make_pipeline() as pipeline:
        (
            pipeline
            | "Texts" >> beam.Create(ordered, reshuffle=False)
            | "Batch" >> beam.BatchElements(min(_SMALLEST_BATCH, batch_size), batch_size)
            | "Encode" >> beam.ParDo(_Encode(folder, pooling, max_tokens, Shared()))
            | "Write" >> beam.io.WriteToTFRecord(f"{output}/vectors", file_name_suffix=".gz")
        )
