"""Ids on the command line, whatever letters they have."""

import io
import sys

import click
import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.operations import refresh
from pipeline.terminal.id_options import given_ids, id_options
from tests.command_line import command_line
from trainer.errors import InputError


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ([], []),
        ([""], []),
        (["a"], ["a"]),
        (["a, b,,c "], ["a", "b", "c"]),
        ([r"a\,b,c"], ["a,b", "c"]),
        ([r"C:\x,y"], [r"C:\x", "y"]),
        (["a,b", "c"], ["a,b", "c"]),
        ([" a", "b "], [" a", "b "]),
    ],
)
def test_one_value_is_a_list_and_several_are_an_id_each(values, ids):
    assert given_ids("history", values) == ids


def test_a_file_has_an_id_a_line(tmp_path, monkeypatch):
    path = tmp_path / "ids"
    path.write_bytes("\ufeffa,b\r\n\n  \n c\u2028d \né".encode())
    assert given_ids("history", [], path) == ["a,b", " c\u2028d ", "é"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x,y\nz\n")))
    assert given_ids("history", [], "-") == ["x,y", "z"]
    with pytest.raises(InputError, match="--history and --history-file name the same"):
        given_ids("history", ["a"], path)
    with pytest.raises(InputError, match=r"--history-file .*nowhere: No such file"):
        given_ids("history", [], tmp_path / "nowhere")
    path.write_bytes(b"a\xff")
    with pytest.raises(InputError, match="not UTF-8 at byte 1"):
        given_ids("history", [], path)


def test_words_that_python_could_not_read_are_utf8():
    """As Python gives them where the locale is ASCII."""
    unread = "д,é".encode().decode("ascii", "surrogateescape")
    assert given_ids("history", [unread]) == ["д", "é"]
    with pytest.raises(InputError, match="is no UTF-8"):
        given_ids("history", ["a\udcff"])


def test_a_command_is_given_both():
    @click.command()
    @id_options("exclude", "not to recommend")
    def command(exclude, exclude_file):
        click.echo(given_ids("exclude", exclude, exclude_file))

    assert CliRunner().invoke(command, ["--exclude", "a,b", "--exclude", "c"]).output == "['a,b', 'c']\n"


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        (["--remove", "a,b"], ["a", "b"]),
        (["--remove", "a,b", "--remove", "c"], ["a,b", "c"]),
        (["--remove", r"a\,b"], ["a,b"]),
        (["--remove", "FILE"], "FILE"),
        ([], []),
    ],
)
def test_refresh_removes_ids_with_commas(tmp_path, monkeypatch, arguments, removed):
    (tmp_path / "gone.txt").write_text("a\n")
    gone, options = str(tmp_path / "gone.txt"), []
    monkeypatch.setattr(refresh, "refresh", lambda config, given, version, log: options.append(given))
    arguments = [gone if word == "FILE" else word for word in arguments]
    result = CliRunner().invoke(cli, ["refresh", "comirec_sa", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert options[0].remove == (gone if removed == "FILE" else removed)


def test_a_query_for_no_items_is_refused_before_it_is_asked():
    result = command_line().invoke(cli, ["query", "--server", "127.0.0.1:1", "--k", "0"])
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.stderr
