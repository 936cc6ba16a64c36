from importlib import metadata

import pytest

from pipeline.commands import doctor


def test_a_healthy_environment_is_all_ok():
    findings = list(doctor.examine())
    assert [f.subject for f in findings] == [
        "Python", "C library", "Stack", "Packages", "Keras", "ScaNN op", "runs/", "served/", "Disk",
    ]  # fmt: skip
    assert all(f.ok for f in findings if f.subject != "Disk")


def test_a_wrong_and_a_missing_package_are_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("click==0.1 \\\n    --hash=sha256:00\nno-such-thing==1\nrich==" + metadata.version("rich") + "\n")
    finding = doctor.packages(lock)
    assert not finding.ok
    assert "2 of 3" in finding.words
    assert f"click {metadata.version('click')} instead of 0.1" in finding.words
    assert "no-such-thing is missing" in finding.words
    assert "make set-up" in finding.words


def test_without_a_lock_the_ranges_of_the_distribution_count(tmp_path):
    finding = doctor.packages(tmp_path / "none")
    assert finding.ok
    assert "polyrec's requirements" in finding.words


def test_a_file_in_the_way_is_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    assert not doctor.writable(tmp_path / "file" / "runs").ok
    assert doctor.writable(tmp_path / "a" / "b").ok


@pytest.mark.parametrize("stack", [doctor.TODAY, doctor.OLDER], ids=lambda stack: stack.tfx)
def test_every_direct_requirement_is_locked(stack):
    lock = (doctor.ROOT / stack.lock).read_text()
    inputs = doctor.ROOT / stack.lock.replace(".lock", ".in")
    direct = [*inputs.read_text().splitlines(), *(doctor.ROOT / "requirements-common.in").read_text().splitlines()]
    names = [doctor.Requirement(line).name for line in direct if line and not line.startswith(("#", "-r "))]
    assert len(names) > 25
    assert {name for name in names if f"\n{name.lower()}==" not in "\n" + lock} == set()


@pytest.mark.parametrize("lock", sorted(path.name for path in doctor.ROOT.glob("*.lock")))
def test_the_lock_names_no_index(lock):
    lines = (doctor.ROOT / lock).read_text().splitlines()
    assert "://" not in "".join(line for line in lines if not line.lstrip().startswith("#"))


def _on(monkeypatch, glibc, python, tfx):
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("glibc", glibc))
    monkeypatch.setattr(doctor.sys, "version_info", (*python, 0))
    monkeypatch.setattr(doctor.metadata, "version", lambda name: tfx)


def test_a_new_system_with_an_old_python_is_told_of_the_stack_of_today(monkeypatch):
    _on(monkeypatch, "2.41", (3, 10), "1.16.0")
    assert doctor.stack() is doctor.OLDER
    assert doctor.python_version(doctor.OLDER).ok and doctor.glibc(doctor.OLDER).ok
    words = doctor.other_stack(doctor.OLDER).words
    assert "TFX 1.16" in words and "needs Python 3.11 or 3.12 or 3.13: install it, and run make set-up" in words


def test_an_old_system_is_told_what_the_stack_of_today_needs(monkeypatch):
    _on(monkeypatch, "2.36", (3, 11), "1.16.0")
    words = doctor.other_stack(doctor.OLDER).words
    assert "needs glibc 2.39 (here 2.36) and Python 3.11 or 3.12 or 3.13: Debian 13" in words


def test_the_stack_of_today_on_an_old_system_fails(monkeypatch):
    _on(monkeypatch, "2.36", (3, 14), "1.21.0")
    assert doctor.stack() is doctor.TODAY
    assert doctor.glibc(doctor.TODAY) == ("C library", False, "glibc 2.36: glibc 2.39 or newer is needed (ML Metadata)")
    assert "3.11 or 3.12 or 3.13 is needed" in doctor.python_version(doctor.TODAY).words
    assert "brings nothing here" in doctor.other_stack(doctor.TODAY).words


@pytest.mark.parametrize(
    ("glibc", "python", "expected"),
    [("2.39", (3, 11), doctor.TODAY), ("2.38", (3, 11), doctor.OLDER), ("2.41", (3, 10), doctor.OLDER)],
)
def test_without_tfx_the_stack_is_what_fits(monkeypatch, glibc, python, expected):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    _on(monkeypatch, glibc, python, "")
    monkeypatch.setattr(doctor.metadata, "version", missing)
    assert doctor.stack() is expected
