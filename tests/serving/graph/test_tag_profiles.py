"""A model of profiles: its bundle, in the real server, asked over gRPC."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from serving.bundle import manifest
from serving.client import Client
from serving.client.answers import ClientError
from serving.publish.writer import build_bundle
from serving.server import Server
from serving.settings import IndexSettings, ServingSettings
from serving.users import RawUser
from serving.validation.validate import validate
from tests.serving import toy_profile as toy
from tests.serving.running_server import POLL

SETTINGS = ServingSettings(default_k=5, model_name="people")
USERS = [
    RawUser(["item-1", "item-30", "nowhere"], [1, 2, 3], {"city": ["there"], "age": [30.0]}),
    RawUser(["item-7"], [9], {"city": [], "age": []}),
    RawUser(["item-2"] * 9, list(range(9)), {"city": ["here", "there"], "age": [-4.0]}),
]


@pytest.fixture(scope="module", params=["exact", "scann"])
def folders(request, tmp_path_factory):
    """The trained model, and a folder to serve with one version in it."""
    folder = tmp_path_factory.mktemp(request.param)
    toy.save_toy_profile(folder / "trained")
    # Leaves are forced: ScaNN would score every vector of so few otherwise.
    index = IndexSettings(kind=request.param, num_leaves=10, leaves_to_search=10, max_k=400)
    (folder / "served" / "people").mkdir(parents=True)
    build_bundle(str(folder / "trained"), str(folder / "served" / "people" / "1"), index, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def client(folders):
    with Server(folders / "served", "people", poll_seconds=POLL) as server:
        server.wait_until_available()
        with Client(f"127.0.0.1:{server.port}", "people", timeout=60) as asking:
            yield asking


def _features(user):
    return user.features.get("city", ()), sum(user.features.get("age", ()))


def _ask(client, users, k):
    return client.tag_profile([u.history for u in users], k, [u.times for u in users], [u.features for u in users])


def test_profiles_are_those_of_numpy(client):
    for user, answer in zip(USERS, _ask(client, USERS, 5), strict=True):
        assert list(answer.tasks) == toy.TASKS and not answer.fallback
        scores = toy.restated_scores(user.history, *_features(user))
        for listed, expected in zip(answer.tasks.values(), scores, strict=True):
            best = np.argsort(-expected)[:5]
            assert [entry.tag for entry in listed] == [toy.TAGS[row] for row in best]
            np.testing.assert_allclose([entry.score for entry in listed], expected[best], rtol=1e-4)


def test_given_tags(client):
    tags = [["é, last", "no such tag"], ["two\nlines"], []]
    answers = client.tag_scores([u.history for u in USERS], tags, [u.times for u in USERS], [u.features for u in USERS])
    assert [answer.known for answer in answers] == [[True, False], [True], []]
    for user, asked, answer in zip(USERS, tags, answers, strict=True):
        expected = toy.restated_scores(user.history, *_features(user))
        for scores, row in zip(answer.tasks.values(), expected, strict=True):
            known = [row[toy.TAGS.index(tag)] if tag in toy.TAGS else 0.0 for tag in asked]
            np.testing.assert_allclose(scores, known, rtol=1e-4)


def test_more_than_there_are(client):
    (answer,) = client.tag_profile([["item-3"]], 400)
    assert [len(listed) for listed in answer.tasks.values()] == [len(toy.TAGS)] * 2
    assert {entry.tag for entry in answer.tasks["click"]} == set(toy.TAGS)


def test_a_user_of_whom_nothing_is_known(client):
    for history in ([], ["nowhere"]):
        (answer,) = client.tag_profile([history], 3)
        assert answer.fallback
        np.testing.assert_allclose([entry.score for entry in answer.tasks["click"]], 1 / (1 + np.e), rtol=1e-5)
    assert not client.tag_profile([[]], 3, user_features=[{"city": "here"}])[0].fallback


@pytest.mark.parametrize("k", [0, -1, 401])
def test_k_has_bounds(client, k):
    with pytest.raises(ClientError, match="k should be between 1 and 400"):
        client.tag_profile([["item-1"]], k)


def test_it_recommends_nothing(client):
    with pytest.raises(ClientError, match='has no signature "recommend", only serving_default, tag_profile, tag_score'):
        client.recommend([["item-1"]])


def test_examples_get_the_same_profile(folders):
    """serving_default of the SavedModel that any TensorFlow Serving loads."""
    model = tf.saved_model.load(str(folders / "served" / "people" / "1"))

    def of_bytes(*values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode() for value in values]))

    age = tf.train.Feature(float_list=tf.train.FloatList(value=[30.0]))
    features = {"history": of_bytes("item-1", "item-30"), "user_city": of_bytes("there"), "user_age": age}
    example = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    outputs = model.signatures["serving_default"](examples=tf.constant([example, b""]))
    assert outputs["tags"].shape == (2, 2, SETTINGS.default_k)
    assert outputs["fallback"].numpy().tolist() == [False, True]
    expected = toy.restated_scores(["item-1", "item-30"], ["there"], 30.0)
    np.testing.assert_allclose(outputs["scores"][0], -np.sort(-expected, axis=1)[:, :5], rtol=1e-4)


def test_the_manifest_names_the_tasks(folders):
    stated = manifest.verify(folders / "served" / "people" / "1")
    assert stated.tasks == toy.TASKS and stated.items == len(toy.TAGS) and stated.dimension == toy.DIMENSION


def test_the_gate_lets_it_pass(folders):
    report = validate(str(folders / "trained"), str(folders / "served" / "people" / "1"), USERS, SETTINGS)
    assert report.blessed, report.reason
    assert [check.name for check in report.checks] == [
        *("server", "scores", "recall", "tag_scores", "fallback", "latency", "stock")
    ]


def test_the_gate_refuses_another_models_bundle(folders, tmp_path):
    """The trained model moved on, its bundle did not."""
    trained = toy.ToyProfile()
    trained.tag_bias.assign(trained.tag_bias + 0.5)
    tf.saved_model.save(trained, str(tmp_path / "trained"))
    os.makedirs(tmp_path / "trained" / "assets.extra", exist_ok=True)
    description = json.loads((folders / "trained" / "assets.extra" / "model.json").read_text())
    (tmp_path / "trained" / "assets.extra" / "model.json").write_text(json.dumps(description))
    report = validate(str(tmp_path / "trained"), str(folders / "served" / "people" / "1"), USERS, SETTINGS)
    assert {check.name for check in report.checks if not check.passed} == {"scores", "tag_scores"}
