"""The rules of the house that a machine can hold."""

import ast
import graphlib
import importlib.machinery
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config.run import load, presets
from pipeline.families.lookup import FAMILIES as PIPELINE_FAMILIES
from serving.families.lookup import FAMILIES as SERVING_FAMILIES
from trainer.families.lookup import FAMILIES as TRAINER_FAMILIES
from trainer.models import registry

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("trainer", "serving", "components", "pipeline")
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
LONGEST = 300
MOST_FILES = 12

PIPELINE_LIBRARIES = {"tfx", "tfx_bsl", "apache_beam", "kfp"}
KERAS_LIBRARIES = {"tensorflow_transform", "tensorflow_model_analysis", "tensorflow_recommenders", "transformers"}
"""They touch Keras when they are imported, and so does tfx."""

NO_PIPELINE = PIPELINE_LIBRARIES | {"grpc", "tornado", "tensorflow_serving"}
NO_TRAINING = PIPELINE_LIBRARIES | KERAS_LIBRARIES
NO_TENSORFLOW = NO_TRAINING | {"tensorflow", "tensorflow_serving", "scann"}

# From the bottom of the house to its top: a folder, and the libraries that it does without. Files import from their own
# folder and from those on the lines before it. An entrance, which lies in one folder and starts what lies in others,
# has a line of its own.
TREE = {
    "trainer": NO_PIPELINE,
    "trainer/data": NO_PIPELINE,
    "trainer/losses": NO_PIPELINE,
    "trainer/layers": NO_PIPELINE,
    "trainer/layers/history": NO_PIPELINE,
    "trainer/layers/interests": NO_PIPELINE,
    "trainer/layers/towers": NO_PIPELINE,
    "trainer/layers/tags": NO_PIPELINE,
    "trainer/models": NO_PIPELINE,
    "trainer/models/retrieval": NO_PIPELINE,
    "trainer/models/tag_profiles": NO_PIPELINE,
    "trainer/ranking": NO_PIPELINE,
    "trainer/metrics": NO_PIPELINE,
    "trainer/analysis": NO_PIPELINE,
    "trainer/training": NO_PIPELINE,
    "trainer/export": NO_PIPELINE,
    "trainer/families": NO_PIPELINE,
    "trainer/run_fn.py": NO_PIPELINE,
    "serving": NO_TRAINING,
    "serving/bundle": NO_TENSORFLOW,
    "serving/client": NO_TENSORFLOW | {"trainer"},
    "serving/index": NO_TRAINING,
    "serving/graph": NO_TRAINING,
    "serving/families": NO_TRAINING,
    "serving/runtime": NO_TRAINING,
    "serving/versions": NO_TRAINING,
    "serving/publish": NO_TRAINING,
    "serving/services": NO_TRAINING | {"grpc.aio", "tornado"},
    "serving/ports": NO_TRAINING,
    "serving/ports/rest": NO_TRAINING,
    "serving/server": NO_TRAINING,
    "serving/validation": NO_TRAINING,
    "components": {"kfp"},
    "components/ingestion/values": {"kfp", "tfx", "tensorflow"},
    "components/ingestion/files": {"kfp", "tfx"},
    "components/ingestion/cut": {"kfp", "tfx"},
    "components/ingestion/read": {"kfp", "tfx"},
    "components/ingestion/write": {"kfp", "tfx"},
    "components/ingestion": {"kfp"},
    "components/text": {"kfp", "tfx"},
    "components/validation": {"kfp", "tfx"},
    "components/evaluation": {"kfp"},
    "components/jobs": {"kfp", "tfx"},
    "components/nodes": {"kfp"},
    "pipeline": set(),
    "pipeline/presets": set(),
    "pipeline/engines": {"kfp"},
    "pipeline/terminal": {"kfp"},
    "pipeline/families": {"kfp"},
    "pipeline/config": {"kfp"},
    "pipeline/graph": {"kfp"},
    "pipeline/results": {"kfp"},
    "pipeline/records": {"kfp"},
    "pipeline/runs": {"kfp"},
    "pipeline/kubeflow": set(),
    "pipeline/operations": {"kfp"},
    "pipeline/data_sources": {"kfp"},
    "pipeline/commands": {"kfp"},
    "pipeline/local_runner.py": {"kfp"},
    "pipeline/kubeflow_step.py": {"kfp"},
    "pipeline/kubeflow_runner.py": set(),
    "pipeline/cli.py": {"kfp"},
    "pipeline/__main__.py": {"kfp"},
}
LINES = list(TREE)

WITHOUT_TENSORFLOW = ("serving/bundle", "serving/client")
"""Nor does anything that they import need it."""

FACADES = {"serving/client", "serving/server", "serving/index"}
"""Packages that give out a name of their files. All others are empty, so that importing one file is not importing
its neighbours, and a cache key covers no more than a component runs."""

OF_STEPS = ("trainer/run_fn.py", "trainer/data", "trainer/training", "trainer/export", "components/nodes",
            "components/ingestion", "components/text", "components/evaluation", "components/validation",
            "pipeline/config", "pipeline/graph")  # fmt: skip
"""Files and folders whose paths may be URLs: they join, move and remove with trainer/storage_paths.py."""

DISK_ONLY = {"abspath", "normpath", "realpath", "relpath", "pathlib", "Path", "shutil"}
"""Of os.path and others: what spoils a URL or does not know it."""

ON_DISK = {
    "components/ingestion/domains.py": {"abspath", "Path", "shutil"},  # writes the base model's log to this machine
    "components/ingestion/files/file_systems.py": {"realpath"},  # the disk is one of its file systems
    "components/text/language_model.py": {"Path"},  # a snapshot of the hub
    "pipeline/config/contradictions.py": {"abspath"},  # once it knows that neither folder is a URL
    "pipeline/config/pretraining.py": {"Path"},  # the file of the configuration
    "pipeline/config/run.py": {"Path"},  # the same, and the working directory
    "pipeline/config/settings_tables.py": {"Path"},  # the pages of the documentation
    "pipeline/config/writable.py": {"Path"},  # once it knows that a folder is no URL
    "pipeline/graph/code_fingerprint.py": {"Path"},  # source files
    "pipeline/graph/component_code.py": {"Path"},  # source files
    "trainer/data/vocabulary_file.py": {"Path"},  # a scratch folder
}

TYPE_QUESTIONS = ("isinstance", "issubclass")
MAY_ASK = {
    "pipeline/config/errors.py": {"BaseModel"},
    "pipeline/config/settings_tables.py": {"Settings"},
}
"""Files that look for sections among the types of settings, whatever the sections are."""

DECIDING = {"components", "pipeline"}
"""Packages whose files may import a Keras library first: they import trainer, which decides on Keras."""

# Methods whose contract is that of the library's class they override.
INHERITED = {
    "build", "call", "compute_loss", "get_config",  # Keras
    "add_input", "create_accumulator", "expand", "extract_output", "merge_accumulators", "process", "setup", "teardown",
    "start_bundle", "finish_bundle",  # Beam
    "construct_mapping",  # yaml
}  # fmt: skip


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> Iterator[str]:
    """Dotted names of what is imported or of something in it, inside functions too, not for type checkers alone."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        unused = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        waiting += node.orelse if unused else ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(dotted: str) -> Path | None:
    """Our file that ``dotted`` is or lies in."""
    pieces = dotted.split(".")
    for length in range(len(pieces), 0, -1):
        path = ROOT.joinpath(*pieces[:length])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file
    return None


def _ours(path: Path) -> set[Path]:
    layers = (name for name in _imports(path) if name.split(".")[0] in LAYERS)
    return {file for name in layers if (file := _file(name)) is not None and file != path}


def _line(path: Path) -> int:
    """Where a file stands in TREE."""
    name = _name(path)
    folder = name if name in TREE else _name(path.parent)
    assert folder in TREE, f"{folder} has no line in TREE: give it one above everything that imports it"
    return LINES.index(folder)


def _within(name: str, libraries: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{library}.") for library in libraries)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_folder_imports_only_those_before_it(path):
    assert not {_name(file) for file in _ours(path) if _line(file) > _line(path)}


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_folder_does_without_libraries(path):
    barred = TREE[LINES[_line(path)]] | {"tests", "benchmarks"}
    assert not {name for name in _imports(path) if _within(name, barred)}


@pytest.mark.parametrize("folder", WITHOUT_TENSORFLOW)
def test_nothing_behind_it_imports_tensorflow(folder):
    seen: set[Path] = set()
    waiting = list((ROOT / folder).glob("*.py"))
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _ours(path) | {parent / "__init__.py" for parent in path.parents if ROOT in parent.parents}
    assert not {(_name(path), name) for path in seen for name in _imports(path) if _within(name, NO_TENSORFLOW)}


def test_no_imports_in_a_circle():
    graphlib.TopologicalSorter({path: _ours(path) for path in FILES}).prepare()


def test_every_line_of_the_tree_is_there():
    assert not [line for line in LINES if not (ROOT / line).exists()]


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=_name)
def test_a_folder_holds_a_dozen_files(folder):
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_FILES


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=_name)
def test_packages_are_empty(path):
    folder = _name(path.parent)
    if folder in DECIDING:
        assert list(_imports(path)) == ["trainer"]
    elif folder not in FACADES | {"trainer"}:
        assert not list(_imports(path))


def _asked_for_classes(path: Path) -> Iterator[str]:
    """Names of the classes that a file asks isinstance or issubclass about."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TYPE_QUESTIONS:
            names = (part for part in ast.walk(node.args[1]) if isinstance(part, ast.Name | ast.Attribute))
            yield from (name.id if isinstance(name, ast.Name) else name.attr for name in names)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_families_are_told_apart_by_lookup(path):
    """Not by the class of settings or of a model: what a family does in its own way stands in families/."""
    asked = {name for name in _asked_for_classes(path) if name.endswith(("Settings", "Model", "Profile", "Config"))}
    assert asked <= MAY_ASK.get(_name(path), set())


def test_each_layer_has_the_same_families():
    assert list(TRAINER_FAMILIES) == list(SERVING_FAMILIES) == list(PIPELINE_FAMILIES)
    assert {registry.get(name).family for name in registry.names()} == set(TRAINER_FAMILIES)


def test_tests_mirror_the_tree():
    folders = {path.parent for layer in LAYERS for path in (ROOT / "tests" / layer).rglob("*.py")}
    assert not [folder for folder in folders if not (ROOT / folder.relative_to(ROOT / "tests")).exists()]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_one_module_imports_keras(path):
    if _name(path) != "trainer/keras_api.py":
        assert not {name for name in _imports(path) if name.split(".")[0] in ("keras", "tf_keras")}
        assert not re.search(r"\btf\.keras\.(?!__)", path.read_text())


@pytest.mark.parametrize("path", [path for path in FILES if _name(path).startswith(OF_STEPS)], ids=_name)
def test_what_may_be_a_url_is_not_taken_for_a_path(path):
    tree = ast.parse(path.read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {part for name in _imports(path) for part in name.split(".")}
    assert used & DISK_ONLY - {"pathlib"} == ON_DISK.get(_name(path), set())


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=_name)
def test_benchmarks_leave_keras_to_the_packages(path):
    """No Keras library at the top of a file: ruff sorts it before ours, which decide."""
    top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if _within(name, KERAS_LIBRARIES | {"tfx"})}


def test_every_module_imports():
    """In one process of its own, which is all that 400 of them leave time for; circles are looked for above."""
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n    print(name)"
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in FILES if path.name != "__main__.py"]
    modules = [".".join(part for part in names if part != "__init__") for names in parts]
    command = [sys.executable, "-c", program, *modules]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr[-2000:]
    assert set(modules) <= set(result.stdout.split())


@pytest.mark.parametrize("first", ["trainer.models.retrieval.base", "components.evaluation.retrieval"])
def test_keras_is_decided_whatever_is_imported_first(first):
    """In trainer and in components, the file whose first import asks for Keras; the second line needs version 2."""
    program = f"import {first}\nimport trainer.models.tag_profiles.base, tensorflow as tf\nprint(tf.keras.__name__)"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.stdout.startswith("tf_keras"), result.stderr


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
    # TFX's command line puts the runner's folder first on the path, where such a file would hide the package. A folder
    # without __init__.py, such as the results of `make run` in the checkout, is none.
    path = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "pipeline"]
    stems = {p.stem for p in (ROOT / "pipeline").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    found = {stem: importlib.machinery.PathFinder.find_spec(stem, path) for stem in stems - {"__init__"}}
    clashes = {
        stem for stem, spec in found.items() if stem in sys.stdlib_module_names or (spec and spec.origin is not None)
    }
    assert not clashes
