"""Splits appear under their final names, in an object store as on a disk."""

import pytest
import tensorflow as tf

from components.ingestion.files.storage import publish, split_folder, write_records
from trainer.storage_paths import join


@pytest.mark.parametrize("place", ["disk", "ram"])
def test_a_split_without_a_file_is_published_as_none(place, tmp_path):
    folder = str(tmp_path) if place == "disk" else "ram://publish"
    staging = join(folder, ".partial")
    tf.io.gfile.makedirs(split_folder(staging, "train"))
    write_records(join(split_folder(staging, "train"), "part.gz"), [b"one"])
    tf.io.gfile.makedirs(split_folder(folder, "train"))
    write_records(join(split_folder(folder, "train"), "earlier.gz"), [b"two"])
    if place == "disk":  # an object store has nothing there
        tf.io.gfile.makedirs(split_folder(staging, "test"))
    publish(staging, folder, ["train", "test"])
    assert tf.io.gfile.listdir(split_folder(folder, "train")) == ["part.gz"]
    assert not tf.io.gfile.glob(join(split_folder(folder, "test"), "*"))
    assert not tf.io.gfile.exists(staging)
