"""The lines at the end of a run."""

import pytest

from pipeline.result_table import interests


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
