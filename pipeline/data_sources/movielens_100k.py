"""MovieLens-100K: downloaded, verified, cached and written as polyrec's three tables.

The archive of GroupLens comes first. Where only a package registry is reached, the same files come out
of the wheel of recbole 1.2.1, which carries a copy of them in another notation.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.errors import InputError

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
WHEEL = "recbole==1.2.1"
LICENCE = (
    "MovieLens-100K, GroupLens Research: for research use, not to be redistributed or used commercially without "
    "permission; cite F. M. Harper and J. A. Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015."
)

# SHA-256 of the files that are read. Those of the archive are the widely published ones of GroupLens' release
# (the zip's MD5 is 0e33842e24a9c977be4e0107933c0723); ml-100k.inter without its first line is u.data, bit for bit.
ARCHIVE_FILES = {
    "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
}
WHEEL_FILES = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}
_GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]
_TITLE = re.compile(r"^(.*?)\s*\((\d{4})\)\s*(?:\(V\))?$")  # (V): published on video only

Files = dict[str, bytes]


def fetch(directory: Path, cache: Path | None = None, url: str = URL, timeout: float = 5.0) -> str:
    """Writes interactions.parquet, items.parquet and users.parquet, whole or not at all.

    Interactions: user_id, item_id, timestamp (seconds), rating. Items: item_id, title, category (list of
    genres), year. Users: user_id, age, gender, occupation.

    Args:
      directory: is made when it does not exist.
      cache: keeps the source's files between calls; default: polyrec's folder in the user's cache.
      url: of GroupLens' archive.
      timeout: seconds to wait for GroupLens before the package registry is asked.

    Returns:
      The licence's line, to be shown.

    Raises:
      InputError: neither source can be reached, or what came is not MovieLens-100K.
    """
    cache = cache or platformdirs.user_cache_path("polyrec") / "movielens-100k"
    files = _from_cache(cache) or _download(cache, url, timeout)
    write(directory, _archive_tables(files) if "u.data" in files else _wheel_tables(files))
    return LICENCE


def _from_cache(cache: Path) -> Files | None:
    for expected in (ARCHIVE_FILES, WHEEL_FILES):
        with contextlib.suppress(OSError, InputError):
            return _checked({name: (cache / name).read_bytes() for name in expected}, expected, str(cache))
    return None


def _checked(files: Files, expected: Mapping[str, str], source: str) -> Files:
    for name, checksum in expected.items():
        if hashlib.sha256(files[name]).hexdigest() != checksum:
            raise InputError(f"{name} from {source} is not the known file of MovieLens-100K: its SHA-256 differs.")
    return files


def _download(cache: Path, url: str, timeout: float) -> Files:
    reasons = []
    sources: list[tuple[str, Callable[[], Files]]] = [
        (url, lambda: _from_archive(url, timeout)),
        (f"the package {WHEEL}", _from_wheel),
    ]
    for name, source in sources:
        try:
            files = source()
        except (InputError, OSError, KeyError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
            reasons.append(f"{name}: {' '.join(str(error).split())[:200]}")
            continue
        with contextlib.suppress(OSError):  # a cache that cannot be written only costs the next download
            cache.mkdir(parents=True, exist_ok=True)
            for file, content in files.items():
                _replace(cache / file, content)
        return files
    raise InputError(
        f"MovieLens-100K could not be fetched. {'; '.join(reasons)}. Connect to the internet or to a package "
        f"registry, or unpack ml-100k.zip from https://grouplens.org/datasets/movielens/100k/ so that {cache} holds "
        f"{', '.join(ARCHIVE_FILES)}."
    )


def _replace(path: Path, content: bytes) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(partial, path)


def _from_archive(url: str, timeout: float) -> Files:
    with urllib.request.urlopen(url, timeout=timeout) as reply:
        archive = zipfile.ZipFile(io.BytesIO(reply.read()))
    return _checked({name: archive.read(f"ml-100k/{name}") for name in ARCHIVE_FILES}, ARCHIVE_FILES, url)


def _from_wheel() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--retries", "1"]
        done = subprocess.run(
            [*pip, "--no-deps", "--only-binary", ":all:", "--dest", folder, WHEEL],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise InputError(f"pip could not download it ({' '.join(done.stderr.split())[-150:]})")
        with zipfile.ZipFile(wheels[0]) as wheel:
            files = {name: wheel.read(f"recbole/dataset_example/ml-100k/{name}") for name in WHEEL_FILES}
    return _checked(files, WHEEL_FILES, WHEEL)


def _rows(content: bytes, separator: str, encoding: str, header: bool) -> list[list[str]]:
    lines = content.decode(encoding).split("\n")
    return [line.rstrip("\r").split(separator) for line in lines[header:] if line]


def _archive_tables(files: Mapping[str, bytes]) -> dict[str, pa.Table]:
    ratings = _rows(files["u.data"], "\t", "ascii", header=False)
    items = [
        (row[0], row[1], [genre for genre, flag in zip(_GENRES, row[5:], strict=True) if flag == "1"])
        for row in _rows(files["u.item"], "|", "latin-1", header=False)
    ]
    users = [(row[0], row[1], row[2], row[3]) for row in _rows(files["u.user"], "|", "ascii", header=False)]
    return _tables(ratings, items, users)


def _wheel_tables(files: Mapping[str, bytes]) -> dict[str, pa.Table]:
    ratings = _rows(files["ml-100k.inter"], "\t", "ascii", header=True)
    items = []
    for number, title, year, genres in _rows(files["ml-100k.item"], "\t", "utf-8", header=True):
        if title == "unkonwn":  # the copy's spelling of the archive's "unknown"
            title = "unknown"
        items.append((number, f"{title} ({year})" if year.isdigit() else title, genres.split(" ")))
    users = [(row[0], row[1], row[2], row[3]) for row in _rows(files["ml-100k.user"], "\t", "ascii", header=True)]
    return _tables(ratings, items, users)


def _tables(
    ratings: list[list[str]], items: list[tuple[str, str, list[str]]], users: list[tuple[str, str, str, str]]
) -> dict[str, pa.Table]:
    user, item, rating, time = zip(*ratings, strict=True)
    titles = [_TITLE.match(title) for _, title, _ in items]
    return {
        "users": pa.table(
            {
                "user_id": [row[0] for row in users],
                "age": pa.array([int(row[1]) for row in users], pa.int64()),
                "gender": [row[2] for row in users],
                "occupation": [row[3] for row in users],
            }
        ),
        "items": pa.table(
            {
                "item_id": [row[0] for row in items],
                "title": [match[1] if match else row[1] for match, row in zip(titles, items, strict=True)],
                "category": pa.array([row[2] for row in items], pa.list_(pa.string())),
                "year": pa.array([int(match[2]) if match else None for match in titles], pa.int64()),
            }
        ),
        "interactions": pa.table(
            {
                "user_id": pa.array(user, pa.string()),
                "item_id": pa.array(item, pa.string()),
                "timestamp": pa.array([int(value) for value in time], pa.int64()),
                "rating": pa.array([float(value) for value in rating], pa.float64()),
            }
        ),
    }


def write(directory: Path, tables: Mapping[str, pa.Table]) -> None:
    """Writes tables as NAME.parquet, whole or not at all; ``directory`` is made when it does not exist."""
    directory.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory))
    try:
        for name, table in tables.items():
            pq.write_table(table, staging / f"{name}.parquet")
        for name in tables:
            os.replace(staging / f"{name}.parquet", directory / f"{name}.parquet")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
