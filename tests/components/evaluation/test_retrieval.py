"""The EvalConfig and its metric, run by TFMA itself on a SavedModel small enough to compute by hand."""

import math
import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import retrieval as evaluation
from components.settings import EvaluationSettings
from pipeline.results.evaluator_refusals import refusals
from trainer.errors import InputError
from trainer.metrics import table

HISTORY_LENGTHS = (1, 3, 6)
ALL_METRICS = (*table.model_metrics(), *table.popularity_metrics())
MEANS = [name for name in ALL_METRICS if table.output_of(name) == name]
CATALOGUE = 10


class _Scaled(tf.Module):
    """An evaluate signature: output number i of an example with n history items is n * scale + i.

    Its user is shown the first n items of the catalogue.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = tf.Variable(scale)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        history = tf.io.parse_example(examples, {"history": tf.io.RaggedFeature(tf.string)})["history"]
        length = tf.cast(history.row_lengths(), tf.float32)
        outputs = {name: length * self.scale + i for i, name in enumerate(MEANS)}
        shown = tf.where(tf.range(50.0) < length[:, tf.newaxis], tf.range(50), -1)
        outputs |= {table.output_of(name): shown for name in ALL_METRICS if name not in MEANS}
        outputs["catalogue_size"] = tf.fill(tf.shape(length), CATALOGUE)
        del outputs["popularity_shown_at_50_unseen"]
        outputs["interest_cosine"] = tf.where(length == 1, float("nan"), length)
        del outputs["interest_use"]
        return outputs


def _bytes(*values: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[v.encode() for v in values]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    with tf.io.TFRecordWriter(str(folder / "examples.gz"), "GZIP") as writer:
        for n in HISTORY_LENGTHS:
            features = {
                "history": _bytes(*"x" * n),
                "targets": _bytes(*"y" * (1 + n % 2)),
                "history_bucket": _bytes("001-004" if n < 5 else "005-009"),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    for name, scale in (("one", 1.0), ("half", 0.5)):
        model = _Scaled(scale)
        tf.saved_model.save(model, str(folder / name), signatures={evaluation.SIGNATURE: model.evaluate})
    return folder


def _analyse(folder: Path, settings: EvaluationSettings, *models: str) -> tuple[Path, config_pb2.EvalConfig]:
    config = tfma.utils.update_eval_config_with_defaults(
        evaluation.eval_config(settings), has_baseline=len(models) == 2, rubber_stamp=True
    )
    shared = [
        tfma.default_eval_shared_model(str(folder / model), eval_config=config, model_name=spec.name)
        for model, spec in zip(models, config.model_specs, strict=True)
    ]
    output = folder / ("out_" + "_".join(models) + str(hash(settings.model_dump_json())))
    tfma.run_model_analysis(
        eval_shared_model=shared if len(shared) > 1 else shared[0],
        eval_config=config,
        data_location=str(folder / "examples.gz"),
        output_path=str(output),
    )
    return output, config


def _values(output: Path, model_name: str) -> dict[str, dict[str, float]]:
    result = tfma.load_eval_result(str(output), model_name=model_name)
    return {
        ",".join(value for _, value in key): {name: v["doubleValue"] for name, v in metrics[""][""].items()}
        for key, metrics in result.slicing_metrics
    }


def test_means_overall_and_by_slice_and_a_first_model_is_blessed(folder):
    output, _ = _analyse(folder, EvaluationSettings(), "one")
    values = _values(output, "")
    assert set(values) == {"", "001-004", "005-009"}
    # Lengths 1, 3, 6: mean 10/3; those below 5: mean 2.
    for i, name in enumerate(MEANS):
        if name in ("interest_cosine", "interest_use"):
            continue
        assert values[""][name] == pytest.approx(10 / 3 + i)
        assert values["001-004"][name] == pytest.approx(2 + i)
        assert values["005-009"][name] == pytest.approx(6 + i)
    # The first example has no cosine, and the model does not compute interest_use at all.
    assert values[""]["interest_cosine"] == pytest.approx((3 + 6) / 2)
    assert values["001-004"]["interest_cosine"] == pytest.approx(3)
    assert math.isnan(float(values[""]["interest_use"]))
    assert values[""]["example_count"] == 3
    # Shown 3, 2, 2, 1, 1, 1 times and four items never: by the formula (27 + 7 * 2 + 5 * 2 + 3 + 1 - 1) / (9 * 10).
    assert values[""]["coverage_at_50"] == pytest.approx(6 / 10) == values[""]["popularity_coverage_at_50"]
    assert values[""]["gini_at_50_unseen"] == pytest.approx(54 / 90)
    assert values["001-004"]["coverage_at_50"] == pytest.approx(3 / 10)  # 2, 1, 1 times
    assert values["001-004"]["gini_at_50"] == pytest.approx((9 * 2 + 7 + 5) / (9 * 4))
    assert values["005-009"]["gini_at_50"] == pytest.approx((9 + 7 + 5 + 3 + 1 - 1) / (9 * 6))
    assert math.isnan(float(values[""]["popularity_coverage_at_50_unseen"]))
    assert tfma.load_validation_result(str(output)).validation_ok


@pytest.mark.parametrize(("candidate", "baseline", "blessed"), [("one", "half", True), ("half", "one", False)])
def test_a_blessed_baseline_is_measured_too_and_a_loss_is_refused(folder, candidate, baseline, blessed):
    settings = EvaluationSettings(gate_metric="recall_at_20", max_regression=0.4)
    output, config = _analyse(folder, settings, candidate, baseline)
    scale = {"one": 1.0, "half": 0.5}
    for spec in config.model_specs:
        model = baseline if spec.is_baseline else candidate
        assert _values(output, spec.name)[""]["recall_at_20"] == pytest.approx(10 / 3 * scale[model])
    result = tfma.load_validation_result(str(output))
    assert result.validation_ok is blessed
    if not blessed:  # The mean over everyone only: no failure of a slice.
        assert [v.slice_key.single_slice_keys[:] for v in result.metric_validations_per_slice] == [[]]


def test_a_value_threshold_refuses(folder):
    output, _ = _analyse(folder, EvaluationSettings(thresholds={"recall_at_20": 3.4}), "one")
    result = tfma.load_validation_result(str(output))
    (failure,) = result.metric_validations_per_slice[0].failures
    assert failure.metric_key.name == "recall_at_20"
    assert failure.metric_value.double_value.value == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"thresholds": {"recal_at_50": 0.1}}, "evaluation.thresholds.recal_at_50.*Did you mean 'recall_at_50'"),
        (
            {"thresholds": {"recall_at_5_over_baseline": 0}},
            "Did you mean 'recall_at_50_over_baseline'.*Behind a metric",
        ),
        ({"thresholds": {"interest_overlap_at_50_over_baseline": 0}}, "is not a metric"),
        ({"thresholds": {"coverage_at_50_over_baseline": 0}}, "is not a metric"),
        ({"thresholds": {"history_diversity": 0}}, "'history_diversity' is not a metric"),
        ({"gate_metric": "recall_at_50_over_baseline"}, "evaluation.gate_metric: .* is not a metric"),
        ({"gate_metric": "auc"}, "evaluation.gate_metric: 'auc' is not a metric"),
    ],
)
def test_a_wrong_metric_is_named(settings, words):
    with pytest.raises(InputError, match=words):
        evaluation.eval_config(EvaluationSettings(**settings))


@pytest.mark.parametrize(("most", "blessed"), [(4.4, False), (4.6, True)])
def test_of_an_overlap_less_is_better(folder, most, blessed):
    """Its mean over the two users that have a cosine is 4.5."""
    output, _ = _analyse(folder, EvaluationSettings(thresholds={"interest_cosine": most}), "one")
    result = tfma.load_validation_result(str(output))
    assert result.validation_ok is blessed
    said = refusals(result, None, EvaluationSettings(thresholds={"interest_cosine": most}))
    assert blessed or said == ["interest_cosine is 4.5000, and evaluation.thresholds wants at most 4.4."]


@pytest.mark.parametrize(
    ("thresholds", "blessed"),
    [
        ({"coverage_at_50": 0.59, "gini_at_50": 0.61}, True),
        ({"coverage_at_50": 0.61}, False),
        ({"gini_at_50": 0.59}, False),
    ],
)
def test_thresholds_on_what_all_users_are_shown(folder, thresholds, blessed):
    """Together they are shown six of ten items; their exposure has a Gini index of 0.6, of which less is better."""
    output, _ = _analyse(folder, EvaluationSettings(thresholds=thresholds), "one")
    assert tfma.load_validation_result(str(output)).validation_ok is blessed


@pytest.mark.parametrize(("candidate", "blessed_last", "blessed"), [("half", "one", True), ("one", "half", False)])
def test_a_gate_metric_of_which_less_is_better(folder, candidate, blessed_last, blessed):
    settings = EvaluationSettings(gate_metric="interest_alone_share_at_50", max_regression=0.02)
    output, _ = _analyse(folder, settings, candidate, blessed_last)
    assert tfma.load_validation_result(str(output)).validation_ok is blessed


def test_a_threshold_on_a_difference_is_not_the_evaluators(folder):
    config = evaluation.eval_config(EvaluationSettings(thresholds={"recall_at_50_diverse_over_baseline": 0.01}))
    assert list(config.metrics_specs[0].per_slice_thresholds) == ["recall_at_50"]


def test_the_baselines_evaluation_has_no_thresholds():
    config = evaluation.eval_config(EvaluationSettings(thresholds={"recall_at_20": 0.5}), gated=False)
    assert not config.metrics_specs[0].per_slice_thresholds


def test_metrics_with_the_filter_are_there_with_a_filter_alone():
    settings = EvaluationSettings(deny=["in_stock=no"], thresholds={"recall_at_50_filtered": 0.1})
    (spec,) = evaluation.eval_config(settings).metrics_specs
    assert "popularity_ndcg_at_20_filtered" in spec.metrics[0].config
    assert spec.per_slice_thresholds["recall_at_50_filtered"].thresholds
    (plain,) = evaluation.eval_config(EvaluationSettings()).metrics_specs
    assert "_filtered" not in plain.metrics[0].config
    with pytest.raises(InputError, match="'recall_at_50_filtered' is not a metric"):
        evaluation.eval_config(EvaluationSettings(thresholds={"recall_at_50_filtered": 0.1}))
