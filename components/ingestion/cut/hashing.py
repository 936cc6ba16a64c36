"""Stable user hashes, so that splits are the same on every worker, machine and version."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf

from components.settings import SplitSettings
from trainer.data.schema import TEST_SPLIT, TRAIN_SPLIT, VALID_SPLIT

Hashes = npt.NDArray[np.uint64]

_SHARD_SALT = 2**40  # far from the seeds people choose for splits

SPLITS = (TRAIN_SPLIT, VALID_SPLIT, TEST_SPLIT)


def hash_strings(strings: pa.Array) -> Hashes:
    """FarmHash fingerprints [n] of strings [n] without nulls."""
    if not len(strings):
        return np.zeros(0, np.uint64)
    hashes: npt.NDArray[np.int64] = tf.strings.to_hash_bucket_fast(
        strings.to_numpy(zero_copy_only=False), 2**63 - 1
    ).numpy()
    return hashes.astype(np.uint64)


def mix(hashes: Hashes, salt: int) -> Hashes:
    """New, independent hashes [n] for each ``salt``.

    Source: the finaliser of SplitMix64, Steele, Lea and Flood, OOPSLA 2014.
    """
    step = (salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64
    mixed = hashes + np.uint64(step)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


def shard_of(hashes: Hashes, shards: int) -> npt.NDArray[np.uint16]:
    """The shard [n] of every user, in [0, ``shards``)."""
    return np.asarray(mix(hashes, _SHARD_SALT) % np.uint64(shards), np.uint16)


def split_of(hashes: Hashes, settings: SplitSettings) -> npt.NDArray[np.int64]:
    """The place in ``SPLITS`` [n] of every user, drawn in the ratio train : valid : test with the settings' seed."""
    parts = np.cumsum([settings.train, settings.valid, settings.test])
    drawn = mix(hashes, settings.seed) % np.uint64(parts[-1])
    return np.asarray(np.searchsorted(parts, drawn.astype(np.int64), side="right"), np.int64)
