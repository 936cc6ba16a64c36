"""Item examples on disk."""

import tensorflow as tf


def item_file(path, items):
    """A gzipped TFRecord file; an item is a dict of ``item_id`` and lists of strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for item in items:
            example = tf.train.Example()
            for name, values in item.items():
                values = [values] if name == "item_id" else values
                example.features.feature[name].bytes_list.value.extend(value.encode() for value in values)
            writer.write(example.SerializeToString())
    return str(path)
