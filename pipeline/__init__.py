"""Configuration, pipeline graph, runners and the command line."""

import sys

import trainer  # noqa: F401  (decides on Keras before a library asks for it)


def main() -> None:
    """The command ``polyrec``: :func:`pipeline.cli.main`, or what to install where only the client is."""
    try:
        from pipeline import cli
    except ModuleNotFoundError as error:
        sys.exit(
            f"Error: the package {error.name} is not installed here. `pip install polyrec` brings the client alone "
            "(serving.client); docs/install.md says how the pipeline and the server are installed."
        )
    cli.main()
