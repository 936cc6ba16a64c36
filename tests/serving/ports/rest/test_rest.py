"""REST over the wire, with a client that knows HTTP and JSON only; the answers are those of gRPC."""

import base64
import json
import shutil
from urllib.parse import quote

import numpy as np
import pytest
import requests

from serving.runtime.protos import tf
from serving.server import Server
from tests.serving.rest_requests import EXPLAIN, RECOMMEND, USERS, by_grpc
from tests.serving.running_server import POLL
from tests.serving.toy_bundle import toy_bundle
from tests.serving.versions_on_disk import MODEL, put_version


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("rest")
    put_version(base / MODEL, 5)
    (base / "toy").mkdir()
    shutil.copytree(toy_bundle("exact").directory, base / "toy" / "1")
    with Server(base, rest_port=0, poll_seconds=POLL, max_message_bytes=1 << 18, metrics_port=0) as running:
        running.wait_until_available()
        yield running


@pytest.fixture(scope="module")
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def ask(server, http):
    def post(body, path="toy:predict", method="POST"):
        url = f"http://127.0.0.1:{server.rest_port}/v1/models/{path}"
        data = body if isinstance(body, bytes | type(None)) else json.dumps(body).encode()
        reply = http.request(method, url, data=data, timeout=60)
        assert reply.headers["Content-Type"] == "application/json"
        return reply.status_code, reply.json()

    return post


def error(answer):
    code, body = answer
    assert list(body) == ["error"]
    return code, body["error"]


@pytest.mark.parametrize(
    ("signature", "inputs"), [("recommend", RECOMMEND), ("user_interests", USERS), ("explain", EXPLAIN)]
)
def test_columns_are_answered_as_over_grpc(server, ask, signature, inputs):
    code, body = ask({"signature_name": signature, "inputs": inputs})
    assert (code, list(body)) == (200, ["outputs"])
    expected = by_grpc(server, signature, inputs)
    assert set(body["outputs"]) == set(expected)
    for name, array in expected.items():
        answered = np.array(body["outputs"][name])
        if array.dtype == object:
            array = np.vectorize(bytes.decode)(array)
        np.testing.assert_array_equal(answered.astype(array.dtype), array, err_msg=name)


@pytest.mark.parametrize(("signature", "inputs"), [("user_interests", USERS), ("explain", EXPLAIN)])
def test_rows_are_answered_as_columns(ask, signature, inputs):
    _, columns = ask({"signature_name": signature, "inputs": inputs})
    rows = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
    code, body = ask({"signature_name": signature, "instances": rows})
    assert (code, list(body)) == (200, ["predictions"])
    assert len(body["predictions"]) == 3
    for name, column in columns["outputs"].items():
        assert [row[name] for row in body["predictions"]] == column


def test_serialized_examples_in_base64(server, ask):
    example = tf.train.Example()
    example.features.feature["history"].bytes_list.value.extend([b"item-3", b"item-5"])
    encoded = base64.b64encode(example.SerializeToString()).decode()
    code, body = ask({"instances": [{"b64": encoded}, {"b64": ""}]})
    assert code == 200
    assert [row["fallback"] for row in body["predictions"]] == [False, True]
    inputs = {
        **{"history": [["item-3", "item-5"]], "history_time": [[0, 0]], "exclude": [[""]]},
        **{"exclude_history": False, "k": 7, "diversity": 0.0},
    }
    (expected,) = by_grpc(server, "recommend", inputs)["item_ids"].tolist()
    assert body["predictions"][0]["item_ids"] == [item.decode() for item in expected]


def test_a_single_output_and_a_single_input_need_no_name(ask):
    path = f"{MODEL}:predict"
    assert ask({"instances": ["abc", "é"]}, path) == (200, {"predictions": [3, 2]})
    assert ask({"instances": [{"examples": "abc"}]}, path) == (200, {"predictions": [3]})
    assert ask({"inputs": ["abc", "é"]}, path) == (200, {"outputs": [3, 2]})
    assert ask({"inputs": {"examples": ["abc"]}}, path) == (200, {"outputs": [3]})
    code, body = ask({"signature_name": "count", "inputs": 0}, path)
    assert (code, type(body["outputs"])) == (200, int)


def test_numbers_that_are_none(ask):
    inputs = {
        **{"history": [["a"]] * 3, "history_time": [[0]] * 3, "user_city": [[""]] * 3, "exclude": [[""]] * 3},
        **{"user_age": [[float("nan")], [float("inf")], [0.2]], "exclude_history": False, "k": 1, "diversity": 0},
    }
    code, body = ask({"signature_name": "recommend", "inputs": inputs}, f"{MODEL}:predict")
    assert code == 200
    assert body["outputs"]["scores"] == [[0.0], [float("inf")], [0.2]]
    code, body = ask(
        {"signature_name": "explain", "inputs": {"history": [["item-3"]], "history_time": [[0]], "items": [["?"]]}}
    )
    assert body["outputs"]["interest_scores"] == [[[float("-inf"), float("-inf")]]]


def test_versions_and_labels(ask):
    body = {"instances": ["abc"]}
    assert ask(body, f"{MODEL}/versions/5:predict") == (200, {"predictions": [3]})
    assert ask(body, f"{quote('sh')}%6Fp/versions/5:PREDICT") == (200, {"predictions": [3]})
    assert error(ask(body, f"{MODEL}/versions/6:predict")) == (
        404,
        "Servable not found for request: Specific(shop, 6)",
    )
    code, text = error(ask(body, f"{MODEL}/labels/no%20such:predict"))
    assert code == 400
    assert "no such" in text


def test_status(ask):
    version = {"version": "5", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert ask(None, MODEL, "GET") == (200, {"model_version_status": [version]})
    assert ask(None, f"{MODEL}/versions/5", "GET") == (200, {"model_version_status": [version]})
    assert error(ask(None, f"{MODEL}/versions/6", "GET")) == (404, "Could not find version 6 of model shop")
    assert error(ask(None, "nope", "GET")) == (404, "Could not find any versions of model nope")


def test_metadata(ask):
    code, body = ask(None, "toy/metadata", "GET")
    assert code == 200
    assert body["model_spec"] == {"name": "toy", "version": "1", "signature_name": ""}
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) >= {"recommend", "serving_default", "user_interests", "explain"}
    assert signatures["recommend"]["inputs"]["k"]["dtype"] == "DT_INT32"
    sizes = signatures["recommend"]["inputs"]["history"]["tensor_shape"]["dim"]
    assert [dim["size"] for dim in sizes] == ["-1", "-1"]
    assert ask(None, "toy/versions/1/metadata", "GET") == (code, body)
    assert error(ask(None, "nope/metadata", "GET")) == (404, "Servable not found for request: Latest(nope)")


def _user(**changes):
    inputs = {"history": [["a"]], "history_time": [[0]]} | changes
    return {"signature_name": "user_interests", "inputs": {k: v for k, v in inputs.items() if v is not None}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{", "JSON Parse error: Expecting property name enclosed in double quotes at offset: 1"),
        (b'{"inputs": "\xff"}', "JSON Parse error: not UTF-8 at offset: 12"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "JSON Parse error: a number is too big to be stored"),
        (b"[1]", "JSON Value: a list of 1 Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [], "instances": []}, "expecting only one of 'inputs' or 'instances' keys"),
        ({"instances": 1}, "Expecting 'instances' to be a list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": [1]}, "JSON Value: 1 Type: Number is not of expected type: string"),
        ({"instances": [{"b64": "?"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": 1}]}, "must only have keys: examples"),
        ({"instances": [["a"]]}, "input examples has shape [1,1], but the signature expects [?]"),
        ({"instances": ["a", ["b"]]}, "Expecting shape [] but got: [1]"),
        ({"inputs": "\ud800"}, "half a surrogate pair"),
        ({"signature_name": 5, "inputs": 1}, "'signature_name' key must be a string value"),
        ({"signature_name": "x", "inputs": 1}, 'Serving signature name: "x" not found in signature def'),
        ({"signature_name": "\ud800", "inputs": 1}, "half a surrogate pair"),
        ({"signature_name": "recommend", "instances": [{"k": 1}]}, "diversity,exclude_history,k are scalars"),
        ({"signature_name": "user_interests", "instances": [[1]]}, "expecting list of objects"),
        ({"signature_name": "user_interests", "inputs": [[1]]}, "expecting an object"),
        (
            {"signature_name": "user_interests", "instances": [{"history": ["a"]}]},
            "Failed to process element: 0 of 'instances' list. JSON object: must only have keys: history,history_time",
        ),
        (_user(history_time=None), "Missing named input: history_time in 'inputs' object."),
        (_user(history=[["a"], ["a", "b"]]), "unexpected size: 2 at level: 1 expected size: 1"),
        (_user(history=[["a"], "b"]), 'JSON Value: "b" found at incorrect level: 2 in the JSON DOM. Expected at level'),
        (_user(history=["a", ["b"]]), "Encountered list at unexpected level: 1"),
        (_user(history_time=[[True]]), "JSON Value: true Type: Boolean is not of expected type: int64"),
        (_user(history_time=[[1.0]]), "JSON Value: 1.0 Type: Number is not of expected type: int64"),
        (_user(history_time=[[2**63]]), "is not of expected type: int64"),
        ({"signature_name": "recommend", "inputs": RECOMMEND | {"history_time": [[0]]}}, "should have the same shape"),
        (_user(history=[["a"] * 20_000]), "(max_list_length)"),
        (_user(history=[["a"]] * 2000), "(max_batch)"),
        ({"signature_name": "recommend", "inputs": RECOMMEND | {"k": 10**9}}, "k should be between 1 and 400"),
        ({"signature_name": "recommend", "inputs": RECOMMEND | {"diversity": 2**24}}, "without loss of precision"),
        ({"signature_name": "recommend", "inputs": RECOMMEND | {"diversity": 1e39}}, "without loss of precision"),
    ],
)
def test_what_does_not_fit_is_told_in_words(ask, body, text):
    code, words = error(ask(body))
    assert code == 400
    assert text in words


def test_the_same_parse_error_comes_before_an_unknown_model(ask):
    assert error(ask(b"", "nope:predict")) == (400, "JSON Parse error: The document is empty")
    assert error(ask({}, "nope:predict")) == (404, "Servable not found for request: Latest(nope)")


@pytest.mark.parametrize(
    ("method", "path", "code", "text"),
    [
        ("POST", "toy", 400, "Malformed request: POST /v1/models/toy"),
        ("GET", "toy:predict", 400, "Malformed request: GET /v1/models/toy:predict"),
        ("PUT", "toy:predict", 400, "Malformed request: PUT /v1/models/toy:predict"),
        ("GET", "../../etc", 400, "Malformed request: GET"),
        ("GET", "", 400, "Malformed request: GET"),
        ("POST", f"toy/versions/{'9' * 30}:predict", 400, "to numeric."),
        ("POST", "toy:classify", 501, "Classify is not offered"),
        ("POST", "toy:regress", 501, "Regress is not offered"),
    ],
)
def test_urls_that_ask_nothing(ask, method, path, code, text):
    got, words = error(ask(None, path, method))
    assert got == code
    assert text in words


def test_no_model_is_no_status(server, http):
    reply = http.get(f"http://127.0.0.1:{server.rest_port}/v1/models")
    assert (reply.status_code, reply.json()) == (400, {"error": "Missing model name in request."})


def test_types_without_a_json_form(ask):
    inputs = dict.fromkeys(
        ("float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "float32"), 1
    ) | dict.fromkeys(("float16", "bfloat16", "uint16", "bool", "string", "complex64", "complex128"), 1)
    code, text = error(ask({"signature_name": "echo", "inputs": inputs}, f"{MODEL}:predict"))
    assert (code, text) == (501, "Conversion of JSON values to type: bfloat16")


@pytest.mark.parametrize("size", [300_000, 30_000_000])
def test_a_body_larger_than_the_limit(ask, size):
    code, text = error(ask(b"x" * size))
    assert (code, text) == (413, "The body is larger than the 262144 bytes that this server takes (max_message_bytes).")
    assert ask({"instances": ["abc"]}, f"{MODEL}:predict")[0] == 200


def test_a_body_in_chunks(server, http):
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/{MODEL}:predict"
    reply = http.post(url, data=iter([b'{"instances"', b': ["abc"]}']), timeout=60)
    assert (reply.status_code, reply.json()) == (200, {"predictions": [3]})
    reply = http.post(url, data=iter([b"x" * 100_000] * 5), timeout=60)
    assert reply.status_code == 413
    reply = http.post(url, data=b"x", headers={"Content-Encoding": "gzip"}, timeout=60)
    assert (reply.status_code, reply.json()["error"]) == (
        400,
        "Bodies are taken as they are, without Content-Encoding.",
    )


def test_an_unexpected_error_is_told_by_its_id(server, http, monkeypatch, caplog):
    def broken(name):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(server.manager, "status", broken)
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/{MODEL}"
    reply = http.get(url, headers={"X-Request-Id": "mine-7"}, timeout=60)
    words = "Internal error in GetModelStatus; the server's log has the cause."
    assert (reply.status_code, reply.json()) == (500, {"error": words})
    assert reply.headers["x-request-id"] == "mine-7"
    assert "request mine-7: unexpected error in GetModelStatus" in caplog.text


def test_metrics_count_it(server, ask, http):
    def counted():
        text = http.get(f"http://127.0.0.1:{server.metrics_port}/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("polyrec_requests_total")]
        return {
            (kind, code): float(line.split()[-1])
            for line in lines
            for kind in ("Predict", "GetModelStatus")
            for code in ("OK", "INVALID_ARGUMENT")
            if f'method="{kind}"' in line and f'code="{code}"' in line and f'model="{MODEL}"' in line
        }

    before = counted()
    ask({"instances": ["abc"]}, f"{MODEL}:predict")
    ask({"instances": [1]}, f"{MODEL}:predict")
    ask(None, MODEL, "GET")
    after = counted()
    for key in (("Predict", "OK"), ("Predict", "INVALID_ARGUMENT"), ("GetModelStatus", "OK")):
        assert after[key] - before.get(key, 0) == 1
