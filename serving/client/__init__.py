"""Client of a served model: ids in, ids out. Needs neither TensorFlow nor the trainer."""

from serving.client.client import Client

__all__ = ["Client"]
