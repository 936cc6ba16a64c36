"""A version appears whole, newest, and verified; or not at all."""

import errno
import os
import re
import shutil
import time

import pytest

from serving.bundle import manifest
from serving.publish import push
from serving.publish.push import push_bundle, unchanged_version
from tests.serving.toy_bundle import toy_bundle
from trainer.errors import InputError


@pytest.fixture
def bundle():
    return toy_bundle("exact", True).directory


def test_the_version_is_a_verified_copy_named_by_the_time(bundle, tmp_path):
    before = int(time.time())
    version = push_bundle(bundle, str(tmp_path / "served" / "polyrec"))
    assert before <= int(version.name) <= int(time.time())
    assert version.parent == tmp_path / "served" / "polyrec"
    assert manifest.verify(version) == manifest.read(bundle)
    assert os.listdir(version.parent) == [version.name]
    assert version.stat().st_mode & 0o777 == 0o755


def test_versions_only_grow(bundle, tmp_path):
    newest = int(time.time()) + 5000
    (tmp_path / str(newest)).mkdir()
    (tmp_path / "999999999999999-not-a-version").mkdir()
    versions = [int(push_bundle(bundle, str(tmp_path)).name) for _ in range(2)]
    assert versions == [newest + 1, newest + 2]


def test_only_a_newest_version_that_is_the_bundle_and_whole_is_unchanged(bundle, tmp_path):
    base = str(tmp_path / "served")
    assert unchanged_version(bundle, base) is None
    version = push_bundle(bundle, base)
    assert unchanged_version(bundle, base) == version
    made = version / manifest.MANIFEST
    made.write_text(re.sub(r'"created": *"[^"]*"', '"created": "2001-01-01T00:00:00+00:00"', made.read_text()))
    assert unchanged_version(bundle, base) == version
    assert unchanged_version(toy_bundle("exact").directory, base) is None
    newer = push_bundle(toy_bundle("exact").directory, base)
    assert unchanged_version(bundle, base) is None
    shutil.rmtree(newer)
    (version / "saved_model.pb").write_bytes(b"half")
    assert unchanged_version(bundle, base) is None


def test_a_version_that_refresh_made_from_the_bundle_stays(bundle, tmp_path):
    base = str(tmp_path / "served")
    origin = push_bundle(bundle, base)
    for source in (origin, tmp_path / "served" / str(int(origin.name) + 1)):
        refreshed = tmp_path / "served" / str(int(source.name) + 1)
        shutil.copytree(source, refreshed)
        stated = manifest.read(refreshed)
        numbers = dict.fromkeys(("added", "removed", "updated", "by_text", "by_category", "by_vector"), 0)
        made_from = manifest.MadeFrom(version=source.name, fingerprint=stated.fingerprint, **numbers)
        (refreshed / manifest.MANIFEST).write_text(
            stated.model_copy(update={"made_from": made_from, "default_k": 9}).model_dump_json()
        )
        assert unchanged_version(bundle, base) == refreshed
    assert unchanged_version(toy_bundle("exact").directory, base) is None
    shutil.rmtree(origin)
    assert unchanged_version(bundle, base) is None


def test_a_number_taken_meanwhile_is_passed_over(bundle, tmp_path, monkeypatch):
    taken = tmp_path / str(int(time.time()) + 1000)
    taken.mkdir()
    (taken / "saved_model.pb").touch()
    looks = iter([{int(taken.name) - 1: taken}, {int(taken.name): taken}])
    monkeypatch.setattr(push, "find_versions", lambda base: next(looks))
    assert push_bundle(bundle, str(tmp_path)).name == str(int(taken.name) + 1)


def test_a_damaged_bundle_is_not_pushed(bundle, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle, damaged)
    (damaged / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(InputError, match=r"saved_model\.pb was changed"):
        push_bundle(str(damaged), str(tmp_path / "served"))
    assert os.listdir(tmp_path / "served") == []


def test_a_full_disk_leaves_nothing_and_what_was_served(bundle, tmp_path, monkeypatch):
    first = push_bundle(bundle, str(tmp_path))
    copied = []

    real = shutil.copyfile

    def full(source, target, **options):
        if len(copied) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        copied.append(target)
        return real(source, target, **options)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match="no space left"):
        push_bundle(bundle, str(tmp_path))
    assert len(copied) == 3
    assert os.listdir(tmp_path) == [first.name]
    manifest.verify(first)


def test_a_folder_that_cannot_be_made_is_told(bundle, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        push_bundle(bundle, str(tmp_path / "file" / "served"))


def test_a_remote_folder_is_refused(bundle):
    with pytest.raises(InputError, match="mounted file system"):
        push_bundle(bundle, "gs://bucket/served")


def test_what_a_killed_push_left_is_removed_after_a_day(bundle, tmp_path):
    old, young = tmp_path / ".push-old", tmp_path / ".push-young"
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    version = push_bundle(bundle, str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [".push-young", version.name]
