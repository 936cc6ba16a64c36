"""Text vectors as tf.Examples (trainer/data/schema.py)."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.write.examples import lists, one_each
from trainer.data import schema


def vector_examples(ids: Sequence[bytes], vectors: npt.NDArray[np.float32]) -> Iterator[bytes]:
    """Serialized examples.

    Args:
      ids: B ids.
      vectors: float32 [B, E].
    """
    count, width = vectors.shape
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    columns = {
        schema.ITEM_ID: one_each(pa.array(list(ids), pa.binary())),
        schema.TEXT_VECTOR: lists(np.arange(count + 1) * width, flat),
    }
    yield from RecordBatchToExamplesEncoder().encode(
        pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    )
