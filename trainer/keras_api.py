"""The only module that imports Keras: version 2, as ``trainer`` decides."""

import tf_keras as keras

register = keras.saving.register_keras_serializable(package="polyrec")

__all__ = ["keras", "register"]
