"""The command ``polyrec``, where the pipeline is installed; where only the client is, what to install."""

import sys


def main() -> None:
    """Runs :func:`pipeline.cli.main`."""
    try:
        from pipeline import cli
    except ModuleNotFoundError as error:
        sys.exit(
            f"Error: the package {error.name} is not installed here. `pip install polyrec` brings the client alone "
            "(serving.client); docs/install.md says how the pipeline and the server are installed."
        )
    cli.main()


if __name__ == "__main__":
    main()
