"""Every retrieval model, from item numbers to interests, against NumPy restatements of the papers."""

import functools

import numpy as np
import pytest

from tests.conformance import restatement
from tests.conformance.models import CATALOGUE, LENGTHS, batch, built
from trainer.models import registry


def _dense(layer, name):
    weights = {name: layer.kernel.numpy()}
    return weights if layer.bias is None else {**weights, f"{name}_bias": layer.bias.numpy()}


def _norm(layer, name):
    weights = {f"{name}gain": layer.gamma.numpy()}
    return weights if layer.beta is None else {**weights, f"{name}offset": layer.beta.numpy()}


def _encoder(layer):
    parts = ("query", "key", "value", "joined", "inner", "outer")
    blocks = [
        {name: value for part in parts for name, value in _dense(getattr(block, part), part).items()}
        for block in layer.blocks
    ]
    return {"positions": layer.positions.numpy(), "blocks": blocks}


def _two_tower(model):
    return {}


def _comirec_sa(model):
    layer = model.attention
    return {
        "positions": layer.positions.numpy(),
        **_dense(layer.attention_hidden, "hidden"),
        **_dense(layer.attention_logits, "logits"),
    }


def _comirec_dr(model):
    return {"matrices": model.capsules.matrices.numpy()}


def _mind(model):
    return {"bilinear": model.capsules.bilinear.numpy(), "routing_logits": model.capsules.routing_logits.numpy()}


def _octopus(model):
    layer = model.extraction
    return {
        "prototypes": layer.pool.prototypes.numpy(),
        "positions": layer.positions.numpy(),
        "readers": layer.readers.numpy(),
        **_dense(layer.hidden, "hidden"),
    }


def _sine(model):
    layer = model.extraction
    return {
        **_octopus(model),
        **_norm(layer.interest_norm, "interest_"),
        **_dense(layer.pool.hidden, "pool_hidden"),
        **_dense(layer.pool.logits, "pool_logits"),
        **_dense(layer.projection, "projection"),
        **_norm(layer.item_norm, "item_"),
        **_norm(layer.concept_norm, "concept_"),
        "kernel": model.aggregation.kernel.numpy(),
        "reader": model.aggregation.reader.numpy(),
        **_norm(model.aggregation.norm, "norm_"),
    }


def _miracle(model):
    layer = model.capsules
    return {
        "encoder": _encoder(model.encoder),
        "base": layer.base.numpy(),
        "positions": layer.positions.numpy(),
        **_dense(layer.hidden, "hidden"),
        **_dense(layer.logits, "logits"),
        **_dense(layer.projection, "projection"),
        **_norm(layer.norm, ""),
    }


def _shrinkage(model):
    return {
        "places": model.settings.num_interests,
        **_dense(model.local.inner, "inner"),
        **_dense(model.local.outer, "outer"),
    }


WEIGHTS = {
    "two_tower": _two_tower,
    "comirec_sa": _comirec_sa,
    "comirec_dr": _comirec_dr,
    "mind": _mind,
    "octopus": _octopus,
    "sine": _sine,
    "miracle": _miracle,
    "shrinkage": _shrinkage,
}


def _item_vectors(model):
    tower = getattr(model.item_tower, "embeddings", model.item_tower)
    tower = tower if hasattr(tower, "category_embeddings") else model.item_tower
    vectors = restatement.item_vectors(
        tower.embeddings.numpy(), CATALOGUE.categories, tower.category_embeddings.numpy()
    )
    if tower is not model.item_tower:
        adaptor = model.item_tower.adaptor
        weights = {name: getattr(adaptor, name).numpy() for name in ("gate", "centres", "kernels")}
        vectors = vectors + restatement.vectors_of_texts(CATALOGUE.text_vectors, weights)
    return vectors


@pytest.mark.parametrize("option", ["all", "context"])
@pytest.mark.parametrize("name", registry.names("retrieval"))
def test_interests_and_vectors(name, option):
    """With recency and time, categories, texts where the model takes them, profile features; a Transformer before."""
    model, given = built(name, option), {key: value.numpy() for key, value in batch().items()}
    vectors = _item_vectors(model)
    served = vectors
    if name == "shrinkage":
        served = np.concatenate([restatement.unit(vectors), np.ones((len(vectors), 1))], axis=1)
    np.testing.assert_allclose(model.item_vectors(), served, rtol=1e-4, atol=1e-5)
    encoding = model.encode_last(batch())
    weights = WEIGHTS[name](model)
    projection = {**_dense(model.projection.inner, "inner"), **_dense(model.projection.outer, "outer")}
    for row, length in enumerate(LENGTHS):
        gaps = given["history_gap"][row, :length].astype(float)
        bias = restatement.recency(model.recency.distance.numpy(), model.recency.age.numpy(), gaps)
        items = raw = vectors[given["history"][row, :length] - 1]
        if option == "context":
            context = {"gain": model.context.gain.numpy(), **_encoder(model.context.encoder)}
            items = restatement.in_context(items, context)
        table = model.profile.tables["user_job"].numpy()
        about = restatement.profile(given["user_job"][row], table, given["user_age"][row, 0])
        project = functools.partial(restatement.projected, about=about, w=projection)
        if name == "shrinkage":
            interests, active = restatement.shrinkage(
                items, bias, {**weights, "raw": raw, "project": project}, model.temperature
            )
        else:
            interests, active = getattr(restatement, name)(items, bias, weights)
            interests = project(interests)
        np.testing.assert_array_equal(encoding.interest_mask[row, 0], active)
        np.testing.assert_allclose(encoding.interests[row, 0][active], interests[active], rtol=1e-3, atol=1e-4)
