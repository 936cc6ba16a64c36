"""Configuration, pipeline graph, runners and the command line."""

import trainer  # noqa: F401  (decides on Keras before a library asks for it)
