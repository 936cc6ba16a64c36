"""The wheel: built without network, installed and imported somewhere else."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("trainer", "serving", "components", "pipeline")

IMPORTS = """
import pathlib, sys
import trainer.errors, serving.client, components.settings, pipeline.config.run, pipeline.cli
where = pathlib.Path(sys.argv[1])
for module in (trainer.errors, serving.client, components.settings, pipeline.cli):
    assert where in pathlib.Path(module.__file__).parents, module.__file__
assert "comirec_sa" in pipeline.config.run.presets()
"""


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the wheel was installed into."""
    folder = tmp_path_factory.mktemp("distribution")
    source, wheels, target = folder / "source", folder / "wheels", folder / "target"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    _pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.glob("polyrec-*.whl")
    _pip("install", "--no-index", "--no-deps", "--target", str(target), str(wheel))
    return target


@pytest.fixture(scope="module")
def distribution(installed):
    (found,) = importlib.metadata.distributions(name="polyrec", path=[str(installed)])
    return found


def test_the_wheel_installs_and_imports_elsewhere(installed, tmp_path):
    subprocess.run(
        [sys.executable, "-c", IMPORTS, str(installed)], cwd=tmp_path, env={"PYTHONPATH": str(installed)}, check=True
    )
    assert (installed / "bin" / "polyrec").exists()
    modules = {path.relative_to(installed) for package in PACKAGES for path in (installed / package).rglob("*.py")}
    assert modules == {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_that_a_package_is_typed(installed, package):
    assert (installed / package / "py.typed").is_file()


def test_the_licence_comes_along(distribution):
    assert distribution.metadata["License"] == "Apache-2.0"
    assert "License :: OSI Approved :: Apache Software License" in distribution.metadata.get_all("Classifier")
    assert distribution.read_text("LICENSE") == (ROOT / "LICENSE").read_text()
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_long_description_is_the_readme(distribution):
    assert distribution.metadata["Description-Content-Type"] == "text/markdown"
    assert distribution.metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()


def test_the_version_is_that_of_the_newest_release(distribution):
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = [re.fullmatch(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})", heading) for heading in headings[1:]]
    assert headings[0] == "Unreleased"
    assert releases and all(releases), headings
    version, date = releases[0].groups()
    assert distribution.version == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["date-released"]) == (version, date)
    assert citation["license"] == distribution.metadata["License"]


def test_set_up_begins_with_the_package_that_has_to_be_compiled():
    """It installs the lock's pin, with hashes, and nothing else, before anything that takes a minute."""
    script = (ROOT / "bootstrap.sh").read_text()
    select = next(line for line in script.splitlines() if line.startswith("awk "))
    assert script.index(select) < script.index("pip sync")
    command = select.partition(" > ")[0]
    chosen = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, *hashes = chosen.splitlines()
    assert first.startswith("pyfarmhash==")
    assert hashes and all(line.lstrip().startswith("--hash=sha256:") for line in hashes)
    assert chosen in (ROOT / "requirements.lock").read_text()
