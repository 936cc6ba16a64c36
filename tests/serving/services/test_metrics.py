"""Metrics as Prometheus would scrape them from a server that was asked."""

import os
import re
import shutil
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf

from serving.client import Client
from serving.client.answers import ClientError
from serving.server import Server
from tests.serving.running_server import POLL, wait_for
from tests.serving.stock_client import StockClient, labels, model, models
from tests.serving.toy_bundle import toy_bundle
from trainer.errors import InputError


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("metrics")
    os.makedirs(base / "shop")
    shutil.copytree(toy_bundle("exact").directory, base / "shop" / "1")
    with Server(base, "shop", poll_seconds=POLL, metrics_port=0) as running:
        running.wait_until_available()
        yield running


def _scrape(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics") as reply:
        text = reply.read().decode()
    values = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"(polyrec_\w+)(?:\{(.*)\})? (\S+)", line):
            values[found[1], found[2] or ""] = float(found[3])
    return values


def _status(url):
    try:
        with urllib.request.urlopen(url) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_ready_while_every_model_answers(tmp_path):
    (tmp_path / "shop").mkdir()
    with Server(tmp_path, "shop", poll_seconds=POLL, metrics_port=0) as running:
        ready = f"http://127.0.0.1:{running.metrics_port}/ready"
        assert _status(ready) == 503
        shutil.copytree(toy_bundle("exact").directory, tmp_path / "coming")
        os.rename(tmp_path / "coming", tmp_path / "shop" / "1")
        wait_for(lambda: _status(ready) == 200)


def test_requests_answers_and_versions(server):
    ok, bad = (f'model="shop",label="",method="Predict",code="{code}"' for code in ("OK", "INVALID_ARGUMENT"))
    before = _scrape(server)
    with Client(f"127.0.0.1:{server.port}", "shop", timeout=60) as client:
        answers = client.recommend([["item-3", "item-44", "item-5"], ["item-17"], []], k=20)
        with pytest.raises(ClientError, match="k should be"):
            client.recommend([["item-1"]], k=0)  # sent twice: the client looks whether the signature has changed
        client.user_interests([["item-1"]])
    with Client(f"127.0.0.1:{server.port}", "no such", timeout=60) as client, pytest.raises(ClientError):
        client.status()
    after = _scrape(server)

    def grown(name):
        of_model = 'label="",model="shop"'
        return after[name, of_model] - before.get((name, of_model), 0.0)

    by_labels = {
        frozenset(labels.split(",")): value
        for (name, labels), value in after.items()
        if name == "polyrec_requests_total"
    }
    assert by_labels[frozenset(ok.split(","))] == 2 and by_labels[frozenset(bad.split(","))] == 2
    assert by_labels[frozenset(['model="other"', 'label=""', 'method="GetModelStatus"', 'code="NOT_FOUND"'])] == 1
    assert grown("polyrec_users_total") == 3
    assert grown("polyrec_fallbacks_total") == 1
    different = sum(len({item.interest for item in answer.items}) for answer in answers if not answer.fallback)
    assert grown("polyrec_answer_interests_total") == different
    seconds = {labels: value for (name, labels), value in after.items() if name == "polyrec_request_seconds_count"}
    assert sum(value for labels, value in seconds.items() if 'method="Predict"' in labels) == 4
    assert after["polyrec_serving_version", 'model="shop"'] == 1
    (state,) = [labels for name, labels in after if name == "polyrec_version_state"]
    assert set(state.split(",")) == {'model="shop"', 'version="1"', 'state="AVAILABLE"'}


def test_a_canary_is_counted_apart(tmp_path):
    for number in ("1", "2"):
        shutil.copytree(toy_bundle("exact").directory, tmp_path / "shop" / number)
    (tmp_path / "models.config").write_text(models(model("shop", "shop", labels(stable=1, canary=2))))
    ids = {"history": [["item-3"], [""]], "history_time": np.zeros([2, 1], np.int64)}
    inputs = {
        **ids, "exclude": [[""], [""]], "exclude_history": False, "k": np.int32(3), "diversity": np.float32(0)
    }  # fmt: skip
    tensors = {name: tf.make_tensor_proto(value) for name, value in inputs.items()}
    with Server(tmp_path, poll_seconds=POLL, metrics_port=0) as running, StockClient(running.port) as client:
        running.wait_until_available()
        wait_for(lambda: running.manager.labels("shop") == {"stable": 1, "canary": 2})
        for label in ("canary", "canary", "stable"):
            client.predict(tensors, name="shop", signature_name="recommend", version_label=label)
        client.error(client.predict, {}, name="shop", signature_name="recommend", version_label="canary")
        client.error(client.predict, {}, name="shop", signature_name="recommend", version_label="made up")
        seen = _scrape(running)
    requests = {
        tuple(re.findall(r'(?:label|code)="([^"]*)"', labels)): value
        for (name, labels), value in seen.items()
        if name == "polyrec_requests_total"
    }
    assert requests == {
        ("OK", "canary"): 2, ("OK", "stable"): 1, ("INVALID_ARGUMENT", "canary"): 1, ("INVALID_ARGUMENT", ""): 1,
    }  # fmt: skip
    assert seen["polyrec_users_total", 'label="canary",model="shop"'] == 4
    assert seen["polyrec_fallbacks_total", 'label="canary",model="shop"'] == 2
    assert seen["polyrec_users_total", 'label="stable",model="shop"'] == 2
    assert seen["polyrec_label_version", 'label="canary",model="shop"'] == 2
    assert seen["polyrec_serving_version", 'model="shop"'] == 1


def test_a_refused_version_is_seen(server):
    folder = f"{server.settings.directory}/shop/2"
    shutil.copytree(toy_bundle("exact").directory, folder)
    with open(f"{folder}/saved_model.pb", "ab") as file:
        file.write(b"broken")
    refused = {'model="shop"', 'version="2"', 'state="REFUSED"'}
    wait_for(lambda: any(set(labels.split(",")) == refused for name, labels in _scrape(server) if "state" in name))
    assert _scrape(server)["polyrec_serving_version", 'model="shop"'] == 1


def test_by_default_nothing_listens(tmp_path):
    os.makedirs(tmp_path / "shop")
    with Server(tmp_path, "shop", poll_seconds=POLL) as running:
        assert running.metrics_port is None


def test_a_port_in_use_is_told_in_words(server, tmp_path):
    os.makedirs(tmp_path / "shop")
    with pytest.raises(InputError, match="for metrics"):
        Server(tmp_path, "shop", metrics_port=server.metrics_port).start()
