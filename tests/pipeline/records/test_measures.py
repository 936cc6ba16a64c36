"""The facts of made-up results."""

import pytest

from components.evaluation.paired import Comparison, Paired
from pipeline.records.measures import facts
from pipeline.records.record import Gate, Metric
from pipeline.results.run_result import Evaluation, RunResult

OVERALL = {"example_count": 30.0, "recall_at_50": 0.3, "popularity_recall_at_50": 0.1, "recall_at_50_diff": -0.02,
           "interest_overlap_at_50": 0.4}  # fmt: skip
PAIR = Paired(users=30, model=0.3, baseline=0.25, difference=0.05, error=0.01)
THIRD = Paired(users=10, model=0.4, baseline=0.2, difference=0.2, error=None)


def result(**fields):
    given = {
        "model": Evaluation(OVERALL, {"010-019": {"example_count": 20.0, "recall_at_50": 0.2}}),
        "baseline": Evaluation(
            {"recall_at_50": 0.24, "interest_overlap_at_50": 0.5}, {"010-019": {"recall_at_50": 0.1}}
        ),
        "blessed_before": Evaluation({"recall_at_50": 0.32}, {}),
        "refusals": [],
        "serving_blessed": True,
        "serving_reason": "All checks passed.",
        "pushed": "/served/1",
        "unchanged": False,
        "family": "retrieval",
        "comparison": Comparison(30, 4, {"all": {"recall_at_50": PAIR}, "diverse": {"recall_at_50": THIRD}}),
    }
    return RunResult(**{**given, **fields})


def test_metrics_have_their_baselines_and_errors():
    found = facts(result())
    recall = Metric(title="Recall@50", value=0.3, popularity=0.1, baseline=0.25, difference=0.05, error=0.01, users=30,
                    blessed_before=0.32)  # fmt: skip
    assert found["metrics"]["recall_at_50"] == recall
    assert found["metrics"]["interest_overlap_at_50"] == Metric(title="overlap@50", value=0.4, baseline=0.5)
    assert found["metrics"].keys() == {"recall_at_50", "interest_overlap_at_50"}
    assert found["slices"] == {
        "010-019": {"recall_at_50": Metric(title="Recall@50", value=0.2, baseline=0.1)},
        "diverse": {"recall_at_50": Metric(title="Recall@50", value=0.4, baseline=0.2, difference=0.2, users=10)},
    }
    assert (found["test_examples"], found["baseline"], found["headline"]) == (30, "two_tower", "recall_at_50")
    assert (found["pushed"], found["unchanged"]) == ("/served/1", False)


def test_what_all_users_are_shown_has_their_number_and_no_error():
    overall = {"example_count": 30.0, "gini_at_50": 0.3, "coverage_at_50_unseen": 0.2}
    part = {"example_count": 20.0, "gini_at_50": 0.4}
    baseline = Evaluation({"gini_at_50": 0.5}, {})
    metrics = facts(result(model=Evaluation(overall, {"010-019": part}), baseline=baseline, comparison=None))
    gini = metrics["metrics"]["gini_at_50"]
    assert (gini.title, gini.value, gini.baseline, gini.error, gini.users) == ("Gini@50", 0.3, 0.5, None, 30)
    assert gini.difference == pytest.approx(-0.2)
    alone = metrics["metrics"]["coverage_at_50_unseen"]
    assert (alone.value, alone.baseline, alone.difference, alone.users) == (0.2, None, None, 30)
    assert metrics["slices"]["010-019"]["gini_at_50"].users == 20


@pytest.mark.parametrize("refusals", [[], ["recall_at_50 is 0.3000, too low."]])
@pytest.mark.parametrize("served", [True, False])
def test_gates_have_their_reasons(refusals, served):
    reason = "All checks passed." if served else "Scores differ."
    found = facts(result(refusals=refusals, serving_blessed=served, serving_reason=reason))
    assert found["gates"] == [
        Gate(name="Evaluator", passed=not refusals, reasons=refusals),
        Gate(name="ServingValidator", passed=served, reasons=[] if served else ["Scores differ."]),
    ]


def test_a_model_of_profiles_has_the_metrics_of_its_tasks():
    model = Evaluation({"example_count": 9.0, "auc_click": 0.7, "auc_click_diff": 0.1, "popularity_auc_click": 0.5}, {})
    baseline = Evaluation({"auc_click": 0.6}, {})
    profiles = {"family": "tag_profiles", "blessed_before": None, "comparison": None}
    found = facts(result(model=model, baseline=baseline, **profiles))
    assert found["metrics"] == {"auc_click": Metric(title="auc_click", value=0.7, popularity=0.5, baseline=0.6)}
    assert (found["baseline"], found["headline"], found["slices"]) == ("shared_bottom", "auc_click", {})
    alone = facts(result(model=model, baseline=None, **profiles))
    assert alone["baseline"] is None and alone["metrics"]["auc_click"].baseline is None
