"""What is said of a model below the table."""

import pytest

from components.evaluation.paired import Comparison, Paired
from pipeline.families.findings import findings


def _said(pair=None, **overall):
    comparison = None if pair is None else Comparison(pair.users, 4, {"all": {"recall_at_50": pair}})
    return findings("mind", "two_tower", overall, comparison)


@pytest.mark.parametrize(
    ("pair", "text", "warns"),
    [
        (
            Paired(2241, 0.209, 0.2, 0.009, 0.004),
            "mind is better than two_tower by 0.9 ± 0.4 points of Recall@50 (2,241 test users).",
            False,
        ),
        (
            Paired(2241, 0.191, 0.2, -0.009, 0.004),
            "two_tower is better than mind by 0.9 ± 0.4 points of Recall@50 (2,241 test users).",
            True,
        ),
        (
            Paired(2241, 0.201, 0.2, 0.001, 0.005),
            "No difference between mind and two_tower: +0.1 ± 0.5 points of Recall@50 (2,241 test users).",
            False,
        ),
        (
            Paired(97, 0.21, 0.2, 0.01, 0.012),
            "Too few test users to tell mind from two_tower (97): the difference in Recall@50 is +1.0 points, its "
            "standard error 1.2.",
            False,
        ),
        # Half a point is coarse where the baseline finds 3 %.
        (
            Paired(700, 0.028, 0.03, -0.002, 0.005),
            "Too few test users to tell mind from two_tower (700): the difference in Recall@50 is -0.2 points, its "
            "standard error 0.5.",
            False,
        ),
        (Paired(1, 1.0, 0.0, 1.0, None), "Too few test users to tell mind from two_tower (1 test user).", False),
        (Paired(50, 0.2, 0.2, 0.0, 0.0), "No difference between mind and two_tower: +0.0 ± 0.0", False),
    ],
)
def test_the_difference(pair, text, warns):
    (found,) = _said(pair)
    assert found.text.startswith(text) and (found.warning is not None) is warns
    if warns:
        assert "evaluation.thresholds.recall_at_50_over_baseline=0 refuses" in found.warning


@pytest.mark.parametrize(
    ("overlap", "text", "warns"),
    [
        (0.85, "The interests are one (overlap 0.85): 3.9 vectors return the same list as one, at as many times", True),
        (0.58, "The interests share much of their lists (overlap 0.58).", False),
        (0.2, "Each interest finds its own (overlap 0.20).", False),
    ],
)
def test_the_interests(overlap, text, warns):
    (found,) = _said(interest_overlap_at_50=overlap, active_interests=3.9)
    assert found.text.startswith(text) and (found.warning is not None) is warns


def test_of_one_vector_nothing_is_said():
    assert not _said(active_interests=1.0) and not _said(interest_overlap_at_50=float("nan"), active_interests=1.0)
