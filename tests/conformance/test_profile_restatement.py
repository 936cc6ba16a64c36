"""Every profile model, from numbers of items and values to log-odds, against NumPy restatements of the papers."""

import numpy as np
import pytest

from tests.conformance import profile_restatement as restatement
from tests.conformance.profile_models import LENGTHS, PROFILES, batch, built, catalogue

KERNELS = {
    "default": [[0, 1, 2], [1, 2, 3, 4]],
    "many": [[0, 1, 2], [1, 2, 3, 4]],
    "pool": [[0, 1, 2], [1, 2, 3, 4]],
    "paper": [[0, 1, 2], [1, 2, 3, 4]],
    "fm": [[0, 1, 2], [1, 2, 3, 4]],
    "one": [[0, 1, 2, 3, 4]],
    "kernels": [[0, 3], [0, 1, 2]],
    "kernel": [[0]],
}
"""Which virtual kernels each option of MVKE should give to its tasks."""


def _networks(layer):
    return [kernel.numpy() for kernel in layer.kernels], [bias.numpy() for bias in layer.biases]


def _dense(layer):
    return layer.kernel.numpy(), layer.bias.numpy()


def _tags(model):
    return {"tag_embeddings": model.tags.embeddings.numpy(), "tags": _networks(model.tags.towers)}


def _shared_bottom(model, option):
    return {**_tags(model), "bottom": _networks(model.bottom), "towers": _networks(model.towers)}


def _mmoe(model, option):
    return {
        **_tags(model),
        "experts": _networks(model.experts),
        "gates": model.gates.gates.kernel.numpy(),
        "towers": _networks(model.towers),
    }


def _utpm(model, option):
    weights = {"tag_embeddings": model.tag_embeddings.numpy(), "layers": _networks(model.towers)}
    if model.attention is not None:
        weights |= {
            "queries": model.attention.queries.numpy(),
            "inside": {name: _dense(layer) for name, layer in model.attention.inside.items()},
            "across": _dense(model.attention.across),
        }
    if model.cross is not None:
        weights["factors"] = model.cross.factors_table.numpy()
    return weights


def _mvke(model, option):
    layer = model.experts
    return {
        **_tags(model),
        **{name: _dense(getattr(layer, name)) for name in ("query", "key", "value")},
        "kernels": layer.kernels.numpy(),
        "task_kernels": KERNELS[option],
        "experts": _networks(layer.towers),
        "pool": option in ("pool", "paper"),
        "sigma": option == "paper",
        "scaled": option == "paper",
        "fm": option == "fm",
        "norm": () if option in ("pool", "paper") else (layer.norm.gamma.numpy(), layer.norm.beta.numpy()),
    }


WEIGHTS = {"shared_bottom": _shared_bottom, "mmoe": _mmoe, "utpm": _utpm, "mvke": _mvke}


@pytest.mark.parametrize(("name", "option"), PROFILES, ids=["-".join(which) for which in PROFILES])
def test_log_odds(name, option):
    """Of each task, user and item: with a missing, an empty, a multi-valued field; without a history; without a tag."""
    model, given, tags = built(name, option), batch(), catalogue(option).tags
    weights, tables = WEIGHTS[name](model, option), {k: v.numpy() for k, v in model.embeddings.tables.items()}
    logits, users = model.logits(given).numpy(), model.user_vectors(given).numpy()
    vectors = model.tag_vectors(np.arange(model.num_tags)).numpy()
    pool = np.sum if model.settings.tag_pooling == "sum" else np.mean
    for row, length in enumerate(LENGTHS):
        user = {
            "history": given["history"].numpy()[row, :length],
            "user_job": [job for job in given["user_job"].numpy()[row] if job],
            "user_age": given["user_age"].numpy()[row, 0],
        }
        score = getattr(restatement, name)(restatement.fields(user, tables, tags), weights)
        for task in range(len(model.tasks)):
            scores = [score(task, tag) for tag in range(model.num_tags)]
            # One inner product is all that an index of tags needs.
            np.testing.assert_allclose(vectors[:, task] @ users[row, task], scores, rtol=1e-3, atol=1e-4)
            for place, item in enumerate(given["item"].numpy()[row]):
                known = [tag - 1 for tag in tags[item - 1] if tag] if item else []
                expected = model.bias.numpy()[task] + (pool([scores[tag] for tag in known]) if known else 0.0)
                np.testing.assert_allclose(logits[row, place, task], expected, rtol=1e-3, atol=1e-4)
