"""A bundle of any size to serve: a real Transform, a real tower of ``comirec_sa``, made-up item vectors in clusters.

Its index has the sizes with which the search of a million clustered items reaches a recall of .995 by
``benchmarks.serving index``, where vectors differ in length; these users, of unit vectors, would be served by less.
"""

import os
import shutil
from pathlib import Path

import numpy as np

ITEMS_IN_CLUSTER = 200
_HISTORY, _DIMENSION, _INTERESTS = 50, 64, 4
_CLUSTERS_OF_A_USER = 4
_SHARPNESS = 100.0
_LEAVES_SEARCHED, _REORDERED = 20, 200


def clusters(items: int) -> int:
    """How many clusters a catalogue of ``items`` has; item ``i<n>`` is of cluster n modulo this."""
    return max(items // ITEMS_IN_CLUSTER, 10)


def histories(users: int, items: int, length: int = _HISTORY, seed: int = 0) -> list[list[str]]:
    """Users who like items of four clusters, in any order."""
    random = np.random.default_rng(seed)
    liked = random.integers(0, clusters(items), (users, _CLUSTERS_OF_A_USER))
    drawn = np.take_along_axis(liked, random.integers(0, _CLUSTERS_OF_A_USER, (users, length)), axis=1)
    numbers = drawn + clusters(items) * random.integers(0, items // clusters(items), (users, length))
    return [[f"i{number}" for number in row] for row in numbers]


def bundle(root: Path, items: int) -> Path:
    """The folder of the bundle with ``items`` items, made if it is not there yet (minutes for a million)."""
    target = root / f"bundle-{items}"
    if not target.exists():
        trained, partial = root / f"trained-{items}", root / f".trained-{items}"
        if not trained.exists():
            shutil.rmtree(partial, ignore_errors=True)
            _train(partial, items)
            partial.rename(trained)
        from serving.publish.writer import build_bundle
        from serving.settings import IndexSettings, ServingSettings

        index = IndexSettings(leaves_to_search=_LEAVES_SEARCHED, reorder=_REORDERED)
        build_bundle(str(trained), str(target), index, ServingSettings(model_name=MODEL))
    return target


MODEL = "million"


def _train(directory: Path, items: int) -> None:
    """Writes what training would: an untrained tower, whose item vectors lie in clusters and differ in length."""
    import tensorflow as tf

    from trainer.data import schema
    from trainer.data.catalogue import read_catalogue
    from trainer.data.preprocessing import ITEM_FREQUENCY
    from trainer.export import retrieval as export
    from trainer.models import registry

    transform = _transform(directory, items)
    catalogue = read_catalogue(
        transform.vocabulary_file_by_name(ITEM_FREQUENCY),
        transform.vocabulary_file_by_name(schema.ITEM_VOCABULARY),
        [],
    )
    settings = registry.settings_class("comirec_sa")(
        dimension=_DIMENSION, num_interests=_INTERESTS, normalize=True, temperature=0.15
    )
    model = registry.get("comirec_sa")(settings, catalogue, _HISTORY)
    anyone = {
        schema.HISTORY: tf.ones([1, _HISTORY], tf.int64),
        schema.HISTORY_MASK: tf.ones([1, _HISTORY], tf.int64),
        schema.HISTORY_GAP: tf.zeros([1, _HISTORY]),
    }
    model.encode_last(anyone)
    numbers = np.array([int(item[1:]) for item in catalogue.ids])
    model.item_tower.embeddings.assign(_vectors(items)[numbers])
    _attend_to_one_cluster(model)
    export.save(model, catalogue, transform, {}, str(directory))
    shutil.rmtree(directory / "transform")


def _attend_to_one_cluster(model) -> None:  # type: ignore[no-untyped-def]
    """Makes each head's attention sharp: items of a cluster are much alike, and so are their logits.

    With the attention of the start every interest is the mean of all clusters, which lies near none of them.
    """
    kernel = model.attention.attention_logits.kernel
    kernel.assign(_SHARPNESS * kernel)


def _vectors(items: int) -> np.ndarray:
    random = np.random.default_rng(1)
    centres = random.normal(size=(clusters(items), _DIMENSION)).astype(np.float32)
    vectors = centres[np.arange(items) % len(centres)]
    vectors += 0.5 * random.standard_normal((items, _DIMENSION), np.float32)
    return vectors * random.lognormal(0.0, 0.3, (items, 1)).astype(np.float32) / np.float32(np.sqrt(_DIMENSION))


def _transform(directory: Path, items: int):  # type: ignore[no-untyped-def]
    """Transform's graph of a log in which every item stands once."""
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

    from trainer.data import schema
    from trainer.data.preprocessing import preprocessing_fn

    spec = {
        name: tf.io.VarLenFeature(tf.string if name in (schema.HISTORY, schema.TARGETS, schema.USER_ID) else tf.int64)
        for name in (schema.USER_ID, schema.HISTORY, schema.HISTORY_TIME, schema.HISTORY_OVERLAP, schema.TARGETS)
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    ids = np.array([f"i{number}".encode() for number in range(items)], object)
    rows = [
        {
            schema.USER_ID: [f"u{number}".encode()],
            schema.HISTORY: part[:-1].tolist(),
            schema.HISTORY_TIME: [0] * (len(part) - 1),
            schema.HISTORY_OVERLAP: [0],
            schema.TARGETS: part[-1:].tolist(),
        }
        for number, part in enumerate(np.array_split(ids, max(items // _HISTORY, 1)))
    ]
    graph = directory / "transform"
    config = {"transform": {"max_history": _HISTORY}}
    with tft_beam.Context(temp_dir=str(graph / "temporary")):
        _, transform_fn = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        transform_fn | tft_beam.WriteTransformFn(str(graph))
    metadata_io.write_metadata(metadata, os.path.join(graph, tft.TFTransformOutput.RAW_METADATA_DIR))
    return tft.TFTransformOutput(str(graph))
