"""The wheel: built without network, installed and imported somewhere else."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

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
    (licence,) = [file for file in distribution.files if file.name == "LICENSE"]
    assert licence.read_text() == (ROOT / "LICENSE").read_text()
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


def _part(function_call: str, lock: str) -> str:
    """What set-up's own function makes of a lock."""
    script = (ROOT / "bootstrap.sh").read_text()
    function = next(line for line in script.splitlines() if line.startswith("part() {"))
    program = f"lock={lock}\n{function}\n{function_call}"
    return subprocess.run(["sh", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_set_up_begins_with_the_package_that_has_to_be_compiled():
    """It installs the lock's pin, with hashes, and nothing else, before anything that takes a minute."""
    script = (ROOT / "bootstrap.sh").read_text()
    call = "part '^pyfarmhash==' 0"
    assert script.index(call) < script.index("pip sync --quiet --require-hashes --compile-bytecode $OLDER_LOCK_DATES")
    chosen = _part(call, "requirements-glibc236.lock")
    first, *hashes = chosen.splitlines()
    assert first.startswith("pyfarmhash==")
    assert hashes and all(line.lstrip().startswith("--hash=sha256:") for line in hashes if "#" not in line)
    assert chosen in (ROOT / "requirements-glibc236.lock").read_text()


def test_set_up_installs_each_package_of_the_older_lock_once():
    lock = (ROOT / "requirements-glibc236.lock").read_text()
    calls = re.findall(r"part '(\S+)' ([01]) > \"\$(own|rest)\"", (ROOT / "bootstrap.sh").read_text())
    assert [name for *_, name in calls] == ["own", "rest"]
    own, rest = (_part(f"part '{names}' {but}", "requirements-glibc236.lock") for names, but, _ in calls)
    pins = re.compile(r"^[a-z0-9][^ ]*==", re.MULTILINE)
    assert pins.findall(own) == ["ml-pipelines-sdk==", "tfx=="]
    assert sorted(pins.findall(own) + pins.findall(rest)) == sorted(pins.findall(lock))


def test_the_client_is_all_that_the_distribution_needs_by_itself(distribution):
    needed = [Requirement(text) for text in distribution.requires]
    assert {found.name for found in needed if not found.marker} == {"grpcio", "numpy", "protobuf"}
    assert "client" in distribution.metadata.get_all("Provides-Extra")
    assert distribution.metadata["Requires-Python"] == ">=3.9"
    of_pipeline = {found.name for found in needed if found.marker and found.marker.evaluate({"extra": "pipeline"})}
    assert {"tfx", "tensorflow", "tensorflow-recommenders", "scann", "apache-beam"} <= of_pipeline


CLIENT = """
import sys

class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "pydantic", "click", "trainer", "pipeline", "components"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Barred())
from serving.client import Client
print(Client.__name__)
"""


def test_the_client_imports_without_the_rest(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], cwd=tmp_path, env={"PYTHONPATH": str(installed)}, capture_output=True, text=True
    )
    assert done.stdout == "Client\n", done.stderr


def test_the_command_without_the_pipeline_says_what_to_install(installed, tmp_path):
    program = "import sys; sys.modules['click'] = None; from pipeline.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the package click is not installed here."), done.stderr
