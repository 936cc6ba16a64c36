"""Training of a model of profiles from transformed files to the SavedModel, and what the SavedModel answers."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tests.components.text.items import item_file
from tests.trainer.transformed import USER_FEATURES, raw_impression, serialized, transform
from trainer.errors import InputError
from trainer.run_fn import run_fn

TASKS = ("click", "conversion")
TAGS = {item: ["sweet" if item in "abcd" else "sour", "old" if item in "aceg" else "new"] for item in "abcdefgh"}
SWEET, SOUR = "abcd", "efgh"


def _impressions(users: range) -> list[dict]:
    """Every second user likes what is sweet, the others what is sour, and buys what of it is old."""
    rows = []
    for user in users:
        liked, left = (SWEET, SOUR) if user % 2 else (SOUR, SWEET)
        for place in range(4):
            bought = liked[place] in "aceg"
            history = liked[:place] or liked[3]
            job = "baker" if user % 2 else "smith"
            rows.append(raw_impression(str(user), liked[place], history, job=job, click=(1, 1), conversion=(bought, 1)))
            rows.append(raw_impression(str(user), left[place], history, job=job, click=(0, 1), conversion=(0, 0)))
    return rows


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("impressions")
    return transform(folder, _impressions(range(40)), _impressions(range(40, 44)), 4, TASKS)


def _fn_args(transformed, directory, model: dict, tags=TAGS) -> SimpleNamespace:
    items = [{"item_id": item, "tags": values} for item, values in tags.items()]
    config = {
        "model": {"dimension": 8, "field_dimension": 8, **model},
        "training": {"batch_size": 64, "max_steps": 120, "evaluate_every": 60, "learning_rate": 0.02},
        "transform": {"max_history": 4},
        "user_features": USER_FEATURES,
        "labels": list(TASKS),
        "item_files": [item_file(directory / "items.gz", items)],
    }
    return SimpleNamespace(
        train_files=transformed.train_files,
        eval_files=transformed.valid_files,
        transform_output=str(transformed.output.transform_savedmodel_dir).rsplit("/", 1)[0],
        serving_model_dir=str(directory / "model"),
        model_run_dir=str(directory / "run"),
        custom_config=config,
    )


@pytest.fixture(scope="module", params=["mvke", "utpm", "shared_bottom"])
def trained(request, transformed, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    run_fn(_fn_args(transformed, directory, {"name": request.param}))
    return directory, tf.saved_model.load(str(directory / "model"))


def _encode(model, history: str, job: str = "", age: float = float("nan")) -> dict:
    given = tf.constant([[*history, ""]]), tf.zeros([1, len(history) + 1], tf.int64)
    return model.encode(*given, {"job": tf.constant([[job]]), "age": tf.constant([[age]])})


def test_tastes_are_learned(trained):
    directory, model = trained
    report = json.loads((directory / "run" / "training.json").read_text())
    assert report["watched"] == "auc" and report["best"] > 0.99
    names = [name.decode() for name in model.tag_names.numpy()]
    assert sorted(names) == ["new", "old", "sour", "sweet"]
    for history, job, liked, other in ((SWEET[:2], "baker", "sweet", "sour"), (SOUR[1:], "smith", "sour", "sweet")):
        vectors = _encode(model, history, job)["vectors"].numpy()[0]
        click, conversion = np.einsum("yd,ynd->yn", vectors, model.tag_vectors.numpy())
        assert click[names.index(liked)] > click[names.index(other)]
        assert conversion[names.index("old")] > conversion[names.index("new")]


def test_evaluate_against_what_is_served(trained):
    """Probabilities from the served vectors, Precision@k by hand."""
    _, model = trained
    raw = [
        raw_impression("u", "f", "ab", targets="ef", job="smith", age=2.0, click=(1, 1), conversion=(0, 1)),
        raw_impression("u", "z", "ab", job="smith", age=2.0, click=(1, 1), conversion=(0, 1)),
        raw_impression("v", "a", "", targets="z", click=(1, 1), conversion=(0, 1)),
    ]
    outputs = model.signatures["evaluate"](examples=tf.constant(serialized(raw, TASKS)))
    vectors = [_encode(model, "ab", "smith", 2.0)["vectors"][0], _encode(model, "")["vectors"][0]]
    names, bias = [name.decode() for name in model.tag_names.numpy()], model.tag_bias.numpy()
    pool = np.sum if "utpm" in str(trained[0]) else np.mean  # their defaults
    for row, (user, item) in enumerate([(vectors[0], "f"), (vectors[0], None), (vectors[1], "a")]):
        scores = np.einsum("yd,ynd->yn", user, model.tag_vectors.numpy())
        of_item = pool([scores[:, names.index(tag)] for tag in TAGS[item]], axis=0) if item else np.zeros(2)
        expected = scipy.special.expit(of_item + bias)
        for place, task in enumerate(TASKS):
            np.testing.assert_allclose(outputs[task][row], expected[place], rtol=1e-4)
    first = np.einsum("d,nd->n", vectors[0][0], model.tag_vectors.numpy()[0])
    ranked = [names[row] for row in np.argsort(-first)]
    relevant = {"sour", "old", "new"}  # the tags of e and f
    for k in (1, 3):
        precision = len(relevant & set(ranked[:k])) / k
        np.testing.assert_allclose(outputs[f"precision_at_{k}"], [precision, np.nan, np.nan])
    assert np.isnan(outputs["precision_at_5"]).all()  # there are four tags
    # All four tags are shown equally often: three of the four are relevant, whichever are the three best.
    assert model.tag_counts.numpy().tolist() == [160] * 4
    np.testing.assert_allclose(outputs["popularity_precision_at_3"], [3 / 4, np.nan, np.nan], rtol=1e-6)


def test_who_is_known(trained):
    _, model = trained
    assert [bool(_encode(model, *user)["known"][0]) for user in (("a",), ("", "smith"), ("z",), ("", "", 3.0))] == [
        True, True, False, True,
    ]  # fmt: skip


def test_the_description_names_tasks_and_tags(trained):
    directory, model = trained
    description = json.loads((directory / "model" / "assets.extra" / "model.json").read_text())
    assert description["tasks"] == list(TASKS) == [task.decode() for task in model.task_names.numpy()]
    assert description["tags"] == 4 and description["dimension"] == model.tag_vectors.shape[2]
    assert description["user_features"] == USER_FEATURES


def test_a_subset_of_the_tasks(transformed, tmp_path):
    run_fn(_fn_args(transformed, tmp_path, {"name": "shared_bottom", "train_tasks": ["conversion"]}))
    model = tf.saved_model.load(str(tmp_path / "model"))
    assert model.task_names.numpy().tolist() == [b"conversion"]
    outputs = model.signatures["evaluate"](examples=tf.constant(serialized(_impressions(range(1)), TASKS)))
    assert "click" not in outputs and outputs["conversion"].shape == (8,)


def test_items_without_tags_are_refused(transformed, tmp_path):
    with pytest.raises(InputError, match="No item of the training split has a tag"):
        run_fn(_fn_args(transformed, tmp_path, {"name": "shared_bottom"}, tags={item: [] for item in TAGS}))
