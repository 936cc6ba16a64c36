"""Mixed precision: half precision in the encoders, float32 elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainer.keras_api import keras
from trainer.settings import Precision


@contextmanager
def mixed_precision(kind: Precision) -> Iterator[None]:
    """Layers made and built inside compute in ``kind``; their variables are float32. What was set before is restored.

    A Keras layer takes its policy when it is made, and many make their parts when they are built: a model has to be
    made and called for the first time inside. After that it keeps its precision wherever it is called.

    Args:
      kind: ``none`` (float32), ``float16`` or ``bfloat16``.
    """
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32" if kind == "none" else f"mixed_{kind}")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
