"""Options made of a settings class, and the server's two commands that have them."""

from typing import Annotated, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field, model_validator

from pipeline import cli
from serving.server import command as server_command
from serving.server_settings import ServerSettings
from serving.settings_command import SettingsCommand, options
from tests.command_line import command_line
from trainer.errors import InputError
from trainer.settings import Settings


class Oven(Settings):
    """One field of each form."""

    shelves: int = Field(3, ge=1, lt=10, description="Number of shelves.")
    grams: int = 500
    degrees: float | None = Field(None, gt=-273.15, description="Target temperature, in degrees Celsius.")
    recipe: Annotated[str, Field(json_schema_extra={"format": "file"})] | None = None
    cook: str = Field("anyone", pattern="^[a-z]+$")
    heat: Literal["top", "bottom"] = "top"
    light: bool = True
    door: bool = Field(True, json_schema_extra={"opposite": "window"})
    grill: bool = False

    @model_validator(mode="after")
    def _cool(self) -> "Oven":
        if self.grill and self.heat == "bottom":
            raise ValueError("grill needs heat from the top.")
        return self


def _oven():
    @click.command(cls=SettingsCommand, settings=lambda: Oven)
    @click.argument("cook", default="anyone")
    @click.option("--minutes", default=1)
    def bake(settings, minutes):
        click.echo(f"{settings!r} {minutes}")

    return bake


def _bake(*arguments):
    return command_line().invoke(_oven(), arguments)


def test_an_option_has_name_default_description_and_bounds():
    by_name = {option.name: option for option in options(Oven)}
    assert list(by_name) == ["shelves", "grams", "degrees", "recipe", "cook", "heat", "light", "door", "grill"]
    helps = {name: option.get_help_record(click.Context(click.Command("x"))) for name, option in by_name.items()}
    assert helps == {
        "shelves": ("--shelves INTEGER", "Number of shelves.  [default: 3; 1<=x<10]"),
        "grams": ("--grams INTEGER", "[default: 500]"),
        "degrees": ("--degrees NUMBER", "Target temperature, in degrees Celsius.  [x>-273.15]"),
        "recipe": ("--recipe FILE", ""),
        "cook": ("--cook TEXT", "[default: anyone]"),
        "heat": ("--heat [top|bottom]", "[default: top]"),
        "light": ("--light / --no-light", "[default: light]"),
        "door": ("--door / --window", "[default: door]"),
        "grill": ("--grill", ""),
    }
    assert [option.name for option in options(Oven, without=["cook", "heat"])] == [
        name for name in by_name if name not in ("cook", "heat")
    ]


def test_a_field_without_an_option_is_told():
    class Cupboard(Settings):
        things: list[str] = []

    class Either(Settings):
        age: float | Literal["auto"] = "auto"

    for settings, name in ((Cupboard, "things"), (Either, "age")):
        with pytest.raises(TypeError, match=f"{name} is no number, text, choice or flag"):
            options(settings)


def test_the_settings_are_what_the_command_line_says():
    given = _bake("bob", "--shelves", "9", "--degrees", "-3.5", "--heat", "bottom", "--window", "--minutes", "7")
    expected = Oven(shelves=9, degrees=-3.5, heat="bottom", door=False, cook="bob")
    assert (given.exit_code, given.stdout) == (0, f"{expected!r} 7\n")
    assert _bake().stdout == f"{Oven()!r} 1\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shelves", "10"], "Invalid value for '--shelves': 10 is not in the range 1<=x<10."),
        (["--shelves", "two"], "Invalid value for '--shelves': 'two' is not a valid integer."),
        (["--degrees", "warm"], "Invalid value for '--degrees': 'warm' is not a valid number."),
        (["--degrees", "nan"], "Invalid value for '--degrees': Input should be greater than -273.15"),
        (["--heat", "left"], "Invalid value for '--heat': 'left' is not one of 'top', 'bottom'."),
        (["--quiz"], click.NoSuchOption("--quiz").format_message()),
        (["BOB"], "Invalid value for '[COOK]': String should match pattern '^[a-z]+$'"),
        (["bob", "jim"], "Got unexpected extra argument (jim)"),
        (["--grill", "--heat", "bottom"], "grill needs heat from the top."),
    ],
)
def test_a_wrong_value_is_one_line(arguments, words):
    result = _bake(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {words}\n")


# A value other than the default for every setting of the server.
OTHERS = {
    "model_config_file": "models.config",
    "model_config_poll_seconds": 2.5,
    "allow_version_labels_for_unavailable_models": True,
    "model_name": "shop",
    "host": "0.0.0.0",
    "port": 1,
    "tls_certificate": "c.pem",
    "tls_key": "k.pem",
    "tls_client_ca": "a.pem",
    "metrics_port": 2,
    "metrics_host": "0.0.0.1",
    "rest_port": 3,
    "rest_host": "0.0.0.2",
    "rest_timeout_seconds": 4.5,
    "poll_seconds": 0.5,
    "require_manifest": False,
    "keep_last_version": True,
    "threads": 5,
    "max_concurrent": 6,
    "batch_rows": 7,
    "batch_wait_ms": 8.5,
    "batch_runs": 9,
    "max_message_bytes": 2048,
    "max_tensor_bytes": 4096,
    "max_batch": 10,
    "max_list_length": 11,
    "grace_seconds": 12.5,
    "log_level": "ERROR",
    "log_format": "json",
}
FLAGS = {
    "allow_version_labels_for_unavailable_models": "--allow-version-labels-for-unavailable-models",
    "require_manifest": "--plain-models",
    "keep_last_version": "--keep-last-version",
}


def _arguments():
    for name, value in OTHERS.items():
        yield from [FLAGS[name]] if name in FLAGS else ["--" + name.replace("_", "-"), str(value)]


@pytest.fixture
def served(monkeypatch):
    """The settings that were to be served."""
    found = []
    monkeypatch.setattr(server_command, "serve", lambda settings, make_server: found.append(settings))
    return found


@pytest.mark.parametrize(
    ("command", "folder"),
    [(server_command.main, ["--directory", "shop"]), (cli.serve, ["shop"])],
    ids=["python -m serving.server", "polyrec serve"],
)
def test_both_commands_set_everything(served, command, folder):
    assert CliRunner().invoke(command, list(_arguments())).exit_code == 0
    assert CliRunner().invoke(command, folder).exit_code == 0
    (all_set, defaults) = served
    assert all_set.model_dump() == {"directory": None, **OTHERS}
    assert defaults == ServerSettings(directory="shop")
    assert not {name for name in OTHERS if getattr(defaults, name) == OTHERS[name]}


def test_the_server_is_made_of_the_settings(monkeypatch):
    """And what it says against them is one line."""
    monkeypatch.setattr(server_command.logs, "set_up", lambda level, form: None)
    seen = {}

    def make_server(**settings):
        seen.update(settings)
        raise InputError("no such folder.")

    result = command_line().invoke(server_command.main, ["--directory", "x"], obj=make_server)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "Error: no such folder.\n")
    assert seen == ServerSettings(directory="x").model_dump()
