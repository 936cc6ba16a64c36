"""Artifacts around the toy bundle, for components that are run by their executors."""

import os

import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_IDS


def artifact(kind, folder):
    result = kind()
    result.uri = str(folder)
    os.makedirs(result.uri, exist_ok=True)
    return result


def execute(component, inputs, outputs, parameters=None):
    """Runs a component's executor as TFX does: lists of artifacts by the names of inputs and outputs."""
    component.EXECUTOR_SPEC.executor_class().Do(inputs, outputs, parameters or {})


def model_artifact(folder, source):
    """A Model artifact whose Format-Serving is ``source``."""
    result = artifact(standard_artifacts.Model, folder)
    os.symlink(source, os.path.join(result.uri, "Format-Serving"))
    return result


def toy_artifacts(folder, kind="exact"):
    """The trainer's model and the bundle."""
    bundle = toy_bundle(kind)
    return model_artifact(folder / "model", bundle.model_dir), model_artifact(folder / "bundle", bundle.directory)


def examples_artifact(folder, histories, **others):
    """Raw examples: of the split ``test``, and of others by their names."""
    result = artifact(standard_artifacts.Examples, folder)
    result.split_names = artifact_utils.encode_split_names(["train", "test", *others])
    for name, users in {"test": histories, **others}.items():
        split = os.path.join(result.uri, f"Split-{name}")
        os.makedirs(split)
        with tf.io.TFRecordWriter(os.path.join(split, "part-0.gz"), "GZIP") as writer:
            for history in users:
                example = tf.train.Example()
                ids = [ITEM_IDS[row].encode() for row in history]
                example.features.feature["history"].bytes_list.value.extend(ids)
                example.features.feature["history_time"].int64_list.value.extend(range(len(ids)))
                writer.write(example.SerializeToString())
    return result
