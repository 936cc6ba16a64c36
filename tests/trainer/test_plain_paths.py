"""Links around characters of patterns: TensorFlow finds its files there, and metadata find them again."""

import os
from pathlib import Path

import pytest
import tensorflow as tf

from trainer.errors import InputError
from trainer.plain_paths import PATTERNS, plain_path, refuse_patterns

NAMES = ["r[1]", "a*", "b?", "c\\d", "[!x]*?"]


@pytest.fixture
def links(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "polyrec" / "paths"


@pytest.mark.parametrize("path", ["/a/b c/{d}/é'#%", "relative", "gs://bucket/folder"])
def test_a_plain_path_stays(links, path):
    assert plain_path(path) == path
    assert not links.exists()


@pytest.mark.parametrize("name", NAMES)
def test_tensorflow_finds_its_checkpoint_and_its_files(tmp_path, links, name):
    folder = tmp_path / name / "below" / name / "model"
    folder.parent.mkdir(parents=True)
    path = plain_path(str(folder))
    assert not set(path) & set(PATTERNS)
    os.mkdir(path)
    tf.train.Checkpoint(v=tf.Variable([3.0, 4.0])).write(os.path.join(path, "weights"))
    assert sorted(os.listdir(folder)) == ["weights.data-00000-of-00001", "weights.index"]
    restored = tf.Variable([0.0, 0.0])
    tf.train.Checkpoint(v=restored).read(os.path.join(path, "weights")).assert_consumed()
    assert restored.numpy().tolist() == [3.0, 4.0]
    assert len(tf.io.gfile.glob(os.path.join(path, "*"))) == 2


def test_a_place_has_one_path_and_the_link_is_of_the_folder_above(tmp_path, links, monkeypatch):
    first = plain_path(str(tmp_path / "r[1]" / "one"))
    assert plain_path(str(tmp_path / "r[1]" / "two")) == str(Path(first).with_name("two"))
    monkeypatch.chdir(tmp_path)
    assert plain_path("r[1]/one") == first
    (link,) = links.iterdir()
    assert os.readlink(link) == str(tmp_path / "r[1]")
    assert plain_path(str(tmp_path / "r[2]" / "one")) != first


def test_a_link_that_leads_elsewhere_is_put_right(tmp_path, links):
    link = Path(plain_path(str(tmp_path / "r[1]")))
    link.unlink()
    link.symlink_to(tmp_path)
    assert plain_path(str(tmp_path / "r[1]")) == str(link)
    assert os.readlink(link) == str(tmp_path / "r[1]")


def test_where_no_link_can_be_made_it_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"gs://b/r\[1\] has \[ in it"):
        plain_path("gs://b/r[1]")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="Set XDG_CACHE_HOME to a folder that can be written"):
        plain_path(str(tmp_path / "r[1]"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x*"))
    with pytest.raises(InputError, match=r"its path has \* in it as well"):
        plain_path(str(tmp_path / "r[1]"))


def test_a_refusal_names_key_character_and_remedy():
    refuse_patterns("pipeline.root", "/runs/{a} b")
    with pytest.raises(
        InputError, match=r"pipeline.root: /runs/a\? has \? in it, .* Take a folder without any of \* \?"
    ):
        refuse_patterns("pipeline.root", "/runs/a?")
