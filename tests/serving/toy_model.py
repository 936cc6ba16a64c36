"""A small trained model with the attributes of the trainer's export, whose interests NumPy can restate.

Interest 0 is the mean of the last T known items, moved by the profile; interest 1 is the last known item, and active
from two known items on.
"""

import json
import os

import numpy as np
import tensorflow as tf

from trainer.data import schema
from trainer.data.item_attributes import number_attributes
from trainer.ranking.filters import ItemFilter

ITEMS, DIMENSION, MAX_HISTORY = 300, 8, 6
ITEM_IDS = [f"item-{row}" for row in range(ITEMS - 1)] + ["é, last"]
ITEM_COUNTS = np.sort(np.random.default_rng(0).integers(5, 500, ITEMS))[::-1].astype(np.int64)
ITEM_CATEGORY = np.where(np.arange(ITEMS) % 11 == 0, -1, np.arange(ITEMS) % 5).astype(np.int32)
CATEGORY_NAMES = [f"category {number}" for number in range(5)]
ATTRIBUTE_NAMES = ["colour", "in_stock", "category", "season"]
ATTRIBUTES = [
    [f"colour={'red' if row % 3 else 'blue'}", *(["colour=green"] if row % 7 == 0 else [])]
    + [f"in_stock={'no' if row % 10 == 9 else 'yes'}"] * (row % 13 != 0)
    + ([f"category={CATEGORY_NAMES[ITEM_CATEGORY[row]]}"] if ITEM_CATEGORY[row] >= 0 else [])
    for row in range(ITEMS)
]
USER_FEATURES = {"age": "numeric", "city": "categorical"}
CITIES = ["here", "there"]


def item_ids(items=ITEMS):
    return ITEM_IDS[:items] if items <= ITEMS else [f"item-{row}" for row in range(items)]


def item_vectors(items=ITEMS):
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(5, DIMENSION))
    return (centres[np.arange(items) % 5] + 0.5 * rng.normal(size=(items, DIMENSION))).astype(np.float32)


def restated_encode(history, vectors, ages=(), cities=(), ids=ITEM_IDS):
    """One user's interests [K, D], mask [K] and kept history (rows of items)."""
    row_of = {item: row for row, item in enumerate(ids)}
    kept = [row_of[item] for item in history if item in row_of][-MAX_HISTORY:]
    interests = np.zeros((2, DIMENSION), np.float32)
    if kept:
        interests[0] = vectors[kept].mean(axis=0)
        interests[1] = vectors[kept[-1]]
    interests[0, 0] += 0.01 * sum(ages)
    interests[0, 1] += sum(CITIES.index(city) + 1 for city in cities if city in CITIES)
    return interests, np.array([True, len(kept) >= 2]), kept


class ToyModel(tf.Module):
    def __init__(self, vectors, user_features, attributes=ATTRIBUTES):
        super().__init__()
        items = len(vectors)
        ids = item_ids(items)
        self.item_vectors = tf.Variable(vectors, trainable=False)
        self.item_ids = tf.Variable(ids, dtype=tf.string, trainable=False)
        self.item_counts = tf.Variable(np.sort(np.resize(ITEM_COUNTS, items))[::-1], trainable=False)
        self.item_category = tf.Variable(np.resize(ITEM_CATEGORY, items), trainable=False)
        self.category_names = tf.Variable(CATEGORY_NAMES, dtype=tf.string, trainable=False)
        names, values = [name.encode() for name in ATTRIBUTE_NAMES], [[v.encode() for v in row] for row in attributes]
        self.item_filter = ItemFilter(number_attributes(names, values[:items], ids))
        self.embeddings = tf.Variable(vectors, trainable=False)
        self.unused = tf.Variable(tf.zeros([1000, 1000]), trainable=False)
        self._items = self._table(ids)
        self._cities = self._table(CITIES)
        features = {
            name: tf.TensorSpec(
                [None, None], tf.string if kind == "categorical" else tf.float32, name=schema.user_feature(name)
            )
            for name, kind in user_features.items()
        }
        self.encode = tf.function(
            self._encode,
            input_signature=[tf.TensorSpec([None, None], tf.string), tf.TensorSpec([None, None], tf.int64), features],
        )

    @staticmethod
    def _table(keys):
        rows = tf.range(1, len(keys) + 1, dtype=tf.int64)
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, rows), default_value=0)

    def _encode(self, history, history_time, user_features):
        del history_time
        numbers = self._items.lookup(history)
        known = tf.ragged.boolean_mask(numbers, numbers > 0)[:, -MAX_HISTORY:]
        kept = known.to_tensor(shape=[None, MAX_HISTORY])
        mask = tf.cast(kept > 0, tf.float32)
        length = tf.reduce_sum(mask, axis=1, keepdims=True)
        mean = tf.math.divide_no_nan(mask, length)
        last = tf.one_hot(tf.cast(length[:, 0], tf.int32) - 1, MAX_HISTORY)
        attribution = tf.stack([mean, last], axis=1)
        interests = tf.matmul(attribution, tf.gather(self.embeddings, tf.maximum(kept - 1, 0)))
        shift = tf.zeros_like(interests[:, 0, :2])
        if user_features:
            age = user_features["age"]
            age = tf.reduce_sum(tf.where(tf.math.is_finite(age), age, 0.0), axis=1)
            city = tf.cast(tf.reduce_sum(self._cities.lookup(user_features["city"]), axis=1), tf.float32)
            shift = tf.stack([0.01 * age, city], axis=1)
        shift = tf.pad(shift[:, tf.newaxis], [[0, 0], [0, 1], [0, DIMENSION - 2]])
        return {
            "interests": interests + shift,
            "interest_mask": tf.concat([tf.ones_like(length, tf.bool), length >= 2], axis=1),
            "attribution": attribution,
            "history": kept,
        }


def save_toy_model(directory, user_features=None, items=ITEMS, attributes=ATTRIBUTES, ranking_temperature=None):
    """Writes the export; returns its item vectors."""
    vectors = item_vectors(items)
    user_features = dict(user_features or {})
    tf.saved_model.save(ToyModel(vectors, user_features, attributes), str(directory))
    os.makedirs(os.path.join(directory, "assets.extra"), exist_ok=True)
    description = {
        "model": "toy", "user_features": user_features, "interests": 2, "dimension": DIMENSION,
        "max_history": MAX_HISTORY, "items": items, "ranking_temperature": ranking_temperature,
    }  # fmt: skip
    with open(os.path.join(directory, "assets.extra", "model.json"), "w") as file:
        json.dump(description, file)
    return vectors
