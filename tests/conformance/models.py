"""Small retrieval models of every kind with plausible weights, built once a process and shared by the tests."""

import functools

import numpy as np
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.keras_api import keras
from trainer.models import registry
from trainer.training.precision import mixed_precision

N, T, B, D = 40, 7, 3, 6
PROFILE = {"user_job": 3, "user_age": None}
LENGTHS = (7, 3, 1)
_IDS, _COUNTS = [str(item).encode() for item in range(N)], np.arange(N, 0, -1)
_CATEGORIES = np.array([[1, 2 + item % 3] if item % 5 else [0, 0] for item in range(N)], np.int32)
_TEXTS = np.random.default_rng(2).normal(size=(N, 5)).astype(np.float32)
CATALOGUE = Catalogue(_IDS, _COUNTS, _CATEGORIES, [b"all", b"a", b"b", b"c"], _TEXTS)
WITHOUT_TEXTS = Catalogue(_IDS, _COUNTS, _CATEGORIES, [b"all", b"a", b"b", b"c"])

PUBLISHED = {"normalize": False, "temperature": 1.0, "read_out": "max"}
"""How all the papers score, which the restatements follow; and what each model's own layers are in its paper."""
PUBLISHED_LAYERS: dict[str, dict] = {
    "mind": {"routing_temperature": None, "squash_power": 1.0},
    "comirec_dr": {"routing_temperature": None, "squash_power": 1.0},
    "sine": {"variant": "paper"},
}

_OWN: dict[str, dict] = {"shrinkage": {"normalize": True, "prior": True}}
"""Of models whose published options need more: unit vectors, and the part that is off by default."""

OPTIONS: dict[str, dict] = {
    "default": {},
    "bare": {"recency": False, "residual_projection": False, "dropout": 0.0},
    "all": {**PUBLISHED, "time_decay": True, "use_category": True},
    "context": {**PUBLISHED, "time_decay": True, "use_category": True, "context_layers": 1, "read_out": "mixture"},
    "hard": {**PUBLISHED, "read_out": "hard"},
    "penalties": {
        "read_out": "soft",
        "negatives": "in_batch",
        "normalize": True,
        "temperature": 0.5,
        "disagreement": 0.1,
        "routing_variance": 0.1,
        "hardness": 0.5,
    },
    "one": {"num_interests": 1},
    "log_sum_exp": {"read_out": "mixture", "ranking": "log_sum_exp"},
    "released": {
        "negatives": "in_batch_plain",
        "use_category": True,
        "item_fields": "mean",
        "routing_variance": 0.1,
        "routing_variance_form": "released",
    },
}
VARIANTS: dict[str, dict[str, dict]] = {
    "mind": {
        "relu": {"relu_layers": [9]},
        "cosines": {"routing_temperature": 0.3},
        "released": {"relu_projection": True, "vote_bias": True, "dynamic_interests": False, "read_out": "hard"},
    },
    "comirec_dr": {"cosines": {"routing_temperature": 0.3, "squash_power": 0.1}},
    "sine": {
        "paper": {"variant": "paper"},
        "interests": {"serve": "interests", "variant": "paper"},
        "wide": {"variant": "official", "attention_hidden": 4 * D},
        "shared": {"variant": "paper", "shared_projection": True},
    },
    "shrinkage": {"prior": {"prior": True}, "no_prior": {"prior": False, "share": 1.0}, "one_vector": {"share": 0.0}},
    "miracle": {
        "bidirectional": {"attention": "bidirectional", "encoder_affine": True},
        "newest": {"attention": "bidirectional", "positions": "newest", "position_activation": "leaky_relu"},
    },
}
"""What else a model can be; no other needs to know of it."""


def options(name: str) -> dict[str, dict]:
    """The options that a model is tried with."""
    layers = PUBLISHED_LAYERS.get(name, {})
    published = {option: {**layers, **OPTIONS[option], **_OWN.get(name, {})} for option in ("all", "context", "hard")}
    return {**OPTIONS, **published, **VARIANTS.get(name, {})}


COSINE = {"normalize": True, "temperature": 0.5}


def _every(*chosen: str) -> list[tuple[str, str]]:
    return [(name, option) for name in registry.names("retrieval") for option in (*chosen, *VARIANTS.get(name, {}))]


ENCODERS = _every("default", "bare", "context", "one")
"""Each model with the options that change what it says of a history ("context" has all that "all" has)."""

LOSSES = _every("default", "context", "hard", "penalties", "one", "released")
"""Each model with the options that change how it is trained."""


def batch(seed: int = 0) -> dict[str, tf.Tensor]:
    """Three users with seven items, three and one, and a target behind each item."""
    random = np.random.default_rng(seed)
    mask = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
    history = random.integers(1, N + 1, size=(B, T)) * mask
    targets = random.integers(1, N + 1, size=(B, T)) * mask
    return {
        "history": tf.constant(history, tf.int64),
        "history_mask": tf.constant(mask, tf.int64),
        "history_gap": tf.constant(random.uniform(0, 9, size=(B, T)) * mask, tf.float32),
        "targets": tf.constant(targets, tf.int64),
        "user_job": tf.constant([[1, 3], [2, 0], [0, 0]], tf.int64),
        "user_age": tf.constant([[0.5], [-1.0], [0.0]]),
    }


@functools.cache
def built(name: str, option: str = "default", precision: str = "none"):
    """A model whose weights are where they start, moved a little: none is zero, none is out of proportion."""
    keras.utils.set_random_seed(1)
    cls, bare = registry.get(name), option == "bare"
    with mixed_precision(precision):
        settings = cls.settings_class(name=name, dimension=D, **{"cosine": COSINE, **options(name)}[option])
        profile = {} if bare else PROFILE
        model = cls(settings, WITHOUT_TEXTS if bare else CATALOGUE, T, profile, 1280, seed=1)
        model.compute_loss(batch())
    random = np.random.default_rng(5)
    for weights in model.trainable_weights:
        weights.assign_add(random.normal(scale=0.1, size=weights.shape))
    return model
