"""Paths and URLs, and folders of an object store, which TensorFlow's ram:// stands for: it cannot rename one."""

import pytest
import tensorflow as tf

from trainer.storage_paths import join, move_folder, parent, remove_folder


def write(path, text):
    tf.io.gfile.makedirs(parent(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)


def read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


@pytest.mark.parametrize(
    ("path", "levels", "above"),
    [
        ("gs://bucket/a/b/", 1, "gs://bucket/a"),
        ("s3://bucket/a/b", 2, "s3://bucket"),
        ("/runs/a//b/", 2, "/runs"),
        ("runs/a/b", 3, "."),
        ("/a", 1, "/"),
    ],
)
def test_the_folder_above(path, levels, above):
    assert parent(path, levels) == above


def test_a_bucket_has_no_folder_above_it():
    with pytest.raises(ValueError, match="gs://bucket/a has no 2 folders above it"):
        parent("gs://bucket/a", 2)


def test_joining():
    assert join("gs://bucket/a/", "b", "c") == "gs://bucket/a/b/c"
    assert join("/a", "b") == "/a/b"


@pytest.fixture(params=["disk", "ram"])
def folder(request, tmp_path):
    return str(tmp_path) if request.param == "disk" else f"ram://move/{tmp_path.name}"


def test_a_folder_takes_the_place_of_another(folder):
    for name, text in (("new/one", "1"), ("new/deep/er/two", "2"), ("old/three", "3")):
        write(join(folder, name), text)
    move_folder(join(folder, "new"), join(folder, "old"))
    assert read(join(folder, "old/one")) + read(join(folder, "old/deep/er/two")) == "12"
    assert not tf.io.gfile.exists(join(folder, "old/three"))
    assert not tf.io.gfile.exists(join(folder, "new"))


def test_an_object_store_has_no_empty_folder_to_move():
    write("ram://shop/old/one", "1")
    move_folder("ram://shop/new", "ram://shop/old")
    assert not tf.io.gfile.exists("ram://shop/old")


def test_what_is_not_there_is_removed_already(folder):
    remove_folder(join(folder, "nothing"))
    write(join(folder, "some/thing"), "1")
    remove_folder(join(folder, "some"))
    assert not tf.io.gfile.exists(join(folder, "some"))
