"""A row of the table is all that a new metric takes: everything that names metrics has it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.retrieval import report
from components.evaluation.over_baseline import over_baseline_names
from components.evaluation.paired import paired
from components.evaluation.retrieval import eval_config, gated_metrics
from components.settings import EvaluationSettings
from pipeline.families.retrieval_tables import interests
from pipeline.results import result_table
from pipeline.results.run_result import Evaluation, RunResult
from trainer.metrics import table
from trainer.metrics.table import Metric, metric_of, title


@pytest.fixture
def made_up(monkeypatch):
    """Two metrics that nobody has heard of: one of lists and one of interests."""
    long = Metric(
        "listed", "Listed", "higher", lambda lists, n: tf.fill([tf.shape(lists.listed)[0]], float(n)), (7,), shown=(7,)
    )
    odd = Metric("oddness", "oddness", "lower", lambda lists, _: tf.ones(tf.shape(lists.listed)[0]), of="interests")
    monkeypatch.setattr(table, "TABLE", (*table.TABLE, long, odd))


def test_no_name_is_in_the_table_twice():
    names = [name for metric in table.TABLE for name in metric.names]
    assert len(names) == len(set(names))
    assert all(set(metric.shown) <= set(metric.cutoffs) for metric in table.TABLE)


def test_titles():
    assert (title("hit_rate_at_20"), title("diversity_at_50_unseen"), title("ndcg_at_20_filtered")) == (
        *("HR@20", "Diversity@50", "NDCG@20"),
    )
    with pytest.raises(KeyError):
        metric_of("recall_at_21")


def test_the_evaluator_and_its_thresholds_read_the_table(made_up):
    settings = EvaluationSettings(thresholds={"listed_at_7_unseen": 3, "oddness": 2}, deny=["a=b"])
    (spec,) = eval_config(settings).metrics_specs
    means, of_all = (json.loads(metric.config)["outputs"] for metric in spec.metrics[:2])
    outputs = [*means, *of_all]
    assert {"listed_at_7", "listed_at_7_filtered", "popularity_listed_at_7_unseen", "oddness"} <= set(outputs)
    assert sorted(outputs) == sorted({*table.model_metrics(True), *table.popularity_metrics(True)})
    bound = {name: of.thresholds[0].threshold.value_threshold for name, of in spec.per_slice_thresholds.items()}
    assert bound["listed_at_7_unseen"].lower_bound.value == 3 and bound["oddness"].upper_bound.value == 2
    assert "listed_at_7_diverse_over_baseline" in over_baseline_names()
    assert not any(name.startswith("oddness") for name in over_baseline_names())
    assert set(table.model_metrics()) - set(gated_metrics()) == {"history_diversity"}


def test_the_comparison_reads_the_table(made_up):
    values = {"listed_at_7": np.array([1.0, 2.0]), "oddness": np.ones(2)}
    assert list(paired(values, values, np.array([True, True]))) == ["listed_at_7"]


def test_the_tables_of_a_run_and_of_the_benchmarks_read_the_table(made_up, capsys):
    from rich.console import Console

    overall = {"listed_at_7": 0.5, "popularity_listed_at_7": 0.25, "oddness": 1.5, "example_count": 3.0}
    result = RunResult(Evaluation(overall, {}), None, None, [], True, "", None, False, family="retrieval")
    result_table.show(Console(width=120), "some_model", result)
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if "Listed@7" in line]
    assert "0.5000" in row and "0.2500" in row and "oddness 1.50" in printed
    assert report.columns()["Listed@7"] == "listed_at_7" and report.health()["oddness"] == "oddness"


def test_the_saved_model_computes_what_the_table_names(made_up):
    from trainer.metrics.user_metrics import Catalogue, Users, user_metrics

    items = Catalogue(tf.random.normal([9, 2]), tf.range(9, 0, -1), tf.zeros(9, tf.int32))
    users = Users(tf.random.normal([3, 2, 2]), tf.ones([3, 2], tf.bool), tf.ones([3, 4], tf.int32), tf.ones([3, 1]))
    users = users._replace(targets=tf.ones([3, 1], tf.int64))
    restrictions = {"": {}, "_unseen": {"excluded": tf.zeros([3, 1], tf.int32)}}
    found = user_metrics(users, items, restrictions, 2, popularity=True)
    outputs = map(table.output_of, (*table.model_metrics(), *table.popularity_metrics()))
    assert found.keys() == {*outputs, table.CATALOGUE_SIZE}
    assert found["popularity_listed_at_7_unseen"].numpy().tolist() == [7.0] * 3


def test_the_popularity_ranking_has_no_interests():
    assert not [name for name in table.popularity_metrics() if "interest" in name]


def test_of_both_tables_the_overlap_is_first_in_the_interests_line():
    line = interests({"active_interests": 4.0, "interest_overlap_at_50": 0.85, "effective_interests": 1.3})
    assert line == "Interests: overlap 0.85, effective 1.30, active 4.00"
