"""The lines at the end of a run."""

import pytest
from rich.console import Console

from components.evaluation.paired import Comparison, Paired
from pipeline.families.retrieval_tables import interests
from pipeline.results.result_table import show
from pipeline.results.run_result import Evaluation, RunResult


@pytest.mark.parametrize(
    ("overall", "line"),
    [
        (
            {"active_interests": 3.24, "interest_cosine": 0.314, "effective_interests": 2.71, "interest_use": 0.68},
            "Interests: effective 2.71, active 3.24, cosine 0.31, use 0.68",
        ),
        ({"active_interests": 1.0, "effective_interests": 1.0}, "Interests: effective 1.00, active 1.00"),
        ({}, "Interests: none, no test user has a known history."),
    ],
)
def test_interests_in_one_line(overall, line):
    assert interests(overall) == line


def test_the_difference_and_thirds_are_shown_where_there_is_a_comparison(capsys):
    def pair(difference):
        return Paired(30, 0.4, 0.4 - difference, difference, 0.0125)

    slices = {
        "all": {"recall_at_50": pair(0.1), "shelf_recall_at_10": pair(0.05)},
        "history 050+": {"recall_at_50": pair(-0.02)},
        "diverse": {"recall_at_50": pair(0.2)},
    }
    overall = {"recall_at_50": 0.4, "shelf_recall_at_10": 0.4, "example_count": 90.0}
    model = Evaluation(overall, {"050+": {"recall_at_50": 0.4, "example_count": 30.0}})
    baseline = Evaluation({**overall, "recall_at_50": 0.3, "shelf_recall_at_10": 0.1}, {})
    result = RunResult(model, baseline, None, [], True, "", None, False, Comparison(90, 4, slices), family="retrieval")
    show(Console(width=120), "mind", result)
    printed = capsys.readouterr().out
    rows = {row[0]: row[1:] for row in _cells(printed)}
    assert rows["Recall@50"] == ["0.4000", "0.3000", "", "+10.0 ± 1.2"]
    # Not the 0.1 that a row of ten finds: as many places as the model's page has.
    assert rows["Shelf recall@10"] == ["0.4000", "0.3500", "", "+5.0 ± 1.2"]
    assert rows["050+"] == ["30", "0.4000", "nan", "nan", "-2.0 ± 1.2"]
    assert rows["most diverse"] == ["30", "0.4000", "0.2000", "", "+20.0 ± 1.2"] and "most focused" not in rows
    assert "mind is better than two_tower by 10.0 ± 1.2 points of Recall@50 (30 test users)." in printed


def test_what_all_users_are_shown_is_beside_their_number_and_has_no_error(capsys):
    overall = {"example_count": 1234.0, "recall_at_50": 0.4, "coverage_at_50": 0.5, "gini_at_50": 0.25}
    model = Evaluation({**overall, "popularity_coverage_at_50": 0.125, "coverage_at_50_unseen": 0.6}, {})
    baseline = Evaluation({**overall, "coverage_at_50": 0.375, "gini_at_50": 0.35}, {})
    comparison = Comparison(1234, 4, {"all": {"recall_at_50": Paired(1234, 0.4, 0.4, 0.0, 0.01)}})
    result = RunResult(model, baseline, None, [], True, "", None, False, comparison, family="retrieval")
    show(Console(width=120), "mind", result)
    rows = {row[0]: row[1:] for row in _cells(capsys.readouterr().out)}
    assert "all 1,234 users together" in rows
    assert rows["Coverage@50"] == ["0.5000", "0.3750", "0.1250", "+12.5"]
    assert rows["Gini@50"] == ["0.2500", "0.3500", "", "-10.0"]


def _cells(printed):
    rows = [line.strip("│").split("│") for line in printed.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]
