import subprocess
import sys

import click
import pytest

from pipeline.cli import cli, run_command
from trainer.errors import GateRefused, InputError

RUN = """
import sys
from pipeline.cli import cli, run_command
code = run_command(cli, sys.argv[1:])
print("code", code, *sorted({"tensorflow", "tfx", "apache_beam"} & set(sys.modules)))
"""


def _run(*arguments):
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["--help"], "code 0\n"),
        (["data", "synthetic", "--help"], "code 0\n"),
        (["query", "--server", "127.0.0.1:1", "--history", "a"], "code 2\n"),
        (["rollout", "status", "nowhere"], "code 2\n"),
        (["serve"], "code 2\n"),
        (["run", "nowhere.yaml"], "code 2\n"),
        (["runs", "nowhere"], "code 2\n"),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(arguments, end):
    said, _ = _run(*arguments)
    assert said.endswith(end)


def test_models_are_listed_with_papers_and_settings():
    said, wrong = _run("models")
    for words in ("comirec_sa (Cen et al., KDD 2020)", "two_tower", "model.num_interests"):
        assert words in said
    assert said.endswith("code 0 tensorflow\n")
    assert wrong == ""


def test_a_query_without_a_server_says_so():
    _, wrong = _run("query", "--server", "127.0.0.1:1", "--history", "a")
    assert "No server answers at 127.0.0.1:1" in wrong
    assert "Traceback" not in wrong


def test_synthetic_data_and_wrong_numbers(tmp_path):
    numbers = ["--users", "20", "--items", "30", "--interests", "5", "--interactions", "100"]
    said, _ = _run("data", "synthetic", str(tmp_path / "log"), *numbers)
    assert "100 interactions of 20 users with 30 items" in said
    assert (tmp_path / "log" / "interactions.parquet").exists()
    said, wrong = _run("data", "synthetic", str(tmp_path / "other"), "--items", "3")
    assert said.endswith("code 2\n")
    assert "items must be at least" in wrong


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("no such column"), 2, "Error: no such column"),
        (GateRefused("too low"), 4, "Refused: too low"),
        (KeyboardInterrupt(), 130, "Run the same command again"),
        (click.ClickException("Trainer failed"), 1, "Error: Trainer failed"),
    ],
)
def test_errors_become_words_and_exit_codes(capsys, error, code, words):
    def fail(**_):
        raise error

    assert run_command(fail) == code
    assert words in capsys.readouterr().err


def test_a_cluster_is_not_given_what_it_cannot_find(capsys):
    assert run_command(cli, ["run", "comirec_sa", "--engine", "kubeflow"]) == 2
    assert (
        "is on no volume, and no step would find it. Mount its folder with kubeflow.volumes" in capsys.readouterr().err
    )
