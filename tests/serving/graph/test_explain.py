"""Why an item would be recommended: by NumPy, and over the wire."""

import os
import shutil

import numpy as np
import pytest

from serving.client import Client
from serving.client.answers import ClientError
from serving.server import Server
from tests.serving.running_server import POLL
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_IDS, MAX_HISTORY, restated_encode

HISTORIES = [
    ["item-3", "nowhere", "item-44", "item-5", "item-120", "é, last", "item-9", "item-250", "item-31"],
    ["item-17"],
    [],
]
ITEMS = [["item-9", "item-200", "no such item"], ["item-1"], ["item-1", ""]]


@pytest.fixture(scope="module", params=["exact", "scann"])
def client(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("explain")
    os.makedirs(base / "polyrec")
    shutil.copytree(toy_bundle(request.param).directory, base / "polyrec" / "1")
    with Server(base, "polyrec", poll_seconds=POLL) as server:
        server.wait_until_available()
        with Client(f"127.0.0.1:{server.port}", "polyrec", timeout=60) as asking:
            yield asking


def test_scores_and_weights_are_those_of_the_interests(client):
    vectors, row_of = toy_bundle("exact").vectors, {item: row for row, item in enumerate(ITEM_IDS)}
    for history, asked, answers in zip(HISTORIES, ITEMS, client.explain(HISTORIES, ITEMS), strict=True):
        interests, mask, kept = restated_encode(history, vectors)
        assert [answer.item_id for answer in answers] == asked
        for answer in answers:
            assert answer.known == (answer.item_id in row_of)
            if not answer.known:
                assert answer.interest is None and set(answer.interest_scores) == {float("-inf")}
                continue
            expected = np.where(mask, interests @ vectors[row_of[answer.item_id]], -np.inf)
            np.testing.assert_allclose(answer.interest_scores, expected, rtol=1e-4, atol=1e-5)
            assert answer.interest == int(np.argmax(expected))
            assert [item for item, _ in answer.weights] == [ITEM_IDS[row] for row in kept]
            # Interest 0 is the mean of the last items, interest 1 is the last one.
            by_hand = (
                np.full(len(kept), 1 / max(len(kept), 1))
                if answer.interest == 0
                else np.eye(MAX_HISTORY)[len(kept) - 1][: len(kept)]
            )
            np.testing.assert_allclose([weight for _, weight in answer.weights], by_hand, rtol=1e-5)


def test_what_is_recommended_is_explained_alike(client):
    (answer,) = client.recommend(HISTORIES[:1], k=5)
    (explained,) = client.explain(HISTORIES[:1], [[item.item_id for item in answer.items]])
    for item, reason in zip(answer.items, explained, strict=True):
        assert reason.interest == item.interest
        np.testing.assert_allclose(max(reason.interest_scores), item.score, rtol=1e-4)


def test_arguments_that_do_not_fit(client):
    assert client.explain([], []) == []
    with pytest.raises(ValueError, match="items has 1 entries for 2 histories"):
        client.explain([["item-1"], []], [["item-1"]])
    with pytest.raises(ClientError, match="items should have as many rows as history"):
        client._predict("explain", _mismatched(), None, 1)


def _mismatched():
    from serving.client import wire
    from serving.client.requests import history_inputs

    return {**history_inputs([["item-1"]], None), "items": wire.matrix([["item-1"], ["item-2"]], wire.DT_STRING, "")}
