"""TFX components: thin wrappers around plain functions."""

import trainer  # noqa: F401  (decides on Keras before a library asks for it)
