"""Several requests as one, by hand."""

import numpy as np
import pytest

from serving.bundle.manifest import SignatureBatching
from serving.runtime.joining import WIDEST, join, kind_of, split

BATCHING = SignatureBatching(
    inputs=[{"history": "empty", "history_time": "zero"}, {"user_age": "nan"}, {"items": "none"}],
    shared_inputs=["allow"],
    shared_outputs=["tasks"],
)


def request(histories, times=None, ages=((1.0,),), items=((b"x",),), **scalars):
    return {
        "history": np.array(histories, object),
        "history_time": np.array(histories if times is None else times, object if times is None else np.int64),
        "user_age": np.array(ages, np.float32),
        "items": np.array(items, object),
        "k": np.int32(3),
        **scalars,
    }


def test_narrow_rows_are_padded_as_the_manifest_says():
    joined = join(
        BATCHING,
        [
            request([[b"a"]], [[1]], [[1.0, 2.0]]),
            request([[b"b", b"c"], [b"d", b"e"]], [[2, 3], [4, 5]], [[3.0], [4.0]], [[b"y"], [b"z"]]),
        ],
    )
    assert joined["history"].tolist() == [[b"a", b""], [b"b", b"c"], [b"d", b"e"]]
    assert joined["history_time"].tolist() == [[1, 0], [2, 3], [4, 5]]
    assert joined["history_time"].dtype == np.int64
    np.testing.assert_array_equal(joined["user_age"], np.float32([[1, 2], [3, np.nan], [4, np.nan]]))
    assert joined["user_age"].dtype == np.float32
    assert joined["items"].tolist() == [[b"x"], [b"y"], [b"z"]]
    assert joined["k"] == 3


def test_outputs_go_back_to_their_requests():
    outputs = {"scores": np.array([[1], [2], [3]]), "tasks": np.array([b"t", b"u"], object)}
    first, second = split(BATCHING, outputs, [1, 2])
    assert first["scores"].tolist() == [[1]]
    assert second["scores"].tolist() == [[2], [3]]
    assert first["tasks"].tolist() == second["tasks"].tolist() == [b"t", b"u"]


def test_an_output_without_the_rows_of_the_batch_is_no_answer():
    with pytest.raises(ValueError, match="scores has 2 rows for a batch of 3"):
        split(BATCHING, {"scores": np.zeros(2)}, [1, 2])


def test_what_may_be_joined():
    one, wider = kind_of(BATCHING, request([[b"a"]])), kind_of(BATCHING, request([[b"b", b"c"]]))
    assert one == wider
    assert one.rows == 1
    assert kind_of(BATCHING, request([[b"a"], [b"b"]], ages=[[1], [2]], items=[[b"x"], [b"y"]])).rows == 2


@pytest.mark.parametrize(
    "other",
    [
        request([[b"a"]], k=np.int32(4)),
        request([[b"a"]], items=[[b"x", b"y"]]),
        request([[b"a"]], colour=np.array(b"red", object)),
    ],
    ids=["another k", "another width of what is not padded", "another text"],
)
def test_what_differs_in_the_rest_is_of_another_kind(other):
    assert kind_of(BATCHING, other) is not None
    assert kind_of(BATCHING, other) != kind_of(BATCHING, request([[b"a"]]))


@pytest.mark.parametrize(
    "alone",
    [
        request([[b"a", b"b"]], [[1]]),
        request([[b"a"], [b"b"]]),
        request(np.zeros([0, 1]), ages=np.zeros([0, 1]), items=np.zeros([0, 1])),
        request([[b"a"] * (WIDEST + 1)]),
        request([[b"a"]], colours=np.array([b"red"], object)),
    ],
    ids=["unequal widths", "unequal rows", "no rows", "wide", "an input with rows that is not named"],
)
def test_what_runs_alone(alone):
    assert kind_of(BATCHING, alone) is None


def test_requests_with_the_same_row_for_all_users_may_be_joined():
    def with_filter(*allow, users=1):
        rows = [[b"a"]] * users
        return request(rows, ages=[[1]] * users, items=[[b"x"]] * users, allow=np.array(allow, object))

    one = kind_of(BATCHING, with_filter([b"colour=red"]))
    assert one == kind_of(BATCHING, with_filter([b"colour=red"]))
    assert one.kind == kind_of(BATCHING, with_filter([b"colour=red"], users=2)).kind
    for other in ([b"colour=blue"], [b"colour=red", b""], [b""]):
        assert one.kind != kind_of(BATCHING, with_filter(other)).kind
    assert kind_of(BATCHING, with_filter([b"colour=red"], [b""], users=2)) is None
    joined = join(BATCHING, [with_filter([b"colour=red"]), with_filter([b"colour=red"], users=2)])
    assert joined["allow"].tolist() == [[b"colour=red"]] and len(joined["history"]) == 3
