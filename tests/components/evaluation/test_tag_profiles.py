"""The EvalConfig of models of profiles, run by TFMA itself, against scikit-learn."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from sklearn.metrics import log_loss, roc_auc_score

from components.evaluation.tag_profiles import profile_eval_config
from components.settings import EvaluationSettings
from pipeline.engines.local import Output
from pipeline.results.evaluator_refusals import refusals
from pipeline.results.run_result import _evaluations
from trainer.errors import InputError

TASKS = ("click", "conversion")
COUNT = 400


class _Model(tf.Module):
    """Probabilities of the feature x; a precision that every second example lacks."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        return {
            "click": tf.sigmoid(x),
            "conversion": tf.sigmoid(x - 1),
            "precision_at_1": tf.where(x > 0, 0.25, float("nan")),
            "popularity_precision_at_1": tf.fill(tf.shape(x), 0.5),
        }


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("profile_evaluation"), np.random.default_rng(0)
    x = random.normal(size=COUNT).astype(np.float32)
    click = (random.random(COUNT) < 1 / (1 + np.exp(-x))).astype(np.float32)
    conversion = click * (random.random(COUNT) < 1 / (1 + np.exp(-x)))
    values = {
        "x": x, "label_click": click, "weight_click": np.ones(COUNT),
        "label_conversion": conversion, "weight_conversion": click,
    }  # fmt: skip
    with tf.io.TFRecordWriter(str(folder / "examples.gz"), "GZIP") as writer:
        for row in range(COUNT):
            features = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=[column[row]]))
                for name, column in values.items()
            }
            bucket = b"000" if row % 4 else b"001-004"
            features["history_bucket"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[bucket]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    model = _Model()
    tf.saved_model.save(model, str(folder / "model"), signatures={"evaluate": model.evaluate})
    return folder, {name: np.asarray(column) for name, column in values.items()}


def _analyse(folder, settings, name, gated=True):
    config = profile_eval_config(settings, TASKS, gated)
    tfma.run_model_analysis(
        eval_shared_model=tfma.default_eval_shared_model(str(folder / "model"), eval_config=config),
        eval_config=tfma.utils.update_eval_config_with_defaults(config, has_baseline=False, rubber_stamp=True),
        data_location=str(folder / "examples.gz"),
        output_path=str(folder / name),
    )
    return Output(uri=str(folder / name), properties={})


def test_metrics_are_those_of_the_labels_that_count(log):
    folder, values = log
    (evaluation,) = _evaluations(_analyse(folder, EvaluationSettings(), "plain")).values()
    chances = {"click": 1 / (1 + np.exp(-values["x"])), "conversion": 1 / (1 + np.exp(1 - values["x"]))}
    for task in TASKS:
        counts = values[f"weight_{task}"] > 0
        labels, chance = values[f"label_{task}"][counts], chances[task][counts]
        # TFMA's AUC is that of 10,000 thresholds.
        np.testing.assert_allclose(evaluation.overall[f"auc_{task}"], roc_auc_score(labels, chance), atol=1e-3)
        np.testing.assert_allclose(evaluation.overall[f"log_loss_{task}"], log_loss(labels, chance), rtol=1e-4)
        np.testing.assert_allclose(evaluation.overall[f"calibration_{task}"], chance.mean() / labels.mean(), rtol=1e-4)
    assert evaluation.overall["precision_at_1"] == 0.25
    assert evaluation.overall["popularity_precision_at_1"] == 0.5
    assert evaluation.overall["example_count"] == COUNT
    assert sorted(evaluation.slices) == ["000", "001-004"]
    assert evaluation.slices["001-004"]["example_count"] == COUNT / 4


def test_thresholds_refuse_in_words(log):
    folder, _ = log
    settings = EvaluationSettings(thresholds={"auc_conversion": 0.99, "precision_at_1": 0.3, "auc_click": 0.5})
    verdict = tfma.load_validation_result(_analyse(folder, settings, "refused").uri)
    assert not verdict.validation_ok
    words = sorted(refusals(verdict, None, settings))
    assert len(words) == 2
    assert words[0].startswith("auc_conversion is 0.") and "wants at least 0.99" in words[0]
    assert words[1] == "precision_at_1 is 0.2500, and evaluation.thresholds wants at least 0.3."


def test_by_default_the_first_task_must_have_been_learned(log):
    folder, _ = log
    output = _analyse(folder, EvaluationSettings(), "blessed")
    assert tfma.load_validation_result(output.uri).validation_ok


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"thresholds": {"auc_clik": 0.5}}, "evaluation.thresholds.auc_clik: .* Did you mean 'auc_click'"),
        ({"gate_metric": "recall_at_50"}, "evaluation.gate_metric: 'recall_at_50' is not a metric"),
        ({"thresholds": {"log_loss_click": 0.5}}, "is not a metric"),
    ],
)
def test_what_is_no_metric_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        profile_eval_config(EvaluationSettings(**settings), TASKS)
