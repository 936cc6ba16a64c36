"""The rows of models.yaml."""

from pathlib import Path
from typing import Any

import yaml

MODELS = Path(__file__).parent / "models.yaml"


def rows() -> dict[str, dict[str, Any]]:
    """Name of each row -> its settings: those of the model, ``model``, ``only`` and ``ablates``."""
    return dict(yaml.safe_load(MODELS.read_text()))


def ablations() -> dict[str, str]:
    """Name of a row that lacks or changes a part -> the row that it is compared with."""
    return {name: settings["ablates"] for name, settings in rows().items() if "ablates" in settings}


def at(row: str, temperature: float) -> str:
    """The name of the job of a row at a temperature."""
    return f"{row} {temperature:g}"
