"""ReloadConfigRequest, over the wire with TensorFlow Serving's own stubs; and what it means for health."""

import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.server import Server
from tests.serving.running_server import POLL, wait_for
from tests.serving.stock_client import ALL, StockClient, labels, model, models, specific
from tests.serving.versions_on_disk import put_version

HEALTH = health_pb2.HealthCheckResponse.ServingStatus.Name


@pytest.fixture
def base(tmp_path):
    for number in (1, 2):
        put_version(tmp_path / "shop", number)
    put_version(tmp_path / "films", 20)
    return tmp_path


def _serve(base, **settings):
    server = Server(base, "shop", poll_seconds=POLL, **settings).start()
    server.wait_until_available()
    return server


@pytest.fixture
def client(base):
    server = _serve(base)
    with StockClient(server.port) as stock:
        yield stock
    server.stop()


def test_models_are_added_and_removed(base, client):
    assert client.error(client.version, "films")[0] == "NOT_FOUND"
    reply = client.reload(models(model("shop", base / "shop"), model("films", base / "films")))
    assert (reply.status.error_code, reply.status.error_message) == (0, "")
    assert client.version("films") == 20
    client.reload(models(model("films", base / "films")))
    assert client.error(client.version, "shop") == (
        "NOT_FOUND", "Servable not found for request: Latest(shop)",
    )  # fmt: skip
    assert client.version("films") == 20
    wait_for(lambda: client.status(name="shop") == {2: "END"})
    client.reload(models(model("shop", base / "shop")))
    assert client.version("shop") == 2


def test_policies_and_labels_are_changed(base, client):
    client.reload(models(model("shop", base / "shop", ALL)))
    assert client.status(name="shop") == {1: "AVAILABLE", 2: "AVAILABLE"}
    client.reload(models(model("shop", base / "shop", ALL + labels(stable=1, canary=2))))
    assert client.version("shop", version_label="stable") == client.version("shop") == 1
    client.reload(models(model("shop", base / "shop", ALL + labels(stable=2))))
    assert client.version("shop", version_label="stable") == 2
    assert client.error(client.version, "shop", version_label="canary")[0] == "INVALID_ARGUMENT"
    client.reload(models(model("shop", base / "shop", specific(1))))
    assert client.version("shop") == 1
    wait_for(lambda: client.status(name="shop") == {1: "AVAILABLE", 2: "END"})


UNAVAILABLE = (
    "FAILED_PRECONDITION",
    "Request to assign label to version {} of model shop, which is not currently available for inference",
)


def test_a_label_on_a_version_that_is_not_available_is_refused_and_nothing_changes(base, client):
    wanted = models(model("films", base / "films"), model("shop", base / "shop", labels(stable=1)))
    assert client.error(client.reload, wanted) == (UNAVAILABLE[0], UNAVAILABLE[1].format(1))
    assert client.error(client.version, "films")[0] == "NOT_FOUND"
    assert client.error(client.version, "shop", version_label="stable")[0] == "INVALID_ARGUMENT"
    assert client.version("shop") == 2


def test_where_it_is_allowed_an_unused_label_waits_for_its_version_and_a_used_one_is_refused(base):
    server = _serve(base, allow_version_labels_for_unavailable_models=True)
    with StockClient(server.port) as client:
        client.reload(models(model("shop", base / "shop", labels(stable=2, canary=3))))
        assert client.error(client.version, "shop", version_label="canary") == (
            "NOT_FOUND", "Servable not found for request: Specific(shop, 3)",
        )  # fmt: skip
        put_version(base / "shop", 3)
        wait_for(lambda: client.status(name="shop").get(3) == "AVAILABLE")
        assert client.version("shop", version_label="canary") == 3
        assert client.version("shop") == 2
        moved = models(model("shop", base / "shop", labels(stable=2, canary=4)))
        assert client.error(client.reload, moved) == (UNAVAILABLE[0], UNAVAILABLE[1].format(4))
        assert client.version("shop", version_label="canary") == 3
    server.stop()


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            "",
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported",
        ),
        (models(model("a", "/a"), model("a", "/a")), "Illegal to list model a multiple times in config list"),
        (models(model("a", "b")), "Expected model a to have an absolute path or URI; got base_path()=b"),
        (
            models('config { name: "a" base_path: "/a" }'),
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform.",
        ),
        (
            models('config { name: "a" base_path: "/a" model_platform: "torch" }'),
            "Model a requests unsupported platform torch",
        ),
    ],
)
def test_what_is_refused(client, config, text):
    assert client.error(client.reload, config) == ("INVALID_ARGUMENT", text)
    assert client.version("shop") == 2


def test_a_new_model_that_cannot_be_loaded_is_told_and_the_others_answer(base, client):
    (base / "bad" / "7").mkdir(parents=True)
    code, text = client.error(
        client.reload,
        models(model("shop", base / "shop"), model("bad", base / "bad"), model("gone", base / "nowhere")),
    )
    assert code == "UNKNOWN"
    assert text.startswith("2 model(s) did not become available: {{name: bad version: 7 due to error: ")
    assert "no assets.extra/manifest.json" in text
    assert f"{{name: gone has no version that can be loaded in {base}/nowhere}}" in text
    assert client.version("shop") == 2


def test_no_models_at_all(client):
    client.reload("model_config_list { }")
    assert client.error(client.version, "shop")[0] == "NOT_FOUND"
    stub = health_pb2_grpc.HealthStub(client.channel)
    assert HEALTH(stub.Check(health_pb2.HealthCheckRequest(), timeout=60).status) == "NOT_SERVING"


def test_requests_under_way_see_no_reload(base, client):
    """Models come, go and change labels while others ask: nobody is refused."""
    failed, asked, stop = [], [], threading.Event()
    client.reload(models(model("shop", base / "shop", ALL)))

    def ask():
        while not stop.is_set():
            try:
                asked.append(client.version("shop", version_label="stable"))
            except grpc.RpcError as error:
                failed.append(error.details())

    client.reload(models(model("shop", base / "shop", ALL + labels(stable=1))))
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for stable in (2, 1) * 10:
        others = [model("films", base / "films")] if stable == 1 else []
        client.reload(models(model("shop", base / "shop", ALL + labels(stable=stable)), *others))
        seen = len(asked)
        wait_for(lambda seen=seen: len(asked) > seen + 8 or failed)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(asked) == {1, 2}


def test_health_of_each_model(base, client):
    stub = health_pb2_grpc.HealthStub(client.channel)

    def health(service):
        return HEALTH(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60).status)

    assert [health("shop"), health("")] == ["SERVING", "SERVING"]
    with pytest.raises(grpc.RpcError) as caught:
        health("films")
    assert caught.value.code().name == "NOT_FOUND"
    (base / "bad").mkdir()
    client.error(
        client.reload,
        models(model("shop", base / "shop"), model("films", base / "films"), model("bad", base / "bad")),
    )
    assert [health(name) for name in ("shop", "films", "bad", "")] == [
        "SERVING", "SERVING", "NOT_SERVING", "SERVING",
    ]  # fmt: skip
    client.reload(models(model("films", base / "films")))
    assert [health(name) for name in ("shop", "films", "")] == ["NOT_SERVING", "SERVING", "SERVING"]
