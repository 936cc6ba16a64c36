from importlib import metadata
from pathlib import Path

from pipeline.commands import doctor


def test_a_healthy_environment_is_all_ok():
    findings = list(doctor.examine())
    assert [f.subject for f in findings] == [
        "Python", "C library", "Packages", "Keras", "ScaNN op", "runs/", "served/", "Disk",
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


def test_every_direct_requirement_is_locked():
    lock = doctor.LOCK.read_text()
    for line in (Path(doctor.LOCK).parent / "requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            name = doctor.Requirement(line).name
            assert f"\n{name.lower()}==" in "\n" + lock


def test_the_lock_names_no_index():
    assert "://" not in "".join(
        line for line in doctor.LOCK.read_text().splitlines() if not line.lstrip().startswith("#")
    )
