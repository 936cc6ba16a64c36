"""Rubbish over the wire: always a sensible status, never a crash, a hang or memory that grows."""

import subprocess
import sys

import pytest

from serving.runtime.protos import predict_pb2, tf
from tests.serving.fuzz import Report, fuzz, generate, running
from tests.serving.rubbish import Rubbish

REQUESTS = 2000
GROWTH = 300 << 20
"""Bytes; what the allocator keeps after large requests comes and goes by so much."""


@pytest.fixture(scope="module")
def target():
    with running() as started:
        yield started


def test_rubbish_is_refused_in_words_and_the_server_goes_on(target):
    fuzz(target, generate(target.signatures, REQUESTS // 4, seed=100), Report())
    before, report = target.memory(), Report()
    fuzz(target, generate(target.signatures, REQUESTS, seed=101), report)
    assert report.sent >= 0.9 * REQUESTS
    assert not report.wrong, report.wrong[:5]
    assert target.memory() - before < GROWTH, report.table()
    # It was not all refused at the door.
    for kind in ("values", "specs", "examples", "long"):
        assert report.codes[kind, "OK"] and report.codes[kind, "INVALID_ARGUMENT"], report.table()
    assert report.codes["json", "200"] and report.codes["json", "400"], report.table()
    assert report.codes["garbage", "INTERNAL"] and report.codes["garbage", "UNIMPLEMENTED"], report.table()


def test_the_allocator_takes_its_limit():
    script = "from serving.runtime.allocator import keep_few_arenas; print(keep_few_arenas())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n", "not glibc"


def _predict(target, model, signature, **changes):
    """A good request, but for what is changed."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    good = {
        **{"history": [["item-3"]], "history_time": tf.constant([[1]], tf.int64), "exclude": [[""]], "items": [["a"]]},
        **{"exclude_history": False, "k": 5, "diversity": 0.0, "tags": [["tag 1"]], "user_age": [[1.0]]},
        **{"user_city": [["here"]], "examples": [b""]},
    } | changes
    for name, info in target.signatures[model, signature].inputs.items():
        value = good.get(name, [[""]])
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value, tf.as_dtype(info.dtype)))
    return target.send(Rubbish("by hand", "Predict", request.SerializeToString))


def test_a_history_of_a_million_items(target):
    history = {"history": [["item-3"] * 10**6], "history_time": tf.zeros([1, 10**6], tf.int64)}
    outcome = _predict(target, "shop", "recommend", **history)
    assert outcome.code == "INVALID_ARGUMENT"
    assert "input history has 1000000 values in a row; this server takes 10000 (max_list_length)" in outcome.words
    assert target.answers()


def _example(items):
    example = tf.train.Example()
    example.features.feature["history"].bytes_list.value.extend([b"item-3"] * items)
    return example.SerializeToString()


def test_a_long_example_is_answered_unless_it_stands_among_many(target):
    assert _predict(target, "shop", "serving_default", examples=[_example(10**6)]).code == "OK"
    before = target.memory("VmHWM")
    outcome = _predict(target, "shop", "serving_default", examples=[_example(10**6)] + [b""] * 1000)
    assert outcome.code == "INVALID_ARGUMENT"
    assert "history should have at most 1048576 values, rows times the longest" in outcome.words
    assert target.memory("VmHWM") - before < GROWTH
    assert target.answers()


@pytest.mark.parametrize(
    ("signature", "changes", "words"),
    [
        ("recommend", {"k": 10**9}, "k should be between 1 and 400"),
        ("recommend", {"k": -1}, "k should be between 1 and 400"),
        ("recommend", {"diversity": float("nan")}, "diversity should be finite, and 0 or more"),
        ("recommend", {"exclude": [[""] * 10_001]}, "input exclude has 10001 values in a row"),
        ("explain", {"items": [["item-3"] * 10_001]}, "input items has 10001 values in a row"),
        ("recommend", {"history": [["a"]] * 1025}, "input history has 1025 rows; this server takes 1024"),
        ("serving_default", {"examples": [b""] * 1025}, "input examples has 1025 rows"),
        ("serving_default", {"examples": [b"\xff"]}, "Could not parse example input"),
        ("user_interests", {"history_time": tf.zeros([1, 2], tf.int64)}, "should have the same shape"),
    ],
)
def test_what_a_single_request_may_not_ask_for(target, signature, changes, words):
    outcome = _predict(target, "shop", signature, **changes)
    assert outcome.code == "INVALID_ARGUMENT"
    assert words in outcome.words
