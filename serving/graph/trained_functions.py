"""Functions of a trained model on requests and texts, without its other state."""

from typing import Any

import tensorflow as tf

VECTORS_FROM_TEXT = "vectors_from_text"
_FUNCTIONS = ("encode", VECTORS_FROM_TEXT)


class TrainedFunctions(tf.Module):
    """The trained ``encode`` and, where there is one, ``vectors_from_text``.

    With them come the variables and tables that they use, and nothing else of the trained model.

    It can be made of itself, loaded again.

    Args:
      trained: the trainer's SavedModel, loaded.
    """

    def __init__(self, trained: Any) -> None:
        super().__init__()
        captured = set()
        for name in _FUNCTIONS:
            if (function := getattr(trained, name, None)) is None:
                continue
            setattr(self, name, function)
            captured |= {id(tensor) for concrete in function.concrete_functions for tensor in concrete.captured_inputs}
        self.resources = [
            node
            for node in tf.train.TrackableView(trained).descendants()
            if id(getattr(node, "handle", None)) in captured or id(getattr(node, "resource_handle", None)) in captured
        ]
