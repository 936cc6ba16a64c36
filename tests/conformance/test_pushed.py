"""From raw strings through the pushed model to the same scores as the trainer's, for every retrieval model."""

import string

import numpy as np
import pytest
import tensorflow as tf

from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from tests.trainer.transformed import USER_FEATURES, raw, serialized, transform
from trainer.data import schema
from trainer.data.catalogue import read_catalogue
from trainer.data.preprocessing import ITEM_FREQUENCY
from trainer.data.sequences import evaluation_dataset
from trainer.export import retrieval as export
from trainer.models import registry
from trainer.training.precision import mixed_precision

ITEMS, T, K = string.ascii_lowercase, 6, 8
HISTORIES = ["abcdefgh", "mn?op", "z", "?"]
"""Longer than the model looks, with an unknown item, with one item, with nothing known."""
JOBS, AGES = ["smith", "baker", "", "smith"], [3.0, 200.0, None, 7.0]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    train = [
        raw(str(n), "".join(ITEMS[(n + step) % 26] for step in range(6)), ITEMS[(n + 6) % 26], job=job, age=float(n))
        for n, job in zip(range(60), ["smith", "baker", "cook"] * 20, strict=True)
    ]
    return transform(tmp_path_factory.mktemp("log"), train, _valid(), T)


def _valid():
    return [raw(h, h, "a", job=job, age=age) for h, job, age in zip(HISTORIES, JOBS, AGES, strict=True)]


def _model(log, name, precision, settings):
    output = log.output
    catalogue = read_catalogue(
        output.vocabulary_file_by_name(ITEM_FREQUENCY), output.vocabulary_file_by_name(schema.ITEM_VOCABULARY), []
    )
    jobs = output.vocabulary_size_by_name("user_job")
    batches = evaluation_dataset(log.valid_files, output.transformed_feature_spec(), 8)
    (batch,) = list(batches)
    with mixed_precision(precision):
        given = registry.settings_class(name)(name=name, dimension=6, time_decay=True, **settings)
        model = registry.get(name)(given, catalogue, T, {"user_job": jobs, "user_age": None})
        model.encode_last(batch)
    random = np.random.default_rng(3)
    for weights in model.trainable_weights:
        weights.assign_add(random.normal(scale=0.2, size=weights.shape))
    return model, catalogue, batch


def of_history(added, ids, item):
    """What an item of the history adds, at the place where it adds most."""
    return added[ids == item].max()


SMOOTH = {"ranking": "log_sum_exp"}
"""For all interests in use, some of them silent, and a prior; tests/trainer/training/test_validation.py has every
model."""


@pytest.mark.parametrize(
    ("name", "precision", "settings"),
    [
        *((name, "none", {}) for name in registry.names("retrieval")),
        *((name, "none", SMOOTH) for name in ("comirec_sa", "octopus")),
        ("shrinkage", "none", {**SMOOTH, "prior": True}),
        ("comirec_sa", "bfloat16", {}),
    ],
)
def test_the_pushed_model_scores_as_the_trainer_does(log, tmp_path, name, precision, settings):
    model, catalogue, batch = _model(log, name, precision, settings)
    encoding = model.encode_last(batch)
    export.save(model, catalogue, log.output, USER_FEATURES, str(tmp_path / "model"))
    build_bundle(str(tmp_path / "model"), str(tmp_path / "bundle"), IndexSettings(kind="exact"), ServingSettings())
    width = max(map(len, HISTORIES))
    requests = {
        "history": tf.constant([list(h) + [""] * (width - len(h)) for h in HISTORIES]),
        "history_time": tf.constant([[n * (n + 1) // 2 for n in range(width)]] * len(HISTORIES), tf.int64),
        "user_job": tf.constant([[job] for job in JOBS]),
        "user_age": tf.constant([[np.nan if age is None else age] for age in AGES]),
    }
    pushed = tf.saved_model.load(str(tmp_path / "bundle")).signatures

    served = pushed["user_interests"](**requests)
    np.testing.assert_array_equal(served["interest_mask"], encoding.interest_mask[:, 0])
    np.testing.assert_allclose(served["interests"], encoding.interests[:, 0], rtol=1e-4, atol=1e-5)

    answers = pushed["recommend"](
        **requests,
        exclude=tf.constant([[""]] * len(HISTORIES)),
        exclude_history=tf.constant(False),
        k=tf.constant(K),
        diversity=tf.constant(0.0),
        allow=tf.constant([[""]]),
        deny=tf.constant([[""]]),
    )
    vectors, ids = model.item_vectors().numpy(), np.array(catalogue.ids)
    evaluate = tf.saved_model.load(str(tmp_path / "model")).signatures["evaluate"]
    ndcg = evaluate(tf.constant(serialized(_valid())))["ndcg_at_20"].numpy()
    np.testing.assert_array_equal(answers["fallback"], [False, False, False, True])
    for row in range(3):
        active = encoding.interest_mask[row, 0].numpy()
        scores = encoding.interests[row, 0].numpy()[active] @ vectors.T
        # As the loss sums over interests, at its temperature; of one vector that is its inner product.
        tau = float(model.settings.temperature)
        scores = tau * np.logaddexp.reduce(scores / tau, axis=0) if settings else scores.max(axis=0)
        np.testing.assert_allclose(answers["scores"][row], np.sort(scores)[::-1][:K], rtol=1e-4, atol=1e-5)
        # The one target is "a": its discount by how many items score higher.
        better = np.count_nonzero(scores > scores[ids == b"a"])
        np.testing.assert_allclose(ndcg[row], 1 / np.log2(better + 2) if better < 20 else 0.0, rtol=1e-5)
        of = {item: scores[place] for place, item in enumerate(ids)}
        # What adds most to a score: by directions, a component that is 1 for every item says nothing.
        seen = batch["history"][row].numpy()
        seen = seen[seen > 0] - 1
        for item, interest, why in zip(
            *(answers[key][row].numpy() for key in ("item_ids", "interest", "because")), strict=True
        ):
            added = vectors[seen, :6] @ vectors[list(ids).index(item), :6]
            added = added * encoding.attribution[row, 0].numpy()[interest, : len(seen)]
            assert of_history(added, ids[seen], why) >= added.max() - 1e-5
        given = [of[item] for item in answers["item_ids"][row].numpy()]
        np.testing.assert_allclose(given, answers["scores"][row], rtol=1e-4, atol=1e-5)
    assert answers["item_ids"][3].numpy().tolist() == list(catalogue.ids[:K])
