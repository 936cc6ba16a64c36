"""A small trained model of profiles with the attributes of the trainer's export, which NumPy can restate.

A user's vector is the sum of the vectors of the items of the history, one row a task, moved by the city.
"""

import json
import os

import numpy as np
import tensorflow as tf

TASKS = ["click", "conversion"]
ITEMS = [f"item-{row}" for row in range(40)]
TAGS = [f"tag {row}" for row in range(298)] + ["é, last", "two\nlines"]
CITIES = ["here", "there"]
USER_FEATURES = {"city": "categorical", "age": "numeric"}
DIMENSION = 8
_RANDOM = np.random.default_rng(3)
BIAS = np.array([-1.0, -2.0], np.float32)
TAG_VECTORS = _RANDOM.normal(size=(2, len(TAGS), DIMENSION)).astype(np.float32)
ITEM_VECTORS = _RANDOM.normal(size=(len(ITEMS), 2, DIMENSION)).astype(np.float32) / 3
CITY_VECTORS = _RANDOM.normal(size=(len(CITIES), 2, DIMENSION)).astype(np.float32)


def restated_scores(history, cities=(), age=0.0):
    """Probabilities [Y, N] of all tags."""
    user = sum((ITEM_VECTORS[ITEMS.index(item)] for item in history if item in ITEMS), np.zeros((2, DIMENSION)))
    user = user + sum((CITY_VECTORS[CITIES.index(city)] for city in cities if city in CITIES), np.zeros_like(user))
    logits = np.einsum("yd,ynd->yn", user + 0.01 * age, TAG_VECTORS) + BIAS[:, np.newaxis]
    return 1 / (1 + np.exp(-logits))


class ToyProfile(tf.Module):
    def __init__(self):
        super().__init__()
        self.tag_vectors = tf.Variable(TAG_VECTORS, trainable=False)
        self.tag_bias = tf.Variable(BIAS, trainable=False)
        self.tag_names = tf.Variable(TAGS, dtype=tf.string, trainable=False)
        self.task_names = tf.Variable(TASKS, dtype=tf.string, trainable=False)
        self._items, self._item_rows = self._rows(ITEMS, ITEM_VECTORS)
        self._cities, self._city_rows = self._rows(CITIES, CITY_VECTORS)
        features = {"city": tf.TensorSpec([None, None], tf.string), "age": tf.TensorSpec([None, None], tf.float32)}
        history = tf.TensorSpec([None, None], tf.string), tf.TensorSpec([None, None], tf.int64)
        self.encode = tf.function(self._encode, input_signature=[*history, features])

    @staticmethod
    def _rows(keys, vectors):
        """A table of names, and their vectors below a row of zeros for what is unknown."""
        rows = tf.range(1, len(keys) + 1, dtype=tf.int64)
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, rows), default_value=0)
        return table, tf.Variable(np.concatenate([np.zeros_like(vectors[:1]), vectors]), trainable=False)

    def _encode(self, history, history_time, user_features):
        del history_time
        items, cities = self._items.lookup(history), self._cities.lookup(user_features["city"])
        age = user_features["age"]
        age = tf.reduce_sum(tf.where(tf.math.is_finite(age), age, 0.0), axis=1)
        vectors = tf.reduce_sum(tf.gather(self._item_rows, items), axis=1)
        vectors += tf.reduce_sum(tf.gather(self._city_rows, cities), axis=1)
        known = tf.reduce_any(items > 0, axis=1) | tf.reduce_any(cities > 0, axis=1)
        return {"vectors": vectors + 0.01 * age[:, tf.newaxis, tf.newaxis], "known": known}


def save_toy_profile(directory):
    """Writes the export."""
    tf.saved_model.save(ToyProfile(), str(directory))
    os.makedirs(os.path.join(directory, "assets.extra"), exist_ok=True)
    description = {
        "model": "toy", "user_features": USER_FEATURES, "tasks": TASKS, "dimension": DIMENSION, "max_history": 6,
    }  # fmt: skip
    with open(os.path.join(directory, "assets.extra", "model.json"), "w") as file:
        json.dump(description, file)
