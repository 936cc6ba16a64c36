"""Training from transformed files to the SavedModel, and what the SavedModel answers."""

import json
import logging
import string
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.baselines import expected_metrics
from tests.trainer.transformed import USER_FEATURES, raw, serialized, transform
from trainer.run_fn import run_fn

ITEMS = string.ascii_lowercase + "".join(chr(0x100 + number) for number in range(94))
MAX_HISTORY = 6


def _log(users: int) -> list[dict]:
    """Users who walk through the alphabet: the next item follows from the last."""
    rows = []
    for user in range(users):
        walk = "".join(ITEMS[(user + step) % len(ITEMS)] for step in range(7))
        rows.append(raw(str(user), walk[:-1], walk[1:], job="smith" if user % 2 else "baker", age=float(user)))
    return rows


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    valid = [raw("v", "abcd", "ef", job="smith", age=3.0), raw("w", "mnop", "q")]
    return transform(tmp_path_factory.mktemp("log"), _log(240), valid, MAX_HISTORY)


def _item_file(directory) -> str:
    path = str(directory / "items.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number, item in enumerate(ITEMS[:-1]):
            categories = [b"all", b"vowel" if item in "aeiou" else b"consonant"] if number else [b"all"]
            features = {
                "item_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[item.encode()])),
                "category": tf.train.Feature(bytes_list=tf.train.BytesList(value=categories)),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return path


def _fn_args(transformed, directory, model: dict, **training) -> SimpleNamespace:
    config = {
        "model": {"dimension": 8, **model},
        "training": {"batch_size": 16, "max_steps": 60, "evaluate_every": 20, "learning_rate": 0.02, **training},
        "transform": {"max_history": MAX_HISTORY},
        "user_features": USER_FEATURES,
        "item_files": [_item_file(directory)],
        "resume_directory": str(directory / "interrupted"),
    }
    return SimpleNamespace(
        train_files=transformed.train_files,
        eval_files=transformed.valid_files,
        transform_output=str(transformed.output.transform_savedmodel_dir).rsplit("/", 1)[0],
        serving_model_dir=str(directory / "model"),
        model_run_dir=str(directory / "run"),
        custom_config=config,
    )


@pytest.fixture(scope="module", params=["comirec_sa", "two_tower"])
def trained(request, transformed, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    options = {"use_category": True, "temperature": 0.15}
    run_fn(_fn_args(transformed, directory, {"name": request.param, **options}, evaluate_every=60))
    return directory, tf.saved_model.load(str(directory / "model"))


def _encode(model, histories: list[str], width: int = 8, job: str = "", age: float = 3.0) -> dict:
    history = [list(items) + [""] * (width - len(items)) for items in histories]
    times = [[n * (n + 1) // 2 for n in range(width)]] * len(histories)
    features = {"job": tf.constant([[job]] * len(histories)), "age": tf.constant([[age]] * len(histories))}
    return model.encode(tf.constant(history), tf.constant(times, tf.int64), features)


def test_the_model_learns_the_walk_and_says_so(trained):
    directory, model = trained
    report = json.loads((directory / "run" / "training.json").read_text())
    assert (report["watched"], report["best"]) == ("recall_at_50", 1.0)
    assert report["resumed_at"] == 0 and report["steps"] <= 60
    encoded = _encode(model, ["klmnop"])
    scores = np.max(encoded["interests"][0].numpy() @ model.item_vectors.numpy().T, axis=0)
    best = model.item_ids.numpy()[np.argsort(-scores)[:5]]
    assert b"q" in best
    assert not (directory / "interrupted").exists() or not list((directory / "interrupted").iterdir())


def test_what_is_chosen_after_training_is_what_is_saved(transformed, tmp_path, caplog):
    """Two validation users, a list of 50 of 120 items: whatever c is chosen, the report and the model agree on it."""
    with caplog.at_level(logging.INFO, "polyrec.progress"):
        model = {"name": "shrinkage", "num_interests": 2, "share": 1.0, "prior": True}
        run_fn(_fn_args(transformed, tmp_path, model, max_steps=20))
    report = json.loads((tmp_path / "run" / "training.json").read_text())
    said = [record.getMessage() for record in caplog.records if "chosen on 2 validation users" in record.getMessage()]
    assert f"share {report['chosen']['share']:g} chosen" in said[0]
    model = tf.saved_model.load(str(tmp_path / "model"))
    served = _encode(model, ["klmnop"])["interest_mask"].numpy().sum()
    assert served == report["chosen"]["interests"]
    assert model.item_vectors.shape[1] == 9 and int(model.constant_components) == 1
    description = json.loads((tmp_path / "model" / "assets.extra" / "model.json").read_text())
    assert (description["dimension"], description["interests"]) == (9, 2)


def test_the_items_of_the_saved_model(trained):
    _, model = trained
    ids, categories = model.item_ids.numpy().tolist(), model.item_category.numpy()
    assert sorted(ids) == sorted(item.encode() for item in ITEMS)
    assert (np.diff(model.item_counts.numpy()) <= 0).all()
    assert categories[ids.index(ITEMS[-1].encode())] == -1  # not in the item table
    vowels = {categories[ids.index(item)] for item in (b"e", b"i", b"o")}
    assert len(vowels) == 1 and categories[ids.index(b"b")] not in vowels


def test_padding_width_and_other_rows_change_nothing(trained):
    _, model = trained
    alone = _encode(model, ["bcd"], width=3)
    among = _encode(model, ["xyzabcde", "bcd", ""], width=8)
    np.testing.assert_allclose(among["interests"][1], alone["interests"][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(among["attribution"][1], alone["attribution"][0], rtol=1e-5, atol=1e-6)
    assert np.isfinite(among["interests"]).all()
    np.testing.assert_array_equal(among["attribution"][2], np.zeros_like(among["attribution"][2]))


def test_unknown_items_are_ignored(trained):
    _, model = trained
    known = _encode(model, ["bd"], width=4)
    history = tf.constant([["b", "never seen", "d", ""]])
    times = tf.constant([[0, 0, 1, 0]], tf.int64)
    features = {"job": tf.constant([[""]]), "age": tf.constant([[3.0]])}
    mixed = model.encode(history, times, features)
    np.testing.assert_array_equal(mixed["history"], known["history"])
    np.testing.assert_allclose(mixed["interests"], known["interests"], rtol=1e-5, atol=1e-6)


def test_profile_features_reach_the_interests(trained):
    _, model = trained
    smith, baker = (_encode(model, ["bcd"], job=job)["interests"] for job in ("smith", "baker"))
    assert np.abs(smith - baker).max() > 1e-6


def test_the_evaluate_signature_against_numpy(trained):
    """Recomputes all metrics from ``encode``, the vectors and the counts, of which many are equal. 1, 2: unknown."""
    _, model = trained
    examples = [
        raw("1", "abcdefgh", "ijz", job="smith", age=3.0),
        raw("2", "mnop", "qq", job="smith", age=3.0),
        raw("3", "aaab", "a", job="smith", age=3.0),
        raw("4", "1", "e", job="smith", age=3.0),
        raw("5", "abcdef", "g2212", job="smith", age=3.0),
        raw("6", "abcdef", "g222", job="smith", age=3.0),
    ]
    answers = model.signatures["evaluate"](tf.constant(serialized(examples)))
    ids = [item.decode() for item in model.item_ids.numpy().tolist()]
    vectors = model.item_vectors.numpy()
    for row, example in enumerate(examples):
        history = [item.decode() for item in example["history"]]
        targets = {item.decode() for item in example["targets"]}
        scores = (_encode(model, ["".join(history)], job="smith")["interests"][0].numpy() @ vectors.T).max(axis=0)
        counts = model.item_counts.numpy().astype(float)
        if not set(history) & set(ids):
            scores = counts
        wanted = {ids.index(item) if item in ids else -2 - int(item) for item in targets}
        seen = np.array([-np.inf if item in history else 0.0 for item in ids])
        for prefix, ranked in (("", scores), ("popularity_", counts)):
            for suffix, hidden in (("", 0.0), ("_unseen", seen)):
                for name, value in expected_metrics(ranked + hidden, wanted).items():
                    key = prefix + name + suffix
                    np.testing.assert_allclose(answers[key][row], value, rtol=1e-5, atol=1e-7, err_msg=f"{key}, {row}")


def test_an_unknown_target_counts_once_and_two_of_them_twice(trained):
    """What a list of all items would find: g of g and 2, three times; g of g, 1 and 2."""
    _, model = trained
    examples = [raw("5", "abcdef", "g222"), raw("6", "abcdef", "g2212"), raw("7", "abcdef", "g")]
    twice, both, alone = model.signatures["evaluate"](tf.constant(serialized(examples)))["recall_at_50"].numpy()
    assert alone > 0
    np.testing.assert_allclose([twice, both], [alone / 2, alone / 3], rtol=1e-6)


def test_the_interests_health_in_the_evaluate_signature_against_numpy(trained):
    _, model = trained
    examples = [raw("1", "abcdefgh", "ijz", job="smith", age=3.0), raw("2", "1", "e", job="smith", age=3.0)]
    answers = model.signatures["evaluate"](tf.constant(serialized(examples)))
    interests = _encode(model, ["abcdefgh"], job="smith")["interests"][0].numpy()
    scores, count = interests @ model.item_vectors.numpy().T, len(interests)
    first = np.argsort(-scores.max(axis=0), kind="stable")[:50]
    own = [set(np.argsort(-row)[:50]) for row in scores]
    effective = len(set().union(*own)) / 50
    pairs = [len(a & b) / len(a | b) for n, a in enumerate(own) for b in own[n + 1 :]]
    directions = interests / np.linalg.norm(interests, axis=1, keepdims=True)
    cosines = (directions @ directions.T)[np.triu_indices(count, 1)]
    assert answers["active_interests"][0] == count
    np.testing.assert_allclose(answers["effective_interests"][0], effective, rtol=1e-5)
    np.testing.assert_allclose(answers["interest_use"][0], effective / count, rtol=1e-5)
    np.testing.assert_allclose(answers["interest_cosine"][0], cosines.mean() if count > 1 else np.nan, rtol=1e-4)
    np.testing.assert_allclose(answers["interest_overlap_at_50"][0], np.mean(pairs) if pairs else np.nan, rtol=1e-5)
    alone = max(len(items & set(first)) for items in own) / 50
    np.testing.assert_allclose(answers["interest_alone_share_at_50"][0], alone, rtol=1e-6)
    categories = model.item_category.numpy()[first[:20]]
    different = (categories[:, np.newaxis] != categories).sum() / (20 * 19)
    np.testing.assert_allclose(answers["diversity_at_20"][0], different, rtol=1e-5)
    assert np.isnan([answers[name][1] for name in ("active_interests", "effective_interests")]).all()


def test_a_page_of_several_rows_and_the_tail_against_numpy(trained):
    """Rows of ten: the union over the interests, or the first 10 K of one vector; targets seen before count."""
    _, model = trained
    histories, targets = ["abcdefgh", "mnopqr", "stuvwxyza"], ["ijkz", "stab", "bcdqy"]
    users = [raw(str(n), *both, job="smith", age=3.0) for n, both in enumerate(zip(histories, targets, strict=True))]
    ids, vectors = [item.decode() for item in model.item_ids.numpy()], model.item_vectors.numpy()
    counts = model.item_counts.numpy()
    head, total = 0, 0
    while 2 * total < counts.sum():
        total, head = total + counts[head], head + 1
    interests = _encode(model, histories, width=9, job="smith")["interests"].numpy()
    beside = model.evaluate_beside(tf.constant(serialized(users)), tf.constant(2))
    alone = model.signatures["evaluate"](tf.constant(serialized(users)))
    for row, (history, wanted) in enumerate(zip(histories, targets, strict=True)):
        for suffix, seen in (("", ""), ("_unseen", history)):
            scores = interests[row] @ vectors.T
            scores[:, [ids.index(item) for item in set(seen)]] = -np.inf
            if len(scores) == 1:
                pages = {2: [20], 1: [10]}
            else:
                pages = {2: [2 * 10 // len(scores)] * len(scores), len(scores): [10] * len(scores)}
            for rows, lengths in pages.items():
                page = {
                    ids[i] for one, n in zip(scores, lengths, strict=True) for i in np.argsort(-one)[:n] if one[i] > -9
                }
                found = (beside if rows == 2 else alone)["shelf_recall_at_10" + suffix].numpy()[row]
                np.testing.assert_allclose(found, len(page & set(wanted)) / len(wanted), rtol=1e-6)
            tail = [item for item in wanted if ids.index(item) >= head]
            best = {ids[i] for i in np.argsort(-scores.max(axis=0))[:50] if scores.max(axis=0)[i] > -9}
            expected = len(best & set(tail)) / len(tail) if tail else np.nan
            np.testing.assert_allclose(alone["tail_recall_at_50" + suffix].numpy()[row], expected, rtol=1e-6)


def test_an_interrupted_training_goes_on(transformed, tmp_path, monkeypatch):
    """Killed after the second validation; the next attempt starts at step 40, not at 0."""
    from trainer.training import validation

    validations = []
    evaluate = validation.Validator.evaluate

    def dies_at_the_third(self, batches):
        validations.append(1)
        if len(validations) == 3:
            raise KeyboardInterrupt
        return evaluate(self, batches)

    monkeypatch.setattr(validation.Validator, "evaluate", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_fn(_fn_args(transformed, tmp_path, {"name": "two_tower", "temperature": 0.15}))
    assert not (tmp_path / "model").exists()
    run_fn(_fn_args(transformed, tmp_path, {"name": "two_tower", "temperature": 0.15}))
    report = json.loads((tmp_path / "run" / "training.json").read_text())
    assert report["resumed_at"] == 40 and report["steps"] == 60


def test_the_temperature_is_chosen_on_validation_and_written_down(transformed, tmp_path, monkeypatch):
    """Trials of 15 of 60 steps; killed while the better one goes on, the next attempt knows both."""
    from trainer.training import validation

    temperatures = []

    def evaluate(self, batches):
        temperatures.append(self._model.settings.temperature)
        if len(temperatures) == 4:
            raise KeyboardInterrupt
        return {"recall_at_50": 0.7 if self._model.settings.temperature == 0.1 else 0.6}

    monkeypatch.setattr(validation.Validator, "evaluate", evaluate)
    with pytest.raises(KeyboardInterrupt):
        run_fn(_fn_args(transformed, tmp_path, {"name": "two_tower"}, trial_steps=15))
    assert temperatures == [0.1, 0.15, 0.1, 0.1]
    run_fn(_fn_args(transformed, tmp_path, {"name": "two_tower"}, trial_steps=15))
    report = json.loads((tmp_path / "run" / "training.json").read_text())
    assert set(temperatures[4:]) == {0.1}
    assert report["resumed_at"] == 20 and report["steps"] == 60 and report["settings"]["temperature"] == 0.1
    choice = report["temperature"]
    assert (choice["temperature"], choice["steps"]) == (0.1, 15) and choice["cpu_seconds"] > 0
    np.testing.assert_allclose([choice["tried"]["0.1"], choice["tried"]["0.15"]], [0.7, 0.6], rtol=1e-6)


def test_users_can_be_drawn_instead_of_targets(transformed, tmp_path):
    run_fn(_fn_args(transformed, tmp_path, {"name": "two_tower", "temperature": 0.15}, sampling="users"))
    report = json.loads((tmp_path / "run" / "training.json").read_text())
    assert report["best"] == 1.0 and report["steps"] == 60


def test_a_seed_makes_a_run_repeatable(transformed, tmp_path):
    vectors = []
    for attempt in ("first", "second"):
        directory = tmp_path / attempt
        directory.mkdir()
        run_fn(_fn_args(transformed, directory, {"name": "comirec_sa", "temperature": 0.15}, max_steps=20))
        vectors.append(tf.saved_model.load(str(directory / "model")).item_vectors.numpy())
    np.testing.assert_array_equal(vectors[0], vectors[1])
