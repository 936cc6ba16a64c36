"""The lines at the end of a run."""

import pytest

from pipeline.result_table import interests, label


@pytest.mark.parametrize(
    ("overall", "line"),
    [
        (
            {"active_interests": 3.24, "interest_cosine": 0.314, "effective_interests": 2.71, "interest_use": 0.68},
            "Interests: 3.2 active a user, cosine 0.31, effective 2.7",
        ),
        ({"active_interests": 1.0, "effective_interests": 1.0}, "Interests: 1.0 active a user, effective 1.0"),
        ({}, "Interests: none, no test user has a known history."),
    ],
)
def test_interests_in_one_line(overall, line):
    assert interests(overall) == line


def test_labels():
    assert (label("hit_rate_at_20"), label("diversity_at_50_unseen"), label("ndcg_at_20_filtered")) == (
        *("HR@20", "Diversity@50", "NDCG@20"),
    )
