"""Models, layers, losses, metrics and the training loop: TensorFlow and Keras only.

Importing the package decides on Keras 2, which TensorFlow Transform, TensorFlow Model Analysis and TensorFlow
Recommenders need. TensorFlow reads the variable when Keras is first touched.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
