"""What a step's log says of its failure."""

import pytest

from pipeline.kubeflow.step_log import error_in
from trainer.errors import GateRefused, InputError

LAUNCHER = "I1130 12:00:00.000001      17 launcher_v2.go:188] publish\n"
FATAL = "F1130 12:00:09.000001      17 main.go:55] failed to execute component: exit status 1\n"


@pytest.mark.parametrize(
    ("log", "kind", "message"),
    [
        ("", type(None), None),
        (f"{LAUNCHER}Killed\n{FATAL}", type(None), None),
        (f"{LAUNCHER}Refused: too slow.\n{FATAL}", GateRefused, "too slow."),
        (f"Error: log.csv: no column a.\n  Set b.\n\n{FATAL}", InputError, "log.csv: no column a.\n  Set b."),
        (f"Error: of a tool\nand on it goes\n\n12 rows\n{FATAL}", type(None), None),
        (f"Error: of a tool\n\nValueError\n\nError: ours.\n{LAUNCHER}{FATAL}", InputError, "ours."),
        (f"trainer.errors.GateRefused: a\n\n12 rows\n{FATAL}", GateRefused, "a"),
        (
            "trainer.errors.InputError: first\n\nDuring handling of the above exception, another occurred:\n\n"
            "RuntimeError: InputError: [while running 'Read']\n",
            InputError,
            "first",
        ),
        ("InputError: words [while running 'Read/Map']\nTraceback (most recent call last):\n", InputError, "words"),
    ],
)
def test_the_last_error_that_a_user_can_act_on(log, kind, message):
    error = error_in(log)
    assert type(error) is kind
    assert error is None or str(error) == message
