"""Filters of a bundle over gRPC, by both indexes, against a restatement; requests that know nothing of them."""

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.client import Client
from serving.client.answers import ClientError
from serving.publish.push import push_bundle
from serving.publish.writer import build_bundle
from serving.runtime.protos import predict_pb2, prediction_service_pb2_grpc
from serving.server import Server
from serving.settings import IndexSettings, ServingSettings
from tests.serving import toy_model
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ATTRIBUTES, ITEM_IDS, ITEMS, restated_encode
from tests.serving.versions_on_disk import put_version

HISTORY = [f"item-{row}" for row in (3, 50, 201, 8)]
DIRECT = [("grpc.enable_http_proxy", 0)]
REQUESTS = [
    ([], ["in_stock=no"]),
    (["colour=red", "in_stock=yes"], []),
    (["colour=blue", "colour=green"], ["category=category 1"]),
    (["category=category 2"], ["colour=red"]),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server of the bundle with ScaNN, with exact search, and of a model that was made before there were filters."""
    base = tmp_path_factory.mktemp("served")
    for kind in ("scann", "exact"):
        push_bundle(toy_bundle(kind).directory, str(base / kind))
    put_version(base / "old", 1)
    with Server(base, poll_seconds=60) as server:
        server.wait_until_available(600)
        yield f"127.0.0.1:{server.port}"


def allowed(allow, deny):
    """Rows of the items that a request allows."""
    by_attribute = {}
    for value in allow:
        by_attribute.setdefault(value.split("=")[0], set()).add(value)
    return [
        row
        for row, values in enumerate(ATTRIBUTES)
        if not set(values) & set(deny) and all(set(values) & wanted for wanted in by_attribute.values())
    ]


def best_of(rows, history, k):
    vectors = toy_bundle().vectors
    interests, mask, _ = restated_encode(history, vectors)
    scores = np.where(mask[:, None], interests @ vectors[rows].T, -np.inf).max(axis=0)
    return [ITEM_IDS[rows[place]] for place in np.argsort(-scores, kind="stable")[:k]]


@pytest.mark.parametrize("kind", ["scann", "exact"])
@pytest.mark.parametrize(("allow", "deny"), REQUESTS)
def test_lists_hold_the_best_of_the_allowed_items(address, kind, allow, deny):
    rows = allowed(allow, deny)
    assert 10 < len(rows) < ITEMS
    with Client(address, kind) as client:
        known, unknown = client.recommend([HISTORY, []], k=10, allow=allow, deny=deny)
    found = [item.item_id for item in known.items]
    wanted = best_of(rows, HISTORY, 10)
    assert {ITEM_IDS.index(item) for item in found} <= set(rows) and len(set(found)) == 10
    if kind == "exact":
        assert found == wanted
    assert len(set(found) & set(wanted)) >= 9
    # Popularity obeys too: items are numbered by it.
    assert unknown.fallback and [item.item_id for item in unknown.items] == [ITEM_IDS[row] for row in rows[:10]]


def test_each_user_has_filters_of_their_own(address):
    with Client(address, "exact") as client:
        red, all_but_red = client.recommend([HISTORY] * 2, k=5, allow=[["colour=red"], []], deny=[[], ["colour=red"]])
    assert [item.item_id for item in red.items] == best_of(allowed(["colour=red"], []), HISTORY, 5)
    assert [item.item_id for item in all_but_red.items] == best_of(allowed([], ["colour=red"]), HISTORY, 5)


def test_a_filter_goes_with_exclusions_and_diversity(address):
    allow = ["colour=red"]
    rows = [row for row in allowed(allow, []) if ITEM_IDS[row] not in (*HISTORY, "item-10")]
    with Client(address, "scann") as client:
        asked = {"k": 300, "allow": allow, "exclude": ["item-10"], "exclude_history": True}
        everything = client.recommend([HISTORY], **asked)[0].items
        spread = client.recommend([HISTORY], **(asked | {"k": 12, "diversity": 100.0}))[0].items
    assert [item.item_id for item in everything] == best_of(rows, HISTORY, 300)
    categories = [toy_model.ITEM_CATEGORY[ITEM_IDS.index(item.item_id)] for item in spread]
    assert sorted(map(categories.count, range(-1, 5))) == [2] * 6


def test_a_value_that_no_item_has_allows_nothing_and_denies_nothing(address):
    with Client(address, "scann") as client:
        assert client.recommend([HISTORY], allow=["season=spring"])[0].items == ()
        assert client.recommend([[]], allow=["colour=pink"])[0].items == ()
        (pink,), (unfiltered,) = client.recommend([HISTORY], deny=["colour=pink"]), client.recommend([HISTORY])
        assert pink.items == unfiltered.items and len(pink.items) == 20
        assert pink.unmatched_filters == ("colour=pink",) and unfiltered.unmatched_filters == ()


@pytest.mark.parametrize("kind", ["scann", "exact"])
def test_the_reply_tells_each_user_which_values_no_item_has(address, kind):
    allow = [["colour=red", "season=spring"], ["colour=red"], ["colour=blue", "in_stock=Yes"]]
    deny = [["in_stock=flase"], ["in_stock=no"], ["category=9"]]
    with Client(address, kind) as client:
        answers = client.recommend([HISTORY, HISTORY, []], k=5, allow=allow, deny=deny)
        for_all = client.recommend([HISTORY] * 3, k=5, deny=["colour=pink", "colour=red"])
        assert client.recommend([HISTORY], k=5, deny=["colour=red"])[0].unmatched_filters == ()
    assert [answer.unmatched_filters for answer in answers] == [
        ("season=spring", "in_stock=flase"),
        (),
        ("in_stock=Yes", "category=9"),
    ]
    assert [answer.unmatched_filters for answer in for_all] == [("colour=pink",)] * 3


def test_a_value_may_be_spelt_as_any_format_writes_it(tmp_path):
    """Items as a CSV of pandas and a Parquet file of numbers would say them, and requests in yet other ways."""
    attributes = [
        [f"in_stock={row % 2 == 0}", f"season={row % 4 / 2:.2f}", f"colour= c{row % 3} "] for row in range(300)
    ]
    toy_model.save_toy_model(tmp_path / "model", attributes=attributes)
    index, serving = IndexSettings(kind="exact"), ServingSettings(model_name="spelt")
    build_bundle(str(tmp_path / "model"), str(tmp_path / "bundle"), index, serving)
    push_bundle(str(tmp_path / "bundle"), str(tmp_path / "served" / "spelt"))
    with Server(tmp_path / "served", poll_seconds=60) as server:
        server.wait_until_available(600)
        with Client(f"127.0.0.1:{server.port}", "spelt") as client:
            for allow, deny, kept in (
                (["in_stock=true"], [], lambda row: row % 2 == 0),
                ([], ["in_stock=false"], lambda row: row % 2 == 0),
                ([], ["in_stock= FALSE\t"], lambda row: row % 2 == 0),
                (["season=1"], [], lambda row: row % 4 == 2),
                (["season=+1.0", "season=.5"], [], lambda row: row % 4 == 2),
                (["season=0.500", "colour=c1"], [], lambda row: row % 4 == 1 and row % 3 == 1),
            ):
                (answer,) = client.recommend([[]], k=300, allow=allow, deny=deny)
                expected = [ITEM_IDS[row] for row in range(300) if kept(row)]
                assert [item.item_id for item in answer.items] == expected
                assert answer.unmatched_filters == (("season=.5",) if "season=.5" in allow else ())


@pytest.mark.parametrize("value", ["clour=red", "red", "="])
def test_an_attribute_that_no_item_can_have_is_an_error(address, value):
    with Client(address, "scann") as client:
        for option in ("allow", "deny"):
            with pytest.raises(
                ClientError, match=r"attribute that items have .colour, in_stock, category, season"
            ) as e:
                client.recommend([HISTORY], **{option: [value]})
            assert e.value.code == "INVALID_ARGUMENT"


def test_requests_without_the_inputs_are_answered_as_before(address):
    message = predict_pb2.PredictRequest()
    message.model_spec.name, message.model_spec.signature_name = "scann", "recommend"
    inputs = {
        "history": [HISTORY], "history_time": tf.zeros([1, 4], tf.int64), "exclude": [[""]],
        "exclude_history": False, "k": 5, "diversity": 0.0,
    }  # fmt: skip
    for name, value in inputs.items():
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    with grpc.insecure_channel(address, DIRECT) as channel, Client(address, "scann") as client:
        reply = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(message, timeout=60)
        expected = [item.item_id.encode() for item in client.recommend([HISTORY], k=5)[0].items]
    assert tf.make_ndarray(reply.outputs["item_ids"]).tolist() == [expected]


def test_a_model_without_filters_does_not_drop_them_in_silence(address):
    with Client(address, "old") as client:
        assert client.recommend([["a"]], k=1, user_features=[{}])[0].items[0].item_id == "v1-0"
        with pytest.raises(ClientError, match="has no input allow of recommend"):
            client.recommend([["a"]], k=1, allow=["colour=red"])


def test_one_item_in_a_thousand(tmp_path):
    """ScaNN finds next to none of them by itself; the lists are full all the same, and exact."""
    items, rare = 20_000, 20
    rows = np.sort(np.random.default_rng(5).choice(items, rare, replace=False))
    attributes = [["season=rare"] if row in set(rows) else ["season=common"] for row in range(items)]
    vectors = toy_model.save_toy_model(tmp_path / "model", items=items, attributes=attributes)
    index = IndexSettings(kind="scann", num_leaves=140, leaves_to_search=10, max_k=100)
    build_bundle(str(tmp_path / "model"), str(tmp_path / "bundle"), index, ServingSettings(model_name="rare"))
    push_bundle(str(tmp_path / "bundle"), str(tmp_path / "served" / "rare"))
    histories = [["item-7"], ["item-19999"], [f"item-{row}" for row in range(5)], []]
    with Server(tmp_path / "served", "rare", poll_seconds=60) as server:
        server.wait_until_available(600)
        with Client(f"127.0.0.1:{server.port}", "rare") as client:
            answers = client.recommend(histories, k=rare, allow=["season=rare"])
            exact = client.recommend(histories[:1], k=rare + 5, allow=["season=rare"])[0]
    for history, answer in zip(histories[:3], answers, strict=False):
        interests, mask, _ = restated_encode(history, vectors, ids=toy_model.item_ids(items))
        scores = np.where(mask[:, None], interests @ vectors[rows].T, -np.inf).max(axis=0)
        assert [item.item_id for item in answer.items] == [f"item-{row}" for row in rows[np.argsort(-scores)]]
    assert [item.item_id for item in answers[3].items] == [f"item-{row}" for row in rows]
    assert len(exact.items) == rare
