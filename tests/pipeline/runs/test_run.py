import errno
import itertools

import pytest

from pipeline.config.run import load
from pipeline.records.history import find_runs
from pipeline.runs import run as runs
from pipeline.runs.run import RunRefused, _cause_of
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


@pytest.mark.parametrize("error", [GateRefused("too low"), InputError("no such column")])
def test_a_run_from_python_that_ends_early_raises_and_leaves_its_record(tmp_path, monkeypatch, error):
    def execute(*_, **__):
        raise error

    monkeypatch.setattr(runs, "execute", execute)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(type(error), match=str(error)) as raised:
        runs.run(load("comirec_sa", ["pipeline.name=shop"]))
    (file,), (record,) = zip(*find_runs(tmp_path / "runs").runs.items(), strict=True)
    assert (record.reason, record.pipeline, record.config["pipeline"]["root"]) == (
        *(str(error), "shop"),
        str(tmp_path / "runs"),
    )
    assert {"Trainer", "Evaluator"} <= record.code.components.keys()
    if isinstance(error, GateRefused):
        assert isinstance(raised.value, RunRefused)
        assert (raised.value.record, raised.value.record_file) == (record, file)
