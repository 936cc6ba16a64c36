import hashlib
import json
import os

import pytest

from serving.bundle import manifest
from serving.bundle.manifest import BundleError
from trainer.errors import InputError

FIELDS = {
    "model": "comirec_sa",
    "created": "2024-01-01T00:00:00+00:00",
    "fingerprint": {"vocabulary": "1" * 64, "tower": "2" * 64, "index": "3" * 64},
    "kind": "scann",
    "items": 10,
    "dimension": 4,
    "interests": 2,
    "default_k": 20,
    "user_features": {"city": "categorical", "age": "numeric"},
    "batching": {
        "recommend": {
            "inputs": [{"history": "empty", "history_time": "zero"}],
            "shared_inputs": [],
            "shared_outputs": [],
        }
    },
}


@pytest.fixture
def version(tmp_path):
    folder = tmp_path / "1"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    manifest.write(folder, **FIELDS)
    return folder


def change(folder, **changes):
    path = folder / manifest.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_written(version):
    content = json.loads((version / "assets.extra" / "manifest.json").read_text())
    assert content == {
        "format": 1,
        "model": "comirec_sa",
        "created": "2024-01-01T00:00:00+00:00",
        "fingerprint": FIELDS["fingerprint"],
        "kind": "scann",
        "items": 10,
        "dimension": 4,
        "interests": 2,
        "default_k": 20,
        "inputs": {"user_features": {"city": "categorical", "age": "numeric"}},
        "batching": FIELDS["batching"],
        "files": {
            "saved_model.pb": hashlib.sha256(b"graph").hexdigest(),
            "variables/variables.index": hashlib.sha256(b"index").hexdigest(),
        },
    }


def test_writing_again_gives_the_same_bytes(version):
    before = (version / manifest.MANIFEST).read_bytes()
    manifest.write(version, **FIELDS)
    assert (version / manifest.MANIFEST).read_bytes() == before
    assert os.listdir(version / "assets.extra") == ["manifest.json"]


def test_an_untouched_folder_is_verified(version):
    assert manifest.verify(version) == manifest.read(version)
    assert manifest.read(version).inputs.user_features == {"city": "categorical", "age": "numeric"}


def test_the_first_missing_file_is_named(version):
    (version / "saved_model.pb").unlink()
    (version / "variables" / "variables.index").unlink()
    with pytest.raises(BundleError, match=r"1: saved_model\.pb is missing"):
        manifest.verify(version)


def test_an_additional_file_is_named(version):
    (version / "variables" / "more").write_bytes(b"")
    with pytest.raises(BundleError, match=r"variables/more is not in the manifest"):
        manifest.verify(version)


def test_a_changed_file_is_named(version):
    (version / "variables" / "variables.index").write_bytes(b"inder")
    with pytest.raises(BundleError, match=r"variables/variables\.index was changed"):
        manifest.verify(version)


def test_a_link_is_refused_even_if_its_content_fits(version, tmp_path):
    (tmp_path / "outside").write_bytes(b"graph")
    (version / "saved_model.pb").unlink()
    (version / "saved_model.pb").symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match=r"saved_model\.pb is a link"):
        manifest.verify(version)


def test_a_linked_folder_is_refused(version, tmp_path):
    (tmp_path / "outside").mkdir()
    (version / "assets").symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match="assets is a link"):
        manifest.verify(version)


def test_no_manifest(tmp_path):
    with pytest.raises(BundleError, match="still being written, or is no bundle"):
        manifest.verify(tmp_path)
    assert issubclass(BundleError, InputError)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a//b", "./a", "a\\b"])
def test_a_path_that_could_leave_the_folder_is_refused(version, name):
    change(version, files={name: "0" * 64})
    with pytest.raises(BundleError, match="not a plain path inside"):
        manifest.verify(version)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format"),
        ({"kind": "faiss"}, "kind"),
        ({"items": 0}, "items"),
        ({"fingerprint": {"vocabulary": "x", "tower": "y", "index": "z"}}, r"fingerprint\.vocabulary"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_field_that_is_not_right_is_named(version, changes, words):
    change(version, **changes)
    with pytest.raises(BundleError, match=f"not valid: {words}"):
        manifest.read(version)


def test_half_a_manifest(version):
    path = version / manifest.MANIFEST
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BundleError, match="not valid: the file: "):
        manifest.verify(version)


def test_wrong_arguments_are_told_before_anything_is_written(version):
    (version / manifest.MANIFEST).unlink()
    with pytest.raises(BundleError, match="default_k"):
        manifest.write(version, **(FIELDS | {"default_k": 0}))
    assert not (version / manifest.MANIFEST).exists()
