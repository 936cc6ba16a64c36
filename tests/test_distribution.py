"""The wheel: built without network, installed and imported somewhere else."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("trainer", "serving", "components", "pipeline")

IMPORTS = """
import pathlib, sys
import trainer.errors, serving.client, components.settings, pipeline.config, pipeline.cli
where = pathlib.Path(sys.argv[1])
for module in (trainer.errors, serving.client, components.settings, pipeline.cli):
    assert where in pathlib.Path(module.__file__).parents, module.__file__
assert "comirec_sa" in pipeline.config.presets()
"""


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_installs_and_imports_elsewhere(tmp_path):
    source, wheels, target = tmp_path / "source", tmp_path / "wheels", tmp_path / "target"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source / name)
    _pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.glob("polyrec-*.whl")
    _pip("install", "--no-index", "--no-deps", "--target", str(target), str(wheel))
    subprocess.run(
        [sys.executable, "-c", IMPORTS, str(target)], cwd=tmp_path, env={"PYTHONPATH": str(target)}, check=True
    )
    assert (target / "bin" / "polyrec").exists()
    installed = {path.relative_to(target) for package in PACKAGES for path in (target / package).rglob("*.py")}
    assert installed == {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


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
