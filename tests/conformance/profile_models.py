"""Small profile models of every kind with plausible weights, built once a process and shared by the tests."""

import functools

import numpy as np
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.keras_api import keras
from trainer.models import registry
from trainer.training.precision import mixed_precision

N, T, B, D = 40, 7, 4, 6
PROFILE = {"user_job": 3, "user_age": None}
TASKS = ("click", "conversion")
LENGTHS = (7, 3, 1, 0)


def _catalogue(num_tags: int) -> Catalogue:
    """Items with up to three tags; every fifth has none."""
    tags = np.array([[1 + item % num_tags, 1 + item * 7 % num_tags, 0] for item in range(N)], np.int32)
    tags[::3, 2] = 1 + np.arange(len(tags[::3])) % num_tags
    tags[::5] = 0
    ids, names = [str(item).encode() for item in range(N)], [str(tag).encode() for tag in range(num_tags)]
    return Catalogue(ids, np.arange(N, 0, -1), np.zeros((N, 0), np.int32), [], tags=tags, tag_names=names)


FEW_TAGS, MANY_TAGS = _catalogue(9), _catalogue(30)
"""Fewer tags than a history has places for (21), which are counted; and more, which are gathered."""

OPTIONS: dict[str, dict] = {
    "default": {},
    "one": {"train_tasks": ["conversion"], "tag_pooling": "mean", "history_fields": ["items"]},
    "many": {"tag_pooling": "sum", "task_weights": {"click": 0.5}, "history_fields": ["items", "tags"]},
}
VARIANTS: dict[str, dict[str, dict]] = {
    "utpm": {
        "plain": {"attention": False},
        "uncrossed": {"cross": False, "heads": 1},
    },
    "mvke": {
        "pool": {"pool": True},
        "paper": {"pool": True, "attention_activation": "sigmoid", "scaled_gates": True},
        "fm": {"tower": "fm_mlp"},
        "kernels": {"num_kernels": 4, "task_kernels": {"click": [3, 0], "conversion": [0, 1, 2]}},
        # With fewer fields none of the few hidden units is alive for these weights.
        "kernel": {"num_kernels": 1, "train_tasks": ["click"], "history_fields": ["items", "tags"]},
    },
}
"""What else a model can be; no other needs to know of it."""


def options(name: str) -> dict[str, dict]:
    """The options that a model is tried with."""
    return {**OPTIONS, **VARIANTS.get(name, {})}


PROFILES = [(name, option) for name in registry.names("tag_profiles") for option in options(name)]


def catalogue(option: str) -> Catalogue:
    """The items that an option is tried with."""
    return MANY_TAGS if option == "many" else FEW_TAGS


def batch(seed: int = 0) -> dict[str, tf.Tensor]:
    """Users with a full history, a short one, one item, nothing at all; an item without tags, an unknown one.

    Two impressions were made of the first and the third, one of the others.
    """
    random = np.random.default_rng(seed)
    mask = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
    return {
        "history": tf.constant(random.integers(1, N + 1, size=(B, T)) * mask, tf.int64),
        "history_mask": tf.constant(mask, tf.int64),
        "history_gap": tf.constant(random.uniform(0, 9, size=(B, T)) * mask, tf.float32),
        "user_job": tf.constant([[1, 3], [2, 0], [0, 0], [0, 0]], tf.int64),
        "user_age": tf.constant([[0.5], [0.0], [-1.0], [0.0]]),
        "item": tf.constant([[5, 3], [8, 0], [1, 4], [0, 0]], tf.int64),
        "label_click": tf.constant([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        "weight_click": tf.constant([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
        "label_conversion": tf.constant([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        "weight_conversion": tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
    }


def made(name: str, option: str = "default", precision: str = "none", profile=None):
    """A model as it starts."""
    keras.utils.set_random_seed(1)
    cls = registry.get(name)
    with mixed_precision(precision):
        settings = cls.settings_class(name=name, dimension=D, field_dimension=4, **options(name)[option])
        model = cls(settings, catalogue(option), T, PROFILE if profile is None else profile, TASKS, seed=1)
        model.compute_loss(batch())
    return model


@functools.cache
def built(name: str, option: str = "default", precision: str = "none"):
    """A model whose weights are where they start, moved a little: none is zero, none is out of proportion."""
    model = made(name, option, precision)
    random = np.random.default_rng(5)
    for weights in model.trainable_weights:
        weights.assign_add(random.normal(scale=0.2, size=weights.shape))
    return model
