"""What serving costs: python -m benchmarks.serving index."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click

from benchmarks.serving.index import index


@click.group(help=__doc__)
def main() -> None:
    """The command."""


main.add_command(index)

if __name__ == "__main__":
    main()
