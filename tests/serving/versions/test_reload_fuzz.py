"""ReloadConfigRequest by someone who means no good: always a status, and what is served goes on to be."""

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from serving.server import Server
from tests.serving.running_server import POLL
from tests.serving.stock_client import StockClient
from tests.serving.versions_on_disk import MODEL, put_version

CODES = {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNKNOWN"}
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
NUMBER = st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    for number in (1, 2):
        put_version(directory / MODEL, number)
    (directory / "empty").mkdir()
    return directory


@pytest.fixture(scope="module")
def client(base):
    with Server(base, MODEL, poll_seconds=POLL) as server:
        server.wait_until_available()
        with StockClient(server.port) as stock:
            yield stock


def _models(base):
    good, paths = str(base / MODEL), [str(base / "empty"), str(base / "absent"), "relative", "/\0", "/" * 9999, ""]
    policies = st.builds(
        model_server_config_pb2.ModelConfig().model_version_policy.__class__,
        specific=st.none() | st.builds(dict, versions=st.lists(NUMBER, max_size=5)),
    )
    return st.builds(
        model_server_config_pb2.ModelConfig,
        name=_mostly([MODEL, "other", "third"], TEXT),
        base_path=_mostly([good], st.sampled_from(paths) | TEXT),
        model_platform=_mostly(["tensorflow"], st.sampled_from(["", "torch"])),
        model_version_policy=policies,
        version_labels=st.dictionaries(_mostly(["stable", "canary"], TEXT), _mostly([1, 2], NUMBER), max_size=2),
    )


def _mostly(usual, others):
    return st.integers(0, 7).flatmap(lambda chance: others if chance == 0 else st.sampled_from(usual))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_asked_for(base, client, data):
    stub = model_service_pb2_grpc.ModelServiceStub(client.channel)
    good = model_server_config_pb2.ModelConfig(name="kept", base_path=str(base / MODEL), model_platform="tensorflow")
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.extend([good, *data.draw(st.lists(_models(base), min_size=1, max_size=2))])
    try:
        stub.HandleReloadConfigRequest(request, timeout=60)
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
    assert code in CODES
    only_good = model_management_pb2.ReloadConfigRequest()
    only_good.config.model_config_list.config.append(good)
    stub.HandleReloadConfigRequest(only_good, timeout=60)
    assert client.version("kept") == 2
