import errno
import itertools

import pytest

from pipeline.run import _cause_of
from trainer.errors import GateRefused, InputError


def _chain(*errors):
    for outer, inner in itertools.pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


@pytest.mark.parametrize(
    ("errors", "kind", "words"),
    [
        ([RuntimeError("outer"), InputError("the column")], InputError, "the column"),
        ([RuntimeError("outer"), ValueError("x"), GateRefused("too low")], GateRefused, "too low"),
        ([RuntimeError("outer"), OSError(errno.ENOSPC, "full")], InputError, "no space left"),
        (
            [RuntimeError("outer"), RuntimeError("Beam: [Errno 28] No space left on device")],
            InputError,
            "no space left",
        ),
    ],
)
def test_the_error_that_a_user_can_act_on_is_found_in_the_chain(errors, kind, words):
    cause = _cause_of(_chain(*errors))
    assert type(cause) is kind
    assert words in str(cause)


def test_an_error_of_ours_is_none_of_the_user_s():
    assert _cause_of(_chain(RuntimeError("outer"), KeyError("bug"))) is None
