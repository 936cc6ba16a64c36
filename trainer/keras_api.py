"""The only place that decides which Keras is used, and the only one that imports it.

TensorFlow Transform, TensorFlow Model Analysis and TensorFlow Recommenders need Keras 2. TensorFlow reads
the variable when Keras is first touched, so it is set here before anything else happens.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tf_keras as keras

register = keras.saving.register_keras_serializable(package="polyrec")

__all__ = ["keras", "register"]
