"""Schemas without bounds that ordinary growth breaks.

TensorFlow Data Validation infers a schema from what it is shown: a history of 3 to 11 items, a bucket that is one of
two. Frozen and held against later data, such a schema refuses a log that has merely grown. What is structural stays as
strict as it is written: which features there are, their types, that they are present, and domains of numbers.
"""

from tensorflow_metadata.proto.v0 import schema_pb2

from trainer.data import schema as names

_LISTS = (names.HISTORY, names.HISTORY_TIME, names.TARGETS, names.ITEM)
_IDS = (names.HISTORY, names.TARGETS, names.ITEM, names.USER_ID, names.HISTORY_BUCKET)
_MAYBE_EMPTY = (names.HISTORY, names.HISTORY_TIME, names.TARGETS)
_OF_LABELS = (names.label_feature(""), names.weight_feature(""))


def without_growth(schema: schema_pb2.Schema, inferred: bool) -> schema_pb2.Schema:
    """The schema without what changes as a log grows.

    Lists (histories, targets, items shown and their labels, lists of profile values) may have any length, ids and
    buckets of histories any value; in a log of impressions a history may be empty. Of profile features an inferred
    schema loses the list of values seen as well: tomorrow's users have another. In a curated one it stays, because
    somebody may have written it.

    Args:
      schema: the data's schema; it is not changed.
      inferred: whether it was inferred from the data that it will judge.
    """
    relaxed = schema_pb2.Schema()
    relaxed.CopyFrom(schema)
    impressions = any(feature.name == names.ITEM for feature in schema.feature)
    for feature in relaxed.feature:
        if feature.name in _LISTS or feature.name.startswith(_OF_LABELS) or feature.value_count.max != 1:
            feature.ClearField("value_count")
        if impressions and feature.name in _MAYBE_EMPTY:
            feature.presence.ClearField("min_fraction")
        profile = feature.name.startswith(names.USER_PREFIX) and feature.name != names.USER_ID
        if feature.name in _IDS or (profile and inferred):
            for field in ("domain", "string_domain", "distribution_constraints"):
                feature.ClearField(field)
    used = {feature.domain for feature in relaxed.feature if feature.HasField("domain")}
    kept = [domain for domain in relaxed.string_domain if domain.name in used]
    del relaxed.string_domain[:]
    relaxed.string_domain.extend(kept)
    return relaxed
