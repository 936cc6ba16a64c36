"""The recipes "as published" of the pages: valid configurations, which make what their authors' code computes."""

import numpy as np
import pytest
import tensorflow as tf
import yaml

from components.ingestion.cut.windows import training_windows
from pipeline.config import pretraining
from pipeline.config import run as config
from tests.conformance import profile_models, released, restatement
from tests.conformance.models import LENGTHS, WITHOUT_TEXTS, D, T, batch
from tests.conformance.recipes import recipes
from trainer.models import registry

RECIPES = recipes()
RELEASED = [name for name in RECIPES if "as released" in name]
SCORES = {"read_out", "normalize", "temperature", "negatives", "recency", "dropout"}
"""What every model of items has and no recipe may leave to a default."""
LOG = {"interactions": "log.csv"}
IMPRESSIONS = {**LOG, "items": "items.csv", "item_columns": {"tags": "tags"}, "labels": {"click": {"column": "click"}}}


def _sections(name):
    """The recipe's sections with a log, small enough to be built where they say ``model``."""
    sections = yaml.safe_load(yaml.safe_dump(RECIPES[name]))
    log = IMPRESSIONS if sections["model"]["name"] == "mvke" else LOG
    sections["data"] = {**log, **sections.get("data", {})}
    return sections


def test_every_page_has_what_it_says():
    assert {name.split(" as ")[0] for name in RELEASED} == {"ComiRec-SA", "ComiRec-DR", "MIND", "SINE", "MIRACLE"}
    assert {name.split(" as ")[0] for name in RECIPES} - {"MVKE"} == {name.split(" as ")[0] for name in RELEASED}


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_a_configuration_that_leaves_nothing_to_the_defaults(name):
    sections = _sections(name)
    given = RECIPES[name]["model"]
    loaded = config.validate(sections, name)
    if loaded.model.name == "mvke":
        # What tests/conformance/test_profile_restatement.py holds against NumPy.
        assert profile_models.VARIANTS["mvke"]["paper"].items() <= given.items()
        return
    joined = given.get("serve") == "aggregated"  # one vector: there is nothing to read out
    assert set(given) >= SCORES - ({"read_out"} if joined else set())
    assert "residual_projection" in given or given.get("relu_layers")
    own = registry.settings_class(given["name"]).model_fields.keys()
    routing = {"squash_power", "routing_temperature", "identity_start", "variant", "attention_hidden", "attention"}
    assert (routing & own) <= set(given)
    assert RECIPES[name]["training"].keys() >= {"optimizer", "schedule", "warmup_steps", "learning_rate"} or (
        "as in the paper" in name
    )


def test_the_recipe_of_pre_training_is_one_of_polyrec_pretrain(tmp_path):
    sections = {name: part for name, part in _sections("MIRACLE as released, pre-training").items() if name != "data"}
    sections["domains"] = {"one": {"interactions": "log.csv", "items": "items.csv", "item_columns": {"text": "title"}}}
    path = tmp_path / "shops.yaml"
    path.write_text(yaml.safe_dump(sections))
    assert pretraining.load(str(path)).config.model.negatives == "in_batch_plain"


@pytest.mark.parametrize("name", RELEASED)
def test_late_targets_have_a_full_history(name):
    """As where each target is drawn with the T items before it: for a sequence of 3 T events, those from T on."""
    data, length = RECIPES[name].get("data"), RECIPES[name]["transform"]["max_history"]
    if data is None:
        assert "pre-training" in name  # polyrec pretrain takes its data from the domains
        return
    end = 3 * length
    windows = training_windows(
        np.array([0]), np.array([0]), np.array([end]), length, data["min_history"], data["window_overlap"]
    )
    before = {
        target: target - start
        for start, first, stop in zip(windows.start, windows.target, windows.end, strict=True)
        for target in range(first, stop)
    }
    assert before == {target: min(target, length) for target in range(data["min_history"], end)}


def _built(name, **small):
    settings = config.validate(_sections(name), name).model
    given = {**settings.model_dump(), "dimension": D, **small}
    cls = registry.get(settings.name)
    model = cls(type(settings)(**given), WITHOUT_TEXTS, T, {}, 1280, seed=1)
    model.compute_loss(batch())
    random = np.random.default_rng(5)
    for weights in model.weights:
        if weights.dtype.is_floating:
            weights.assign_add(random.normal(scale=0.3, size=weights.shape))
    return model


def _dense(layer):
    return layer.kernel.numpy(), np.zeros(layer.kernel.shape[1]) if layer.bias is None else layer.bias.numpy()


def _attention(hidden, logits):
    found = {"hidden": hidden.kernel.numpy(), "hidden_bias": hidden.bias.numpy(), "logits": logits.kernel.numpy()}
    return found if logits.bias is None else {**found, "logits_bias": logits.bias.numpy()}


def _comirec_sa(model):
    layer = model.attention
    weights = {"positions": layer.positions.numpy(), **_attention(layer.attention_hidden, layer.attention_logits)}
    return lambda x: released.comirec_sa(x, weights, T)


def _comirec_dr(model):
    weights = {"matrices": model.capsules.matrices.numpy()}
    return lambda x: released.comirec_dr(x, weights, T)


def _mind(model):
    layer, (relu, relu_bias) = model.capsules, model.projection.get_weights()
    weights = {
        "matrix": layer.bilinear.numpy().T,
        "bias": layer.bias.numpy(),
        "start": layer.routing_logits.numpy(),
        "relu": relu,
        "relu_bias": relu_bias,
    }
    return lambda x: released.mind(x, weights, T)


def _sine(model):
    layer, join = model.extraction, model.aggregation
    query, query_bias = _dense(join.query)
    weights = {
        "positions": layer.positions.numpy(),
        "topics": layer.pool.prototypes.numpy(),
        "select": _attention(layer.pool.hidden, layer.pool.logits),
        "weigh": _attention(layer.hidden, layer.logits),
        "concept": {
            "hidden": join.kernel.numpy(),
            "hidden_bias": join.offset.numpy(),
            "logits": join.reader.numpy()[:, np.newaxis],
        },
        "query": query,
        "query_bias": query_bias,
    }
    return lambda x: released.sine(x, weights, T, model.settings.num_interests)


def _miracle(model):
    encoder, layer = model.encoder, model.capsules
    parts, norms = ("query", "key", "value", "joined", "inner", "outer"), ("attention_norm", "output_norm")
    blocks = [
        {
            **{part: _dense(getattr(block, part)) for part in parts},
            **{norm: getattr(block, norm).get_weights() for norm in norms},
        }
        for block in encoder.blocks
    ]
    weights = {
        "positions": encoder.positions.numpy()[1:],
        "norm": encoder.norm.get_weights(),
        "blocks": blocks,
        "base": layer.base.numpy(),
        "time_positions": layer.positions.numpy(),
        "time": _dense(layer.hidden),
        "time_reader": layer.logits.kernel.numpy(),
        "linear": _dense(layer.projection),
        "vote_norm": layer.norm.get_weights(),
    }
    return lambda x: released.miracle(x, weights, T, model.settings.encoder_heads)


def _mind_of_the_paper(model):
    weights = {"bilinear": model.capsules.bilinear.numpy(), "routing_logits": model.capsules.routing_logits.numpy()}
    inner, inner_bias, outer, outer_bias = model.projection.get_weights()

    def interests(x):
        capsules, used = restatement.mind(x, np.zeros((model.settings.num_interests, len(x))), weights)
        return np.maximum(np.maximum(capsules[used] @ inner + inner_bias, 0) @ outer + outer_bias, 0)

    return interests


def _sine_of_the_paper(model):
    layer, join = model.extraction, model.aggregation
    norms = {"interest": layer.interest_norm, "item": layer.item_norm, "concept": layer.concept_norm}
    weights = {
        **{f"{name}_gain": norm.gamma.numpy() for name, norm in norms.items()},
        **{f"{name}_offset": norm.beta.numpy() for name, norm in norms.items() if norm.beta is not None},
        "norm_gain": join.norm.gamma.numpy(),
        "norm_offset": join.norm.beta.numpy(),
        "prototypes": layer.pool.prototypes.numpy(),
        "positions": layer.positions.numpy(),
        "readers": layer.readers.numpy(),
        "hidden": layer.hidden.kernel.numpy(),
        "pool_hidden": layer.pool.hidden.kernel.numpy(),
        "pool_logits": layer.pool.logits.kernel.numpy(),
        "projection": layer.projection.kernel.numpy(),
        "kernel": layer.projection.kernel.numpy(),
        "reader": join.reader.numpy(),
    }
    return lambda x: restatement.sine(x, np.zeros((model.settings.num_interests, len(x))), weights)[0]


def _label_aware_loss(interests, vectors, target):
    scores = interests @ vectors[target]
    logits = (restatement.softmax(np.sign(scores) * scores**2) @ interests) @ vectors.T
    return np.logaddexp.reduce(logits) - logits[target]


SMALL = {
    "MIND as in the paper": (_mind_of_the_paper, _label_aware_loss, {"relu_layers": [9]}),
    "SINE as in the paper": (_sine_of_the_paper, released.hard_loss, {"num_prototypes": 9}),
    "ComiRec-SA as released": (_comirec_sa, released.hard_loss, {"attention_hidden": 4 * D}),
    "ComiRec-DR as released": (_comirec_dr, released.hard_loss, {}),
    "MIND as released with ComiRec": (_mind, released.hard_loss, {}),
    "SINE as released": (_sine, released.hard_loss, {"attention_hidden": 4 * D}),
    "MIRACLE as released, fine-tuning": (_miracle, released.max_loss, {"num_interests": 8, "encoder_hidden": 9}),
}


@pytest.mark.parametrize("name", SMALL)
def test_it_computes_what_the_paper_or_the_released_code_does(name):
    restated, loss_of, small = SMALL[name]
    model, given = _built(name, **small), batch()
    encoding, interests_of = model.encode_all_prefixes(given), restated(model)
    table, losses = model.item_tower.embeddings.numpy(), []
    for row, length in enumerate(LENGTHS):
        for n in range(1, length + 1):
            expected = interests_of(table[given["history"][row, :n].numpy() - 1])
            found = tf.boolean_mask(encoding.interests[row, n - 1], encoding.interest_mask[row, n - 1])
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
            losses.append(loss_of(expected, table, int(given["targets"][row, n - 1]) - 1))
    np.testing.assert_allclose(model.compute_loss(given), np.mean(losses), rtol=1e-4)
