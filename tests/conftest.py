"""Settings of the test session: Keras 2 and a quiet TensorFlow, chosen before anything imports it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import trainer.keras_api  # noqa: F401
