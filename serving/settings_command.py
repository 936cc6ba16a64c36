"""Click commands whose options are the fields of a settings class."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trainer.settings import Settings

_NUMBERS: dict[str, tuple[str, Any, type[click.IntRange] | type[click.FloatRange]]] = {
    "integer": ("integer", click.INT, click.IntRange),
    "number": ("number", click.FLOAT, click.FloatRange),
}


class SettingsCommand(click.Command):
    """A command with an option for each field of a settings class; its function is given ``settings``.

    A wrong option or value is one line on standard error and exit code 2. A parameter that the function declares
    itself under a field's name sets that field, and takes the place of its option.

    Args:
      settings: gives the class. Called when the options are needed, so that other commands need not import it.
    """

    def __init__(self, *args: Any, settings: Callable[[], type["Settings"]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._derived: list[click.Option] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The declared parameters, and the options of the fields that these leave."""
        if self._derived is None:
            self._derived = options(self._settings(), without=[parameter.name for parameter in self.params])
        declared = super().get_params(ctx)
        # Click puts --help last.
        return [*declared[: len(self.params)], *self._derived, *declared[len(self.params) :]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the command line.

        Raises:
          click.UsageError: an unknown option, or a value that it does not take.
        """
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            # Without a context, click shows the message alone: the usage would be forty lines.
            raise click.UsageError(error.format_message()) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Builds the settings and calls the function.

        Raises:
          click.UsageError: values that do not go together, or one of a wrong form.
        """
        from pydantic import ValidationError

        settings = self._settings()
        values = {name: ctx.params.pop(name) for name in settings.model_fields}
        try:
            ctx.params["settings"] = settings(**values)
        except ValidationError as error:
            raise self._usage_error(ctx, error.errors()[0]) from None
        return super().invoke(ctx)

    def _usage_error(self, ctx: click.Context, error: Mapping[str, Any]) -> click.UsageError:
        words = error["msg"].removeprefix("Value error, ")
        hints = [p.get_error_hint(ctx) for p in self.get_params(ctx) if p.name in error["loc"]]
        return click.UsageError(f"Invalid value for {hints[0]}: {words}" if hints else words)


def options(settings: type["Settings"], without: Collection[str | None] = ()) -> list[click.Option]:
    """The options of a settings class: name, type, bounds and default of each field, its description as the help.

    A field that is true or false becomes a flag; one that is true by default also gets ``--no-NAME``, or what its
    ``json_schema_extra`` gives as ``opposite``. A text with the format ``file`` is shown as FILE.

    Args:
      settings: the class.
      without: names of fields to leave out.

    Raises:
      TypeError: a field is no number, text, choice or flag.
    """
    schemas = settings.model_json_schema()["properties"]
    return [_option(name, schema) for name, schema in schemas.items() if name not in without]


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")


def _option(name: str, schema: Mapping[str, Any]) -> click.Option:
    value, *others = (one for one in schema.get("anyOf", [schema]) if one.get("type") != "null")
    declared, default, form = _flag(name), schema.get("default"), None if others else value.get("type")
    shared: dict[str, Any] = {"default": default, "help": schema.get("description")}
    if form == "boolean":
        if default:
            declared += "/" + _flag(value.get("opposite", f"no_{name}"))
        return click.Option([declared, name], is_flag=True, show_default=bool(default), **shared)
    if form == "string" and "enum" in value:
        return click.Option([declared, name], type=click.Choice(value["enum"]), show_default=True, **shared)
    if form not in _NUMBERS and form != "string":
        raise TypeError(f"{name} is no number, text, choice or flag: no option can be made of it.")
    metavar = "FILE" if value.get("format") == "file" else None
    return click.Option([declared, name], type=_type(value), metavar=metavar, show_default=True, **shared)


def _type(value: Mapping[str, Any]) -> Any:
    """The click type of a number with its bounds, or of a text."""
    if value["type"] == "string":
        return click.STRING
    word, unbounded, bounded = _NUMBERS[value["type"]]
    low, high = _bound(value, "minimum"), _bound(value, "maximum")
    if low is None and high is None:
        return unbounded
    found = bounded(low, high, "exclusiveMinimum" in value, "exclusiveMaximum" in value)
    found.name = word  # click's own, "integer range", makes no sense in "'x' is not a valid ..."
    return found


def _bound(value: Mapping[str, Any], name: str) -> int | None:
    bound = value.get(name, value.get(f"exclusive{name.capitalize()}"))
    return int(bound) if bound is not None and bound == int(bound) else bound
