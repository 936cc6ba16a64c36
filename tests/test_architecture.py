"""The rules of the house that a machine can hold."""

import ast
import importlib.machinery
import re
import sys
from pathlib import Path

import pytest

from pipeline.config.run import load, presets
from trainer.models import registry

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("trainer", "serving", "components", "pipeline")  # a left one never imports a right one
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
LONGEST = 300

# Methods whose contract is that of the library's class they override.
INHERITED = {
    "build", "call", "compute_loss", "get_config",  # Keras
    "add_input", "create_accumulator", "expand", "extract_output", "merge_accumulators", "process", "setup", "teardown",
    "start_bundle", "finish_bundle",  # Beam
    "construct_mapping",  # yaml
}  # fmt: skip


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_dependencies_point_one_way(path):
    layer = LAYERS.index(path.relative_to(ROOT).parts[0])
    forbidden = set(LAYERS[layer + 1 :]) | {"tests", "benchmarks"}
    if LAYERS[layer] == "trainer":
        forbidden |= {"tfx", "apache_beam", "grpc", "tfx_bsl", "tensorflow_serving", "kfp"}
    assert not {name for name in _imports(path) if name.split(".")[0] in forbidden}


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_one_module_decides_on_keras(path):
    if _name(path) != "trainer/keras_api.py":
        assert not {name for name in _imports(path) if name.split(".")[0] in ("keras", "tf_keras")}
        assert not re.search(r"\btf\.keras\.(?!__)", path.read_text())


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_files_are_small(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def _undocumented(node: ast.Module | ast.ClassDef, prefix: str) -> list[str]:
    found = []
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or child.name.startswith("_"):
            continue
        name = f"{prefix}.{child.name}"
        accessor = any(isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter") for d in child.decorator_list)
        if not ast.get_docstring(child) and not accessor and child.name not in INHERITED:
            found.append(name)
        if isinstance(child, ast.ClassDef):
            found += _undocumented(child, name)
    return found


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_public_name_is_documented(path):
    module = ast.parse(path.read_text())
    missing = _undocumented(module, path.stem)
    assert not missing
    assert ast.get_docstring(module) or not module.body


def test_every_model_that_is_not_a_baseline_of_profiles_has_a_preset():
    assert {load(name).model.name for name in presets()} >= set(registry.names()) - {"shared_bottom", "mmoe"}


def test_no_file_of_the_pipeline_is_named_like_a_top_level_package():
    # TFX's command line puts the runner's folder first on the path, where such a file would hide the package.
    path = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "pipeline"]
    stems = {p.stem for p in (ROOT / "pipeline").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    clashes = {
        stem
        for stem in stems - {"__init__"}
        if stem in sys.stdlib_module_names or importlib.machinery.PathFinder.find_spec(stem, path) is not None
    }
    assert not clashes
