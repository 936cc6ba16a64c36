"""Vectors of texts and their encoder, as the TextEncoder leaves them; what the encoder is does not matter here."""

import json

import tensorflow as tf


def write_text_vectors(folder, vectors, fingerprint="f" * 64):
    """Writes ``item -> vector``; returns the folder."""
    (folder / "encoder").mkdir(parents=True)
    dimension = len(next(iter(vectors.values())))
    description = {
        "encoder": "tfidf", "fingerprint": fingerprint, "dimension": dimension, "settings": {"encoder": "tfidf"}
    }  # fmt: skip
    (folder / "encoder" / "encoder.json").write_text(json.dumps(description))
    with tf.io.TFRecordWriter(str(folder / "vectors-0.gz"), "GZIP") as writer:
        for item, vector in vectors.items():
            example = tf.train.Example()
            example.features.feature["item_id"].bytes_list.value.append(item.encode())
            example.features.feature["text_vector"].float_list.value.extend(vector)
            writer.write(example.SerializeToString())
    return str(folder)
