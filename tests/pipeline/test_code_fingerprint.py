import pytest

from pipeline.code_fingerprint import fingerprint


def test_content_and_names_count_and_other_files_do_not(tmp_path):
    folder = tmp_path / "part"
    folder.mkdir()
    (folder / "a.py").write_text("1")
    (tmp_path / "b.py").write_text("2")
    first = fingerprint(["part", "b.py"], tmp_path)
    assert first == fingerprint(["b.py", "part", "part/a.py"], tmp_path)
    (folder / "a.txt").write_text("x")
    (tmp_path / "c.py").write_text("3")
    assert first == fingerprint(["part", "b.py"], tmp_path)
    (folder / "a.py").write_text("1 ")
    changed = fingerprint(["part", "b.py"], tmp_path)
    assert changed != first
    (folder / "a.py").rename(folder / "z.py")
    assert fingerprint(["part", "b.py"], tmp_path) not in (first, changed)


def test_a_missing_part_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        fingerprint(["nothing"], tmp_path)
