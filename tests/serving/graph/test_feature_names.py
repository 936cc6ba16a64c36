"""Profile features are found under their columns' own spelling, whatever TensorFlow can name an input by."""

import re

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operations.query import ask
from serving.bundle.signatures import profile_feature
from serving.client import Client
from serving.publish.writer import build_bundle
from serving.server import Server
from serving.settings import IndexSettings, ServingSettings
from tests.serving import toy_model
from tests.serving.running_server import POLL
from trainer.data.schema import LONGEST_USER_FEATURE, user_feature
from trainer.errors import InputError

AGE, CITY = "größe (cm)", "Home town"
ODD = {AGE: "numeric", CITY: "categorical"}
ANY = st.text(st.sampled_from("_x0A4DFé ") | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=25)


@pytest.mark.parametrize(
    ("column", "feature"),
    [
        ("age", "user_age"),
        ("Age Group", "user_Age_x0020_Group"),
        ("zip-code", "user_zip_x002D_code"),
        ("x:y", "user_x_x003A_y"),
        ("年龄", "user__x5E74__x9F84_"),
        ("🙂", "user__x1F642_"),
        ("_x", "user__x"),
        ("a_x0020_b", "user_a_x005F_x0020_b"),  # not that of "a b"
    ],
)
def test_names_of_features(column, feature):
    assert user_feature(column) == feature
    assert profile_feature(feature) == column


@given(ANY)
def test_every_name_can_be_read_back_and_is_one_that_tensorflow_takes(column):
    if column != "id":
        feature = user_feature(column)
        assert re.fullmatch("user_[A-Za-z0-9_]+", feature)
        assert profile_feature(feature) == column


def test_other_inputs_are_no_features():
    assert profile_feature("history") is None
    assert profile_feature("user_x_xFFFFFF_") == "x_xFFFFFF_"  # no code point


@pytest.mark.parametrize("column", ["id", "", "年" * 30, "x" * (LONGEST_USER_FEATURE - 4)])
def test_what_cannot_be_named_is_refused(column):
    with pytest.raises(ValueError, match=r"id|name|too long"):
        user_feature(column)


class OddModel(toy_model.ToyModel):
    """The toy under the names of odd columns."""

    def _encode(self, history, history_time, user_features):
        return super()._encode(history, history_time, {"age": user_features[AGE], "city": user_features[CITY]})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy_model, "ToyModel", OddModel)
        toy_model.save_toy_model(folder / "trained", ODD)
    build_bundle(
        str(folder / "trained"), str(folder / "served" / "odd" / "1"), IndexSettings(kind="exact"), ServingSettings()
    )
    with Server(folder / "served", rest_port=0, poll_seconds=POLL) as running:
        running.wait_until_available(120)
        yield running


def test_the_client_spells_them_as_the_columns_do(server):
    with Client(f"127.0.0.1:{server.port}", "odd") as client:
        plain, told = client.user_interests([["item-1"]] * 2, user_features=[{}, {AGE: 50.0, CITY: ["there"]}])
        with pytest.raises(ValueError, match=re.escape(f"no profile feature 'home town'; it has: {CITY}, {AGE}")):
            client.user_interests([["item-1"]], user_features=[{"home town": "there"}])
    # By the toy's rule: a hundredth of the age, and the city's place from 1 on.
    assert (told - plain)[0, :2].tolist() == pytest.approx([0.5, 2.0], abs=1e-5)


def test_the_command_spells_them_as_the_columns_do(server):
    arguments = (f"127.0.0.1:{server.port}", "odd", ["item-1"], 3)
    assert ask(*arguments, {AGE: ["50"], CITY: ["there"]}).row_count == 3
    with pytest.raises(InputError, match=re.escape(f"profile feature {AGE} is numeric, and tall is no number")):
        ask(*arguments, {AGE: ["tall"]})


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("named", ["user_{}", "feature"])
def test_rest_takes_either_spelling(server, rows, named):
    names = [f"user_{name}" if named == "user_{}" else user_feature(name) for name in (AGE, CITY)]
    user = {"history": ["item-1"], "history_time": [0], names[0]: [50.0], names[1]: ["there"]}
    body = {"instances": [user]} if rows else {"inputs": {name: [value] for name, value in user.items()}}
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/odd:predict"
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(url, json={"signature_name": "user_interests", **body}, timeout=60).json()
    interests = reply["predictions"][0]["interests"] if rows else reply["outputs"]["interests"][0]
    expected, _, _ = toy_model.restated_encode(["item-1"], toy_model.item_vectors(toy_model.ITEMS), [50.0], ["there"])
    assert interests[0] == pytest.approx(expected[0].tolist(), abs=1e-5)
