"""Fingerprints of our code for TFX's cache, which sees a component's arguments but not its code."""

import ast
import hashlib
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("trainer", "serving", "components", "pipeline")

REGISTRY = "trainer.models.registry"
"""Imports every model there is, to know their names. Of those a component runs the configured one, so that the walk
stops here, and who runs a model names its module."""

_IMPORTING = ("import_module", "__import__")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")


def fingerprint(parts: Iterable[str], root: Path = ROOT) -> str:
    """The SHA-256 over the Python sources of ``parts``, by name and content.

    Args:
      parts: files or folders (taken whole) below ``root``, such as ``components/ingestion``.
      root: where the packages are.

    Returns:
      16 hexadecimal digits.

    Raises:
      FileNotFoundError: a part does not exist.
    """
    digest = hashlib.sha256()
    for path in sorted({file for part in parts for file in _files(root / part)}):
        for piece in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return list(path.rglob("*.py"))
    if not path.is_file():
        raise FileNotFoundError(path)
    return [path]


@dataclass(frozen=True)
class _Imports:
    """What a module imports: modules of our packages and of a model's own, and top-level names of other packages."""

    ours: frozenset[str]
    others: frozenset[str]


class Sources:
    """The import closure of modules: which of our files their running may execute, and which libraries.

    Imports inside functions and classes count, and those for type checkers alone do not. A string that is the dotted
    name of something of ours, such as a run function's, counts as an import.

    A module of somebody else's that was imported from a file outside the installed libraries, such as that of a model,
    counts like ours, and so does what it imports of that kind.

    Args:
      root: where the packages are.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._known: dict[str, _Imports] = {}

    def closure(self, modules: Iterable[str]) -> set[str]:
        """``modules``, all that they import directly or not, and the packages around them.

        Raises:
          FileNotFoundError: there is no such module.
          ValueError: a module is imported by a name that is computed.
        """
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [*self._imports(name).ours, *_parents(name)]
        return found

    def key(self, modules: Iterable[str]) -> str:
        """A number for the code of ``modules`` and their closure, and for the versions of the libraries they import.

        Args:
          modules: dotted names.

        Returns:
          16 hexadecimal digits.

        Raises:
          FileNotFoundError: there is no such module.
          ValueError: a module is imported by a name that is computed.
        """
        names = self.closure(modules)
        ours = [name for name in names if _is_ours(name)]
        code = fingerprint([str(self._file(name).relative_to(self._root)) for name in ours], self._root)
        # By name: where the file lies is not what it says.
        outside = sorted(f"{name} {_content(self._file(name))}" for name in names.difference(ours))
        libraries = sorted({version for name in names for version in _versions(self._imports(name).others)})
        return hashlib.sha256("\n".join([code, *outside, *libraries]).encode()).hexdigest()[:16]

    def has(self, name: str) -> bool:
        """Whether the source of a module can be read."""
        return self._path(name) is not None

    def _file(self, name: str) -> Path:
        path = self._path(name)
        if path is None:
            raise FileNotFoundError(f"There is no module {name} below {self._root}.")
        return path

    def _path(self, name: str) -> Path | None:
        if not _is_ours(name):
            return _outside(name)
        base = self._root.joinpath(*name.split("."))
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)

    def _imports(self, name: str) -> _Imports:
        if name not in self._known:
            path = self._file(name)
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            ours: set[str] = set()
            others: set[str] = set()
            for imported in _names(ast.parse(path.read_bytes(), str(path)), name, package):
                top = imported.partition(".")[0]
                if top in PACKAGES:
                    ours.add(self._module(imported))
                elif not _is_ours(name) and (module := _outside_module(imported)) is not None:
                    ours.add(module)
                elif top not in sys.stdlib_module_names:
                    others.add(top)
            self._known[name] = _Imports(frozenset(ours), frozenset(others))
        return self._known[name]

    def _module(self, dotted: str) -> str:
        """The module that ``dotted`` is or lies in."""
        name = dotted
        while self._path(name) is None:
            if "." not in name:
                raise FileNotFoundError(f"There is no module for {dotted} below {self._root}.")
            name = name.rpartition(".")[0]
        return name


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


def _outside(name: str) -> Path | None:
    """The source of an imported module that is neither ours nor of an installed library."""
    file = getattr(sys.modules.get(name), "__file__", None)
    path = None if file is None else Path(file).resolve()
    if path is None or path.suffix != ".py" or any(path.is_relative_to(folder) for folder in _libraries()):
        return None
    return path


def _outside_module(dotted: str) -> str | None:
    """The module of that kind that ``dotted`` is or lies in."""
    return next((name for name in (dotted, *reversed(_above(dotted))) if _outside(name) is not None), None)


@cache
def _libraries() -> tuple[Path, ...]:
    folders = [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib")]
    return tuple(Path(folder).resolve() for folder in folders)


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _parents(name: str) -> list[str]:
    # A folder of somebody else's may be a package without a file.
    return [above for above in _above(name) if _is_ours(name) or _outside(above) is not None]


def _above(name: str) -> list[str]:
    pieces = name.split(".")
    return [".".join(pieces[:length]) for length in range(1, len(pieces))]


def _names(tree: ast.Module, module: str, package: str) -> Iterator[str]:
    """Dotted names of what is imported, of modules or of something inside them."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            children = list(node.orelse)
        waiting += children
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (source if alias.name == "*" else f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _IMPORTING:
            computed = not node.args or not isinstance(node.args[0], ast.Constant)
            if computed and module != REGISTRY and _is_ours(module):
                raise ValueError(f"{module} imports {ast.unparse(node)}: its code cannot be found without running it.")


def _versions(packages: Iterable[str]) -> Iterator[str]:
    """``name==version`` of the installed distributions that hold the packages."""
    for package in packages:
        for distribution in _distributions().get(package, [package.replace("_", "-")]):
            # A library that is not there, such as the extra's, is no part of what runs.
            if (version := _version(distribution)) is not None:
                yield f"{distribution}=={version}"


@cache
def _distributions() -> dict[str, list[str]]:
    # Of a namespace such as google, the parts belong to dozens of distributions that have nothing to do with us.
    return {name: found for name, found in metadata.packages_distributions().items() if len(found) <= 2}


@cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
