"""Manifest of a served bundle: its description, and the SHA-256 of every file of the version folder.

It binds vocabulary, tower and index to each other: a folder that lacks a file, has one too many or one that was
changed is not served. It is written last, so a folder that is still being written has no valid manifest.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from trainer.errors import InputError

MANIFEST = "assets.extra/manifest.json"
"""Where the manifest stands in a version folder."""
SCANN_MODEL = "assets.extra/scann"
"""The SavedModel with the ScaNN ops, in a version folder of kind ``scann``."""

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_LARGEST_MANIFEST = 64 << 20

Padding = Literal["empty", "zero", "nan", "none"]
"""What an input is widened with to the width of its neighbours: "", 0 or NaN; ``none``: it must not be widened."""


class BundleError(InputError):
    """A version folder that must not be served; the message names the folder and the first thing that is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Fingerprint(_Part):
    """SHA-256 of the parts that have to fit each other; ``text`` is that of the text encoder, where there is one."""

    vocabulary: _Sha256
    tower: _Sha256
    index: _Sha256
    text: _Sha256 | None = None


class Inputs(_Part):
    """What a request may carry beside the history.

    Attributes:
      user_features: profile feature -> its kind; its input is named by ``user_feature`` of trainer/data/schema.py.
      attributes: of items, that ``allow`` and ``deny`` may name; None without any.
    """

    user_features: dict[str, Literal["categorical", "numeric"]] = Field(default_factory=dict)
    attributes: list[str] | None = None


class MadeFrom(_Part):
    """The pushed version that a bundle was made from without training, and what was changed.

    Attributes:
      version: its folder's name.
      fingerprint: its own.
      added, removed, updated: numbers of items.
      by_text, by_category, by_vector: how many of the added ones were placed how; the others came back.
    """

    version: str
    fingerprint: Fingerprint
    added: int = Field(ge=0)
    removed: int = Field(ge=0)
    updated: int = Field(ge=0)
    by_text: int = Field(ge=0)
    by_category: int = Field(ge=0)
    by_vector: int = Field(ge=0)


class SignatureBatching(_Part):
    """How requests of a signature may be joined to one, row behind row, without changing an answer.

    Attributes:
      inputs: groups of inputs with rows, input -> padding; those of a group have the same width. All others are equal
        in requests that are joined.
      shared_inputs: one row of them is for all users, so requests with the same one may be joined; a request that has
        a row for each user runs alone.
      shared_outputs: without rows: the same for every request.
    """

    inputs: list[dict[str, Padding]]
    shared_inputs: list[str] = Field(default_factory=list)
    shared_outputs: list[str] = Field(default_factory=list)


class Manifest(_Part):
    """The content of ``assets.extra/manifest.json``.

    Attributes:
      format: of this file; another number is refused.
      model: name of the architecture.
      created: when the bundle was made, ISO 8601.
      fingerprint: of vocabulary, tower, index and text encoder.
      kind: ``scann`` if the bundle has a second SavedModel with the ScaNN ops, else ``exact``.
      items: N, rows of the index: items, or tags of a model of profiles.
      dimension: D, of a vector of the index.
      interests: K, vectors a user has at most; of a model of profiles, for a task.
      tasks: of a model of profiles, in the order of its answers; None for a model that retrieves items.
      max_history: T, items of a history that the model looks at.
      ranking_temperature: of :func:`trainer.ranking.top_k.merged_scores`; None for the maximum over interests.
      default_k: items in an answer of ``serving_default``.
      inputs: profile features and attributes.
      batching: signature -> how its requests may be joined; one that is not named is run request by request.
      made_from: of a bundle that was made without training; None for one of a run.
      files: path relative to the version folder, with ``/`` -> SHA-256, of every file but the manifest.
    """

    format: Literal[1] = 1
    model: str
    created: str
    fingerprint: Fingerprint
    kind: Literal["scann", "exact"]
    items: int = Field(ge=1)
    dimension: int = Field(ge=1)
    interests: int = Field(ge=1)
    max_history: int | None = Field(None, ge=1)
    ranking_temperature: float | None = Field(None, gt=0)
    default_k: int = Field(ge=1)
    inputs: Inputs = Inputs()
    batching: dict[str, SignatureBatching] = Field(default_factory=dict)
    tasks: list[str] | None = None
    made_from: MadeFrom | None = None
    files: dict[str, _Sha256]

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
                raise ValueError(f"{name!r} is not a plain path inside the version folder")
        return files


def sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write(
    version_dir: str | os.PathLike[str],
    *,
    model: str,
    created: str,
    fingerprint: Mapping[str, str | None] | Fingerprint,
    kind: Literal["scann", "exact"],
    items: int,
    dimension: int,
    interests: int,
    default_k: int,
    user_features: Mapping[str, str] | None = None,
    tasks: list[str] | None = None,
    batching: Mapping[str, SignatureBatching] | None = None,
    max_history: int | None = None,
    ranking_temperature: float | None = None,
    attributes: list[str] | None = None,
    made_from: MadeFrom | None = None,
) -> Manifest:
    """Hashes every file of ``version_dir`` and writes its manifest; call it when all else is in place.

    The same folder and arguments give the same bytes. The arguments are the attributes of :class:`Manifest`.

    Returns:
      what was written.

    Raises:
      BundleError: the folder holds something that is neither a file nor a folder, or an argument is out of range.
    """
    directory = Path(version_dir)
    fields = {
        "model": model,
        "created": created,
        "fingerprint": fingerprint.model_dump() if isinstance(fingerprint, Fingerprint) else dict(fingerprint),
        "kind": kind,
        "items": items,
        "dimension": dimension,
        "interests": interests,
        "default_k": default_k,
        "inputs": {"user_features": dict(user_features or {}), "attributes": attributes},
        "tasks": tasks,
        "batching": dict(batching or {}),
        "max_history": max_history,
        "ranking_temperature": ranking_temperature,
        "made_from": made_from and made_from.model_dump(),
        "files": {name: sha256(directory / name) for name in _files(directory)},
    }
    manifest = _validated(Manifest.model_validate, fields, directory)
    target = directory / MANIFEST
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".manifest-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(manifest.model_dump_json(indent=1, exclude_none=True) + "\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return manifest


def read(version_dir: str | os.PathLike[str]) -> Manifest:
    """The manifest of a version folder, its form checked, its files not.

    Raises:
      BundleError: there is none, it cannot be read, or it is of another format.
    """
    directory = Path(version_dir)
    path = directory / MANIFEST
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise BundleError(f"{directory}: {MANIFEST} is larger than {_LARGEST_MANIFEST} bytes.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{directory}: no {MANIFEST}. The folder is still being written, or is no bundle.") from None
    except OSError as error:
        raise BundleError(f"{directory}: {MANIFEST} cannot be read: {error.strerror}.") from error
    return _validated(Manifest.model_validate_json, content, directory)


def verify(version_dir: str | os.PathLike[str]) -> Manifest:
    """Checks that a version folder holds exactly the files of its manifest, unchanged.

    Presence is looked at before content, so that a half-written folder costs no hashing.

    Returns:
      the manifest.

    Raises:
      BundleError: names the first missing, additional or changed file.
    """
    directory = Path(version_dir)
    manifest = read(directory)
    present = _files(directory)
    for name in sorted(set(manifest.files) - set(present)):
        raise BundleError(f"{directory}: {name} is missing.")
    for name in sorted(set(present) - set(manifest.files)):
        raise BundleError(f"{directory}: {name} is not in the manifest.")
    for name in present:
        try:
            digest = sha256(directory / name)
        except OSError as error:
            raise BundleError(f"{directory}: {name} cannot be read: {error.strerror}.") from error
        if digest != manifest.files[name]:
            raise BundleError(f"{directory}: {name} was changed: its SHA-256 is not the manifest's.")
    return manifest


def _validated(validate: Callable[[Any], Manifest], content: Any, directory: Path) -> Manifest:
    try:
        return validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(f"{directory}: {MANIFEST} is not valid: {where}: {first['msg']}.") from error


def _files(directory: Path) -> list[str]:
    """Sorted paths of all files but the manifest. A link could lead out of the folder, so none is followed."""
    found = []
    for folder, names, files in os.walk(directory, onerror=_unreadable):
        for name in files + names:
            path = Path(folder, name)
            relative = path.relative_to(directory).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise BundleError(f"{directory}: {relative} is a link or a special file.")
            if name in files and relative != MANIFEST:
                found.append(relative)
    return sorted(found)


def _unreadable(error: OSError) -> None:
    raise BundleError(f"{error.filename} cannot be read: {error.strerror}.") from error
