"""What a schema loses so that a log can grow, and what it keeps."""

from tensorflow_metadata.proto.v0 import schema_pb2

from components.validation.growth import without_growth


def test_a_domain_of_a_label_is_kept():
    schema = schema_pb2.Schema()
    for name in ("item", "history", "label_click"):
        feature = schema.feature.add(name=name)
        feature.value_count.min, feature.value_count.max = 1, 3
        feature.presence.min_fraction = 1.0
    schema.feature[2].float_domain.max = 1.0
    relaxed = {feature.name: feature for feature in without_growth(schema, inferred=False).feature}
    assert not any(feature.HasField("value_count") for feature in relaxed.values())
    assert relaxed["label_click"].float_domain.max == 1.0
    # A history of impressions may be empty; an item is always shown.
    assert [relaxed[name].presence.min_fraction for name in ("item", "history")] == [1.0, 0.0]
    assert schema.feature[0].HasField("value_count")
