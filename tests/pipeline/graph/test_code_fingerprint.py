import importlib
import sys

import pytest

from pipeline.graph.code_fingerprint import Sources, fingerprint


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


def _sources(root, **files):
    for name, content in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        for package in path.relative_to(root).parents:
            if package.parts:
                (root / package / "__init__.py").touch()
    return Sources(root)


@pytest.mark.parametrize(
    "statement",
    [
        "import trainer.b",
        "import os, trainer.b as c",
        "from trainer.b import name",
        "from trainer import b",
        "from . import b",
        "from .b import name",
        "from ..trainer import b",
        "def function():\n    from trainer import b",
        "class Class:\n    import trainer.b",
        "try:\n    import trainer.b\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('trainer.b')",
        "RUN_FN = 'trainer.b.run_fn'",
        "if TYPE_CHECKING:\n    import os\nelse:\n    import trainer.b",
    ],
)
def test_every_way_to_import_is_followed(tmp_path, statement):
    sources = _sources(tmp_path, trainer__a=statement, trainer__b="import serving.c", serving__c="", trainer__d="")
    assert sources.closure(["trainer.a"]) == {"trainer", "trainer.a", "trainer.b", "serving", "serving.c"}


@pytest.mark.parametrize(
    "statement",
    ["'trainer.b and more'", "'polyrec.progress'", "if TYPE_CHECKING:\n    import trainer.b", "# import trainer.b"],
)
def test_what_is_not_run_does_not_count(tmp_path, statement):
    sources = _sources(tmp_path, trainer__a=f"import os\n{statement}", trainer__b="")
    assert sources.closure(["trainer.a"]) == {"trainer", "trainer.a"}


def test_imports_in_a_circle_end(tmp_path):
    sources = _sources(tmp_path, trainer__a="import trainer.b", trainer__b="import trainer.a")
    assert sources.closure(["trainer.a"]) == sources.closure(["trainer.b"]) == {"trainer", "trainer.a", "trainer.b"}


def test_a_computed_name_and_a_missing_module_are_errors(tmp_path):
    sources = _sources(tmp_path, trainer__a="import_module(f'trainer.{name}')")
    with pytest.raises(ValueError, match=r"trainer.a imports import_module"):
        sources.closure(["trainer.a"])
    with pytest.raises(FileNotFoundError, match=r"There is no module trainer.x"):
        sources.closure(["trainer.x"])


def test_a_model_outside_counts_with_what_it_imports_there(tmp_path, monkeypatch):
    ours, outside = tmp_path / "ours", tmp_path / "outside"
    sources = _sources(ours, trainer__base="import serving.c", serving__c="", trainer__unused="")
    (outside / "parts").mkdir(parents=True)
    (outside / "parts" / "layer.py").write_text("WIDTH = 1\n")
    (outside / "shop_model.py").write_text("import numpy\nimport parts.layer\n")
    monkeypatch.syspath_prepend(str(outside))
    monkeypatch.setitem(sys.modules, "shop_model", importlib.import_module("shop_model"))
    (outside / "shop_model.py").write_text("import numpy\nfrom parts.layer import WIDTH\nfrom trainer import base\n")
    closure = {"shop_model", "parts.layer", "trainer", "trainer.base", "serving", "serving.c"}
    assert sources.closure(["shop_model"]) == closure
    assert sources.has("shop_model") and not sources.has("numpy") and not sources.has("no_such_module")
    first = sources.key(["shop_model"])
    for changed in (outside / "shop_model.py", outside / "parts" / "layer.py", ours / "serving" / "c.py"):
        before = changed.read_text()
        changed.write_text(before + "CHANGED = 1\n")
        assert Sources(ours).key(["shop_model"]) != first
        changed.write_text(before)
    (ours / "trainer" / "unused.py").write_text("CHANGED = 1\n")
    assert Sources(ours).key(["shop_model"]) == first
    # Where the file lies is no part of it.
    moved = tmp_path / "moved"
    outside.rename(moved)
    for name, path in (("shop_model", "shop_model.py"), ("parts.layer", "parts/layer.py")):
        monkeypatch.setattr(sys.modules[name], "__file__", str(moved / path))
    assert Sources(ours).key(["shop_model"]) == first
