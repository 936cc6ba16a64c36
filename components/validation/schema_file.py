"""The schema file that somebody keeps beside the configuration."""

import hashlib

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer.errors import InputError


def content_of(schema_file: str) -> str:
    """The SHA-256 of a schema that can be read.

    Raises:
      InputError: see :func:`read_schema`.
    """
    return hashlib.sha256(read_schema(schema_file).SerializeToString(deterministic=True)).hexdigest()


def read_schema(path: str) -> schema_pb2.Schema:
    """Reads ``validation.schema_path``.

    Raises:
      InputError: there is no such file, or it holds no schema.
    """
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        what = "is a folder" if tf.io.gfile.exists(path) else "does not exist"
        raise InputError(f"validation.schema_path: {path} {what}. Give a schema.pbtxt, or leave it out to infer one.")
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            text = bytes(file.read()).decode("utf-8")
        schema = text_format.Parse(text, schema_pb2.Schema())
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"validation.schema_path: {path} cannot be read: {error}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(
            f"validation.schema_path: {path} is not a schema (text form of tensorflow.metadata.v0.Schema), "
            f"line:column {error}"
        ) from error
    if not schema.feature:
        raise InputError(f"validation.schema_path: {path} describes no feature. Copy the schema.pbtxt of a run.")
    return schema
