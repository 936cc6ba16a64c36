"""The served bundle: both SavedModels answer as NumPy says, and the stock one is stock."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.bundle import manifest
from serving.publish.writer import build_bundle
from serving.runtime.servable import Servable
from serving.settings import IndexSettings, ServingSettings
from tests.serving import toy_model
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import CITIES, ITEM_CATEGORY, ITEM_COUNTS, ITEM_IDS, restated_encode
from trainer.errors import InputError

HISTORIES = [
    ["item-3", "nowhere", "item-44", "item-5", "item-120", "é, last", "item-9", "item-250", "item-31"],
    ["item-17"],
    ["gone", "lost"],
    [],
]


@pytest.fixture(scope="module", params=["stock", "scann"])
def served(request):
    directory = toy_bundle().directory
    path = directory if request.param == "stock" else os.path.join(directory, manifest.SCANN_MODEL)
    # The loaded object has to outlive its signatures.
    loaded = tf.saved_model.load(path)
    yield loaded.signatures
    del loaded


def padded(rows, fill=""):
    width = max(map(len, rows), default=0)
    return tf.constant([row + [fill] * (width - len(row)) for row in rows], tf.string, shape=[len(rows), width])


def recommend(signatures, histories=HISTORIES, exclude=None, exclude_history=False, k=10, diversity=0.0, **user):
    history = padded(histories)
    outputs = signatures["recommend"](
        allow=tf.constant([[""]]),
        deny=tf.constant([[""]]),
        history=history,
        history_time=tf.zeros(history.shape, tf.int64),
        exclude=padded(exclude or [[] for _ in histories]) if exclude else tf.fill([len(histories), 0], ""),
        exclude_history=tf.constant(exclude_history),
        k=tf.constant(k),
        diversity=tf.constant(diversity),
        **user,
    )
    return {name: value.numpy() for name, value in outputs.items()}


def texts(rows):
    return [[value.decode() for value in row] for row in rows]


def expected(history, excluded, k, vectors):
    """Rows, scores, interests and reasons of one user with a known history."""
    interests, mask, kept = restated_encode(history, vectors)
    by_interest = np.where(mask[:, None], interests @ vectors.T, -np.inf)
    scores = by_interest.max(axis=0)
    scores[[row for row, item in enumerate(ITEM_IDS) if item in excluded]] = -np.inf
    rows = np.argsort(-scores, kind="stable")[:k]
    interest = by_interest[:, rows].argmax(axis=0)
    # Every kept item weighs the same in interest 0, and interest 1 is the last one.
    nearest = [kept[int(np.argmax(vectors[kept] @ vectors[row]))] for row in rows]
    reasons = [ITEM_IDS[near if k == 0 else kept[-1]] for near, k in zip(nearest, interest, strict=True)]
    return rows, scores[rows], interest, reasons


@pytest.mark.parametrize("exclude_history", [False, True])
def test_recommendations_are_the_best_items_of_the_interests(served, exclude_history):
    exclude = [["item-1", "unheard"], ["item-100"], [], []]
    outputs = recommend(served, exclude=exclude, exclude_history=exclude_history)
    for user in (0, 1):
        excluded = exclude[user] + (HISTORIES[user] if exclude_history else [])
        rows, scores, interest, reasons = expected(HISTORIES[user], excluded, 10, toy_bundle().vectors)
        assert texts(outputs["item_ids"])[user] == [ITEM_IDS[row] for row in rows]
        np.testing.assert_allclose(outputs["scores"][user], scores, rtol=1e-5)
        np.testing.assert_array_equal(outputs["interest"][user], interest)
        assert texts(outputs["because"])[user] == reasons
    assert outputs["valid"].all()


def test_the_whole_history_is_excluded_not_only_what_the_model_looks_at(served):
    history = [f"item-{row}" for row in range(0, 300, 5)][:40]
    outputs = recommend(served, [history], exclude_history=True, k=60)
    assert not set(texts(outputs["item_ids"])[0]) & set(history)
    assert outputs["valid"].all()


def test_users_of_whom_no_item_is_known_get_the_popular_items(served):
    outputs = recommend(served, exclude=[[], [], ["item-1"], ["item-0", "item-2"]], k=4)
    assert outputs["fallback"].tolist() == [False, False, True, True]
    assert texts(outputs["item_ids"])[2:] == [
        ["item-0", "item-2", "item-3", "item-4"],
        ["item-1", "item-3", "item-4", "item-5"],
    ]
    np.testing.assert_array_equal(outputs["scores"][3], ITEM_COUNTS[[1, 3, 4, 5]])
    assert texts(outputs["because"])[2:] == [[""] * 4] * 2


def test_histories_of_no_column_at_all(served):
    outputs = recommend(served, [[], []], k=2)
    assert outputs["fallback"].all()
    assert texts(outputs["item_ids"]) == [["item-0", "item-1"]] * 2


def test_nobody_is_answered_with_nothing(served):
    for options in ({}, {"diversity": 0.5}, {"exclude_history": True}):
        outputs = recommend(served, [], k=3, **options)
        assert {name: values.shape for name, values in outputs.items()} == {
            **dict.fromkeys(("item_ids", "scores", "interest", "because", "valid"), (0, 3)),
            "fallback": (0,), "unmatched_filters": (0, 1),
        }  # fmt: skip


@pytest.mark.parametrize("diversity", [np.inf, np.nan, -np.inf, -0.1])
def test_diversity_is_finite(served, diversity):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"diversity should be finite, and 0 or more. Received"):
        recommend(served, diversity=diversity)


def test_the_largest_diversity_is_as_good_as_a_large_one(served):
    found = [texts(recommend(served, HISTORIES[:2], k=12, diversity=d)["item_ids"]) for d in (1e9, 3e38, 0.0)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("path", ["", manifest.SCANN_MODEL])
def test_numbers_of_a_user_are_finite_and_an_interest_that_is_not_is_left_out(path):
    """Two ages whose sum is too large for 32 bits: the interest that they move is no number, the other one is."""
    bundle = toy_bundle(profile=True)
    loaded = tf.saved_model.load(os.path.join(bundle.directory, path))
    ages = {"user_age": tf.constant([[3e38, 3e38], [1.0, np.nan]]), "user_city": tf.constant([["here"]] * 2)}
    for age in (np.inf, -np.inf):
        infinite = ages | {"user_age": tf.constant([[age, 1.0], [1.0, 2.0]])}
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="user_age should be finite, or NaN where it is missing"
        ):
            recommend(loaded.signatures, HISTORIES[:2], **infinite)
    outputs = recommend(loaded.signatures, [HISTORIES[0], HISTORIES[0]], k=5, **ages)
    last = ITEM_IDS.index("item-31")
    scores = bundle.vectors @ bundle.vectors[last]
    best = np.argsort(-scores, kind="stable")[:5]
    assert texts(outputs["item_ids"])[0] == [ITEM_IDS[row] for row in best]
    assert outputs["interest"][0].tolist() == [1] * 5 and not outputs["fallback"].any()
    np.testing.assert_allclose(outputs["scores"][0], scores[best], rtol=1e-5)
    assert np.isfinite(outputs["scores"]).all()
    # Of one item only the first interest is active: nothing is left, so the popular ones are given.
    alone = recommend(loaded.signatures, [["item-17"]], k=3, **{name: value[:1] for name, value in ages.items()})
    assert alone["fallback"].tolist() == [True] and texts(alone["item_ids"]) == [["item-0", "item-1", "item-2"]]


def test_k_larger_than_the_catalogue_leaves_places_invalid(served):
    outputs = recommend(served, exclude=[["item-1"], [], ["item-2"], []], k=310)
    assert outputs["valid"].sum(axis=1).tolist() == [299, 300, 299, 300]
    for row, valid in zip(outputs["item_ids"], outputs["valid"], strict=True):
        assert len(set(row[valid])) == valid.sum()
        assert set(row[~valid]) == {b""}
    assert np.isneginf(outputs["scores"][~outputs["valid"]]).all()
    assert not outputs["interest"][~outputs["valid"]].any()


def test_diversity_spreads_over_categories(served):
    def categories(diversity):
        ids = texts(recommend(served, [HISTORIES[1]], k=10, diversity=diversity)["item_ids"])[0]
        assert len(set(ids)) == 10
        return [ITEM_CATEGORY[ITEM_IDS.index(item)] for item in ids]

    # Six categories, the items without any being one of them: a large weight takes turns.
    assert sorted(map(categories(100.0).count, range(-1, 5))) == [1, 1, 2, 2, 2, 2]
    assert len(set(categories(0.0))) < 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "k should be between 1 and 400"),
        ({"k": 401}, "k should be between 1 and 400"),
        ({"diversity": -0.1}, "diversity should be"),
        ({"diversity": float("nan")}, "diversity should be"),
        ({"exclude": [["item-1"]]}, "as many rows as history"),
    ],
)
def test_arguments_out_of_range_are_refused_in_words(served, arguments, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        recommend(served, **arguments)


def example(**features):
    kinds = {"history": "bytes_list", "history_time": "int64_list", "user_city": "bytes_list", "user_age": "float_list"}
    result = tf.train.Example()
    for name, values in features.items():
        getattr(result.features.feature[name], kinds[name]).value.extend(values)
    return result.SerializeToString()


def test_serving_default_takes_examples_with_or_without_times(served):
    examples = [
        example(history=[item.encode() for item in HISTORIES[0]], history_time=range(9)),
        example(history=[b"item-17"]),
        example(),
    ]
    outputs = served["serving_default"](examples=tf.constant(examples))
    wanted = recommend(served, [HISTORIES[0], HISTORIES[1], []], k=7)
    for name, value in wanted.items():
        np.testing.assert_array_equal(outputs[name], value, err_msg=name)


def test_user_interests(served):
    history = padded(HISTORIES)
    outputs = served["user_interests"](history=history, history_time=tf.zeros(history.shape, tf.int64))
    for user, row in enumerate(HISTORIES):
        interests, mask, _ = restated_encode(row, toy_bundle().vectors)
        np.testing.assert_allclose(outputs["interests"][user], interests, rtol=1e-6)
        np.testing.assert_array_equal(outputs["interest_mask"][user], mask)


def test_profile_features_are_inputs_of_every_signature():
    bundle = toy_bundle(kind="exact", profile=True)
    loaded = tf.saved_model.load(bundle.directory)
    ages, cities = [[30.0], [np.nan]], [["there", ""], ["here", "there"]]
    profile = {"user_age": tf.constant(ages), "user_city": tf.constant(cities)}
    histories = [HISTORIES[0], []]
    found = loaded.signatures["user_interests"](
        history=padded(histories), history_time=tf.zeros([2, 9], tf.int64), **profile
    )["interests"]
    for user in range(2):
        known = [age for age in ages[user] if np.isfinite(age)]
        interests, *_ = restated_encode(histories[user], bundle.vectors, known, cities[user])
        np.testing.assert_allclose(found[user], interests, rtol=1e-5)
    examples = tf.constant(
        [
            example(history=[item.encode() for item in HISTORIES[0]], user_age=[30.0], user_city=[b"there"]),
            example(user_city=[city.encode() for city in CITIES]),
        ]
    )
    outputs = loaded.signatures["serving_default"](examples=examples)
    for name, value in recommend(loaded.signatures, histories, k=7, **profile).items():
        np.testing.assert_array_equal(outputs[name], value, err_msg=name)


STOCK_PROGRAM = """
import sys
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["recommend"]
answer = signature(history=tf.constant([["item-17"]]), history_time=tf.zeros([1, 1], tf.int64),
    exclude=tf.fill([1, 0], ""), exclude_history=tf.constant(True), k=tf.constant(3), diversity=tf.constant(0.5),
    allow=tf.constant([["colour=red"]]), deny=tf.constant([[""]]))
print(answer["fallback"].numpy().tolist())
"""


def test_the_top_model_needs_nothing_but_tensorflow():
    program = [sys.executable, "-c", STOCK_PROGRAM, toy_bundle().directory]
    done = subprocess.run(program, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split("\n")[0] == "[False]"


def ops(directory):
    from tensorflow.core.protobuf import saved_model_pb2

    with open(os.path.join(directory, "saved_model.pb"), "rb") as file:
        graph = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0].graph_def
    nodes = list(graph.node) + [node for function in graph.library.function for node in function.node_def]
    return [node.op for node in nodes]


def test_only_the_second_model_has_scann_ops():
    directory = toy_bundle().directory
    assert not [op for op in ops(directory) if "scann" in op.lower()]
    searches = [op for op in ops(os.path.join(directory, manifest.SCANN_MODEL)) if op.startswith("Scann>ScannSearch")]
    # One for requests that filter and one for the others, whichever signature is asked.
    assert len(searches) == 2
    assert not os.path.exists(os.path.join(toy_bundle(kind="exact", profile=True).directory, manifest.SCANN_MODEL))


def test_what_the_tower_does_not_use_is_left_out():
    size = sum(
        os.path.getsize(os.path.join(toy_bundle().directory, "variables", name))
        for name in os.listdir(os.path.join(toy_bundle().directory, "variables"))
    )
    assert size < 100_000 < 1000 * 1000 * 4  # The toy model holds an unused variable of four megabytes.


def test_the_manifest_describes_and_verifies_the_bundle():
    stated = manifest.verify(toy_bundle().directory)
    assert (stated.model, stated.kind, stated.items, stated.dimension) == ("toy", "scann", 300, 8)
    assert (stated.interests, stated.default_k, stated.inputs.user_features) == (2, 7, {})
    assert manifest.read(toy_bundle(kind="exact", profile=True).directory).inputs.user_features == {
        "age": "numeric",
        "city": "categorical",
    }


def test_the_warm_up_covers_every_signature_in_both_batch_sizes():
    path = os.path.join(toy_bundle().directory, "assets.extra", "tf_serving_warmup_requests")
    servable = Servable(Path(toy_bundle().directory))
    covered = []
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        servable.run(request.model_spec.signature_name, inputs)
        batch = max(value.tensor_shape.dim[0].size for value in request.inputs.values() if value.tensor_shape.dim)
        covered.append((request.model_spec.name, request.model_spec.signature_name, batch, "allow" in inputs))
    names = ("recommend", "serving_default", "user_interests", "explain")
    expected = {("polyrec", name, batch, False) for name in names for batch in (1, 32)}
    assert sorted(covered) == sorted(expected | {("polyrec", "recommend", batch, True) for batch in (1, 32)})


def test_a_bundle_loads_from_a_folder_named_like_a_pattern(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "served[1]" / "a*\\"
    shutil.copytree(toy_bundle().directory, folder / "17")
    servable = Servable(folder / "17" / "assets.extra" / "scann")
    assert "recommend" in servable.signatures
    servable.close()


def test_a_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no model that polyrec's trainer saved"):
        build_bundle(str(tmp_path), str(tmp_path / "bundle"), IndexSettings(), ServingSettings())


def test_a_target_in_use_is_left_as_it_is(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "kept").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        build_bundle(toy_bundle().model_dir, str(tmp_path / "bundle"), IndexSettings(kind="exact"), ServingSettings())
    assert os.listdir(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle" / "kept").read_text() == "mine"


def test_vectors_that_are_not_finite_are_refused_and_nothing_is_left(tmp_path):
    model_dir = tmp_path / "model"
    vectors = toy_model.item_vectors()
    vectors[[3, 8]] = np.nan
    tf.saved_model.save(toy_model.ToyModel(vectors, {}), str(model_dir))
    description = {"model": "toy", "interests": 2, "dimension": 8, "max_history": 6}
    (model_dir / "assets.extra").mkdir()
    (model_dir / "assets.extra" / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="2 of 300 vectors are not finite"):
        build_bundle(str(model_dir), str(tmp_path / "bundle"), IndexSettings(), ServingSettings())
    assert os.listdir(tmp_path) == ["model"]
