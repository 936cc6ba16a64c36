"""Runs click commands in this process."""

import inspect

from click.testing import CliRunner


def command_line() -> CliRunner:
    """A runner whose results keep standard error apart, as click 8.2 and later always do."""
    apart = "mix_stderr" in inspect.signature(CliRunner).parameters
    return CliRunner(mix_stderr=False) if apart else CliRunner()
