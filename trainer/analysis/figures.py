"""Writes figures to files."""

import io
import os

import tensorflow as tf
from matplotlib.figure import Figure


def save_figure(figure: Figure, path: str) -> None:
    """Writes a figure whole or not at all.

    Args:
      figure: what to draw.
      path: where to; the ending says the format (png, svg, pdf).
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format=os.path.splitext(path)[1].lstrip(".") or "png", dpi=120)
    temporary = f"{path}.writing"
    with tf.io.gfile.GFile(temporary, "wb") as file:
        file.write(drawn.getvalue())
    tf.io.gfile.rename(temporary, path, overwrite=True)
