"""What serving costs, measured: python -m benchmarks.serving COMMAND --help."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click

from benchmarks.serving.index import index
from benchmarks.serving.load import load_command
from benchmarks.serving.reload import reload_command


@click.group(help=__doc__)
def main() -> None:
    """The command line."""


main.add_command(index)
main.add_command(load_command)
main.add_command(reload_command)

if __name__ == "__main__":
    main()
