"""The client against a real server; and that it needs neither TensorFlow nor the trainer."""

import datetime
import math
import subprocess
import sys
import textwrap
from concurrent import futures
from decimal import Decimal

import grpc
import numpy as np
import pytest

from serving.client import Client, wire
from serving.client.answers import ClientError, Input, Recommendation, Recommendations, VersionStatus
from serving.runtime.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    tensor_pb2,
    tf,
)
from serving.server import Server
from tests.serving.running_server import wait_for
from tests.serving.versions_on_disk import MODEL, put_version


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    put_version(directory / MODEL, 4)
    with Server(directory, MODEL, poll_seconds=0.05) as running:
        running.wait_until_available()
        yield running


@pytest.fixture(scope="module")
def client(server):
    with Client(f"127.0.0.1:{server.port}", MODEL) as connected:
        yield connected


def test_recommend(client):
    answers = client.recommend([["a", "b"], []], k=2)
    assert answers == [
        Recommendations((Recommendation("v4-0", 0.0, 0, "a,b||"), Recommendation("v4-1", -1.0, 1, "a,b||")), False),
        Recommendations((Recommendation("v4-0", 0.0, 0, ",||"), Recommendation("v4-1", -1.0, 1, ",||")), True),
    ]


def test_a_version_is_asked_by_its_label(tmp_path):
    for number in (4, 5):
        put_version(tmp_path / MODEL, number)
    (tmp_path / "models.config").write_text(
        f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{MODEL}" model_platform: "tensorflow" '
        'model_version_policy { all {} } version_labels { key: "stable" value: 4 } '
        'version_labels { key: "canary" value: 5 } } }'
    )
    first = {}
    with Server(tmp_path, poll_seconds=0.05) as running:
        running.wait_until_available()
        target = f"127.0.0.1:{running.port}"
        for label in (None, "stable", "canary"):
            with Client(target, MODEL, label=label) as asked:
                if label == "canary":
                    wait_for(lambda: len(asked.status()) == 2 and asked.status()[0].state == "AVAILABLE")
                first[label] = asked.recommend([["a"]], k=1)[0].items[0].item_id
        with Client(target, MODEL, label="old") as asked, pytest.raises(ClientError, match="label: old"):
            asked.recommend([["a"]], k=1)
    assert first == {None: "v4-0", "stable": "v4-0", "canary": "v5-0"}


def test_every_argument_arrives(client):
    (answer,) = client.recommend(
        [["a", "日本"]],
        k=1,
        exclude=["x", "y"],
        exclude_history=True,
        diversity=0.5,
        times=[[5, 7]],
        user_features=[{"city": "Kyoto", "age": 3}],
    )
    assert answer == Recommendations((Recommendation("v4-0", 2.5, 0, "a,日本|Kyoto|x,y"),), True)


def test_features_that_are_not_given_are_missing(client):
    answers = client.recommend([["a"]] * 3, k=1, user_features=[{"age": [2.0]}, {"city": ["Oslo", "Bergen"]}, {}])
    assert [(answer.items[0].score, answer.items[0].because) for answer in answers] == [
        (2.0, "a||"),
        (0.0, "a|Oslo|"),
        (0.0, "a||"),
    ]


def test_exclusions_for_each_user(client):
    answers = client.recommend([["a"], ["b"]], k=1, exclude=[["x"], ["y", "z"]])
    assert [answer.items[0].because for answer in answers] == ["a||x,", "b||y,z"]


def test_whole_numbers_are_ids_as_ingestion_spells_them(client):
    (answer,) = client.recommend(
        [[12, np.int64(7), "x", np.str_("y")]], k=np.int32(1), exclude=np.array([3, 4]), times=[np.array([1, 2, 3, 4])]
    )
    assert answer.items[0].because == "12,7,x,y||3,4"
    assert [a.items[0].because for a in client.recommend(np.array([[1, 2], [3, 4]]), k=1)] == ["1,2||", "3,4||"]


def test_text_of_whole_numbers_is_an_id_as_ingestion_spells_it(client):
    texts = ["12.0", "007.00", "-0", "-0.0", "1.50", "1e3", "1.", "12.0 "]
    (answer,) = client.recommend([texts], k=1, exclude=["3.0"])
    assert answer.items[0].because == "12,007,0,0,1.50,1e3,1.,12.0 ||3"
    (answer,) = client.recommend([["a"]], k=1, user_features=[{"city": "12.0"}])
    assert answer.items[0].because == "a|12.0|"


def test_profile_values_are_spelt_as_ingestion_spells_them(client):
    values = [True, np.bool_(False), 12.0, np.float64(2.5), 7, None, Decimal("1.50"), datetime.date(2024, 1, 2), "é"]
    features = [{"city": value, "age": np.float32(2.5)} for value in values]
    answers = client.recommend([["a"]] * len(values), k=1, user_features=features)
    spelt = ["true", "false", "12", "2.5", "7", "", "1.50", "2024-01-02", "é"]
    assert [answer.items[0].because for answer in answers] == [f"a|{value}|" for value in spelt]
    assert {answer.items[0].score for answer in answers} == {2.5}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"histories": [[1.0]]},
            r"histories should hold text or whole numbers, 'a' or 12\. Received: 1\.0: write 1 or '1'",
        ),
        ({"histories": [[1.5]]}, r"histories should hold text or whole numbers.*Received: 1\.5$"),
        ({"histories": [[True]]}, "histories should hold text or whole numbers.*Received: True$"),
        ({"histories": [["a", None]]}, "histories should hold text or whole numbers.*Received: None$"),
        ({"histories": [[b"a"]]}, r"histories should hold text or whole numbers.*Received: b'a': decode it"),
        ({"histories": [["\ud800"]]}, "histories holds what is no valid text"),
        ({"histories": [None]}, "histories should hold lists of ids.*Received: None"),
        ({"histories": [1, 2]}, "a list of lists of ids, one a user"),
        ({"exclude": [1.0]}, "exclude should hold text or whole numbers"),
        ({"exclude": [["a"], ["b"]]}, "exclude has 2 lists for 1 histories"),
        ({"exclude": "a"}, "exclude is a list"),
        ({"allow": [1]}, "allow should hold texts such as 'colour=red'. Received: 1"),
        ({"deny": [["colour=red", None]]}, "deny should hold texts such as 'colour=red'. Received: None"),
        ({"times": [[1.5]]}, r"times should hold whole seconds since 1970, 0 where unknown. Received: 1\.5"),
        ({"times": [["7"]]}, "times should hold whole seconds"),
        ({"times": [[2**63]]}, "times should hold whole seconds"),
        ({"user_features": [{"age": "old"}]}, "user feature age is numeric. Received: 'old'"),
        ({"user_features": [{"age": math.inf}]}, "user feature age should be finite, in 32 bits. Received: inf"),
        ({"user_features": [{"age": 1e39}]}, r"user feature age should be finite, in 32 bits. Received: 1e\+39"),
        ({"user_features": [{"age": 10**400}]}, "user feature age should be finite"),
        ({"user_features": [{"city": b"Oslo"}]}, "user feature city should hold.*decode it"),
        ({"k": 2.0}, r"k is a 32-bit number, 1 or more. Received: 2\.0"),
        ({"k": True}, "k is a 32-bit number"),
        ({"diversity": math.inf}, "diversity should be finite, and 0 or more. Received: inf"),
        ({"diversity": math.nan}, "diversity should be finite"),
        ({"diversity": 1e39}, "diversity should be finite"),
        ({"diversity": -0.5}, "diversity should be finite"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_sent(client, arguments, words):
    with pytest.raises(ValueError, match=words):
        client.recommend(**({"histories": [["a"]], "k": 1} | arguments))


def test_rows_that_are_not_valid_are_left_out(client):
    (answer,) = client.recommend([["a"]], k=60)
    assert [item.item_id for item in answer.items] == [f"v4-{rank}" for rank in range(50)]


def test_nobody_asked(client):
    assert client.recommend([]) == []
    assert client.user_interests([]) == []


def test_user_interests(client):
    vectors = client.user_interests([["a"], ["b", "c"]])
    assert len(vectors) == 2
    np.testing.assert_array_equal(vectors[1], np.float32([[0, 1], [4, 5]]))


def test_status_and_inputs(client):
    assert client.status() == [VersionStatus(4, "AVAILABLE", "")]
    assert client.inputs("user_interests") == {
        "history": Input("string", (None, None)),
        "history_time": Input("int64", (None, None)),
    }
    assert client.inputs()["k"] == Input("int32", ())
    with pytest.raises(ClientError, match='no signature "evaluate", only count, echo, recommend'):
        client.inputs("evaluate")


def test_from_several_threads(client):
    with futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.recommend([[str(n)]], k=1)[0].items[0].because, range(50)))
    assert answers == [f"{n}||" for n in range(50)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"histories": ["a", "b"]}, "list of lists"),
        ({"histories": "ab"}, "list of lists"),
        ({"histories": [["a"]], "times": [[1, 2]]}, "one number for every item"),
        ({"histories": [["a"]], "exclude": "a"}, "exclude is a list"),
        ({"histories": [["a"]], "exclude": [["a"], ["b"]]}, "exclude has 2 lists for 1 histories"),
        ({"histories": [["a"]], "user_features": []}, "0 entries for 1 histories"),
        (
            {"histories": [["a"]], "user_features": [{"colour": "red"}]},
            "no profile feature 'colour'; it has: age, city",
        ),
        ({"histories": [["a"]], "k": 2**31}, "k is a 32-bit number"),
    ],
)
def test_a_slip_is_told_before_anything_is_sent(client, arguments, words):
    with pytest.raises(ValueError, match=words):
        client.recommend(**arguments)


def test_what_the_server_refuses(client, server):
    with pytest.raises(ClientError, match="k has to be at least 1") as caught:
        client.recommend([["a"]], k=0)
    assert caught.value.code == "INVALID_ARGUMENT"
    with Client(f"127.0.0.1:{server.port}", "nope") as other, pytest.raises(ClientError) as caught:
        other.recommend([["a"]])
    assert caught.value.code == "NOT_FOUND"
    assert "does not serve model nope now" in caught.value.text


def test_no_server_and_a_slow_one():
    with Client("127.0.0.1:1", MODEL) as client, pytest.raises(ClientError) as caught:
        client.status()
    assert caught.value.code == "UNAVAILABLE"
    assert "Start one: polyrec serve" in caught.value.text


def test_a_new_version_with_other_inputs_is_noticed(tmp_path):
    """A server that, from the second call on, serves a signature with another input."""

    class Changing(prediction_service_pb2_grpc.PredictionServiceServicer):
        feature = "user_old"

        def GetModelMetadata(self, message, context):
            signatures = get_model_metadata_pb2.SignatureDefMap()
            signature = signatures.signature_def["user_interests"]
            signature.method_name = "tensorflow/serving/predict"
            for name in ("history", "history_time", self.feature):
                signature.inputs[name].dtype = 7
            reply = get_model_metadata_pb2.GetModelMetadataResponse()
            reply.metadata["signature_def"].Pack(signatures)
            return reply

        def Predict(self, message, context):
            if self.feature not in message.inputs:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input size does not match signature")
            reply = predict_pb2.PredictResponse()
            reply.outputs["interests"].CopyFrom(tf.make_tensor_proto(np.ones([1, 1, 2], np.float32)))
            reply.outputs["interest_mask"].CopyFrom(tf.make_tensor_proto([[True]]))
            return reply

    changing = Changing()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(changing, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client:
        assert client.user_interests([["a"]])[0].tolist() == [[1, 1]]
        changing.feature = "user_new"
        assert client.user_interests([["a"]])[0].tolist() == [[1, 1]]
        assert "user_new" in client.inputs("user_interests")
    server.stop(None)


def test_the_bytes_are_those_of_the_published_messages():
    fields = {"name": "shop", "signature_name": "recommend", "version": {"value": 7}}
    ours = wire.PredictRequest(model_spec=fields, output_filter=["scores"])
    theirs = predict_pb2.PredictRequest(model_spec=fields, output_filter=["scores"])
    ours.inputs["history"].CopyFrom(wire.matrix([["a", "é"], []], wire.DT_STRING, ""))
    theirs.inputs["history"].CopyFrom(tf.make_tensor_proto([["a", "é"], ["", ""]]))
    assert ours.SerializeToString() == theirs.SerializeToString()
    label = {"name": "shop", "version_label": "canary"}
    assert (
        wire.GetModelStatusRequest(model_spec=label).SerializeToString()
        == get_model_status_pb2.GetModelStatusRequest(model_spec=label).SerializeToString()
    )
    metadata = {"model_spec": {"name": "shop"}, "metadata_field": ["signature_def"]}
    assert (
        wire.GetModelMetadataRequest(**metadata).SerializeToString()
        == get_model_metadata_pb2.GetModelMetadataRequest(**metadata).SerializeToString()
    )


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (wire.scalar(3, wire.DT_INT32), np.int32(3)),
        (wire.scalar(True, wire.DT_BOOL), np.bool_(True)),
        (wire.scalar(0.5, wire.DT_FLOAT), np.float32(0.5)),
        (wire.matrix([[1], [2, 3]], wire.DT_INT64, 0), np.int64([[1, 0], [2, 3]])),
        (wire.matrix([[], []], wire.DT_FLOAT, math.nan), np.full([2, 1], np.nan, np.float32)),
        (wire.matrix([["a"], ["", "bc"]], wire.DT_STRING, ""), np.array([[b"a", b""], [b"", b"bc"]], object)),
    ],
)
def test_tensorflow_reads_our_tensors(ours, expected):
    np.testing.assert_array_equal(
        tf.make_ndarray(tensor_pb2.TensorProto.FromString(ours.SerializeToString())), expected
    )


@pytest.mark.parametrize(
    "value",
    [np.float32([[1.5, 2]]), np.int64([1, 2, 3]), np.array([True, False]), np.array([[b"a"]], object), np.float64(2)],
)
def test_we_read_tensorflows_tensors(value):
    proto = wire.TensorProto.FromString(tf.make_tensor_proto(value).SerializeToString())
    np.testing.assert_array_equal(wire.array(proto), value)


def test_we_read_shortened_tensors_and_refuse_unknown_ones():
    proto = wire.TensorProto(dtype=wire.DT_FLOAT, float_val=[1, 2], tensor_shape={"dim": [{"size": 3}]})
    assert wire.array(proto).tolist() == [1, 2, 2]
    proto.dtype = 20
    with pytest.raises(ValueError, match="type 20"):
        wire.array(proto)


def test_neither_tensorflow_nor_the_trainer_is_imported(server):
    program = f"""
        import sys
        from serving.client import Client

        with Client("127.0.0.1:{server.port}", "{MODEL}") as client:
            print(client.recommend([["a"]], k=1)[0].items[0].item_id, client.status()[0].state)
        imported = {{name.split(".")[0] for name in sys.modules}}
        print(sorted(imported & {{"tensorflow", "tensorflow_serving", "trainer"}}))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "v4-0 AVAILABLE\n[]\n"
