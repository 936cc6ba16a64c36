"""A base model: saved by one training, the start of another."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.data.text_vectors_on_disk import write_text_vectors
from tests.trainer.test_cold_items import MAX_HISTORY, VECTORS, fn_args, transformed  # noqa: F401
from trainer.data.catalogue import Catalogue
from trainer.data.sequences import evaluation_dataset, training_dataset
from trainer.data.text_vectors import read_description
from trainer.errors import InputError
from trainer.models import registry
from trainer.run_fn import run_fn
from trainer.settings import TrainingSettings
from trainer.training import pretrained as base_model
from trainer.training.loop import fit


@pytest.fixture(scope="module")
def pretrained(transformed, tmp_path_factory):  # noqa: F811
    directory = tmp_path_factory.mktemp("pretrained")
    texts = write_text_vectors(directory / "texts", VECTORS)
    run_fn(fn_args(transformed, directory, texts, item_ids=False, negatives="in_batch"))
    return str(directory / "model" / base_model.FOLDER), texts


def _model(max_history=MAX_HISTORY, width=12, items=9, **options):
    """Another shop's: other items and texts, untrained."""
    random = np.random.default_rng(3)
    texts = random.normal(size=(items, width)).astype(np.float32)
    catalogue = Catalogue(
        [b"%d" % item for item in range(items)], np.arange(items, 0, -1), np.zeros((items, 0), np.int32), [], texts
    )
    given = {"dimension": 8, "num_interests": 3, "experts": 2, **options}
    model = registry.get("miracle")(registry.settings_class("miracle")(**given), catalogue, max_history)
    history = tf.constant(random.integers(1, items + 1, size=(2, max_history)), tf.int64)
    batch = {
        "history": history, "history_mask": tf.ones_like(history), "targets": history,
        "history_gap": tf.zeros(history.shape),
    }  # fmt: skip
    model.compute_loss(batch)
    return model, batch


def _restore(folder, texts, model, max_history=MAX_HISTORY):
    encoder = read_description(os.path.join(texts, "encoder"))
    settings = model.settings.model_dump()
    return base_model.restore(folder, model.shared_parts(), "miracle", max_history, encoder, settings)


def test_its_folder_may_be_named_like_a_pattern(pretrained, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, texts = pretrained
    copy = shutil.copytree(folder, tmp_path / "b[1]")
    plain, _ = _model()
    _restore(folder, texts, plain)
    model, _ = _model()
    _restore(str(copy), texts, model)
    for name, part in plain.shared_parts().items():
        for expected, found in zip(part.weights, model.shared_parts()[name].weights, strict=True):
            np.testing.assert_array_equal(expected.numpy(), found.numpy())


def test_positions_counted_from_the_other_end_mean_something_else(pretrained):
    model, _ = _model(positions="newest")
    with pytest.raises(InputError, match=r"trained with model.positions: oldest, here it is newest. Set it to oldest"):
        _restore(*pretrained, model)


@pytest.mark.parametrize("item_ids", [True, False])
def test_its_weights_reach_a_model_of_other_items(pretrained, item_ids):
    model, batch = _model(item_ids=item_ids)
    before = {name: [w.numpy() for w in part.weights] for name, part in model.shared_parts().items()}
    base = _restore(*pretrained, model)
    assert set(base.parts) == {"encoder", "capsules", "adaptor", "recency", "projection"}
    kernels = tf.train.load_variable(f"{pretrained[0]}/weights", "adaptor/kernels/.ATTRIBUTES/VARIABLE_VALUE")
    np.testing.assert_array_equal(model.item_tower.adaptor.kernels, kernels)
    for name, part in model.shared_parts().items():
        assert any(not np.array_equal(old, new) for old, new in zip(before[name], part.weights, strict=True)), name
    assert np.isfinite(model.encode_last(batch).interests).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dimension": 6}, "adaptor has weights|encoder has weights"),
        ({"num_interests": 4}, "capsules has weights.*'num_interests': 3"),
        ({"experts": 3}, "adaptor has weights"),
        ({"width": 10}, "adaptor has weights"),
    ],
)
def test_another_size_is_refused(pretrained, options, words):
    model, _ = _model(**options)
    with pytest.raises(InputError, match=words):
        _restore(*pretrained, model)


def test_another_history_text_encoder_or_architecture_is_refused(pretrained, tmp_path):
    folder, texts = pretrained
    model, _ = _model()
    with pytest.raises(InputError, match="max_history = 5, here it is 7"):
        _restore(folder, texts, model, max_history=7)
    other = write_text_vectors(tmp_path / "other", VECTORS, fingerprint="0" * 64)
    with pytest.raises(InputError, match=r"encoded by .*ffffffffffff.*000000000000"):
        _restore(folder, other, model)
    with pytest.raises(InputError, match="these items by nothing"):
        base_model.restore(folder, model.shared_parts(), "miracle", MAX_HISTORY, None)
    with pytest.raises(InputError, match="is a miracle, not a mind"):
        base_model.restore(folder, {}, "mind", MAX_HISTORY, None)


def test_a_damaged_base_model_is_refused(pretrained, tmp_path):
    folder, texts = pretrained
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    data = next(copy.glob("weights.data*"))
    data.write_bytes(data.read_bytes()[:-1])
    model, _ = _model()
    with pytest.raises(InputError, match="is missing or was changed"):
        _restore(str(copy), texts, model)
    data.unlink()
    with pytest.raises(InputError, match="is missing or was changed"):
        _restore(str(copy), texts, model)
    (copy / "base.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(InputError, match=r"is no base model.*polyrec pretrain"):
        _restore(str(copy), texts, model)


def test_an_interrupted_fine_tuning_goes_on_from_its_own_state(transformed, tmp_path):  # noqa: F811
    model, _ = _model(max_history=MAX_HISTORY, items=26)
    spec = transformed.output.transformed_feature_spec()
    settings = TrainingSettings(batch_size=8, max_steps=2, evaluate_every=1, num_negatives=5)
    calls = []

    def prepare():
        calls.append(1)
        model.capsules.trainable_weights[0].assign(tf.fill(model.capsules.trainable_weights[0].shape, 7.0))

    def run(steps):
        batches = training_dataset(transformed.train_files, spec, 8, 1)
        held_out = evaluation_dataset(transformed.valid_files, spec, 8)
        return fit(
            model, batches, held_out, settings.model_copy(update={"max_steps": steps}), str(tmp_path), prepare=prepare
        )

    run(2)
    after = model.capsules.trainable_weights[0].numpy()
    assert abs(after - 7).max() < 1  # it started from what prepare had set
    report = run(3)
    assert report.resumed_at == 2 and len(calls) == 2


def test_fine_tuning_starts_from_the_base_model(pretrained, transformed, tmp_path):  # noqa: F811
    folder, texts = pretrained
    args = fn_args(transformed, tmp_path, texts, base=folder, item_ids=True, freeze_encoder=True)
    run_fn(args)
    again = f"{args.serving_model_dir}/{base_model.FOLDER}/weights"
    for name, shape in tf.train.list_variables(f"{folder}/weights"):
        if name.startswith("encoder/") and shape and "seed" not in name and "generator" not in name:
            first, second = (tf.train.load_variable(path, name) for path in (f"{folder}/weights", again))
            np.testing.assert_array_equal(first, second, err_msg=name)
