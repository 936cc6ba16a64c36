"""Models, layers, losses, metrics and the training loop: TensorFlow and Keras only.

Importing the package decides on Keras 2, which TensorFlow Transform, TensorFlow Model Analysis and TensorFlow
Recommenders need. TensorFlow reads the variable when Keras is first touched. A server is installed without Keras and
without these libraries, and TensorFlow refuses to be imported where a Keras 2 that was decided on is missing.
"""

import contextlib
import importlib.util
import os

with contextlib.suppress(ModuleNotFoundError):
    if importlib.util.find_spec("tf_keras") is not None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
