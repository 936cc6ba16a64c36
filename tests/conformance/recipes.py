"""The recipes "as published" that the pages of the models give: YAML blocks that start with a comment, their name."""

import re
from pathlib import Path
from typing import Any

import yaml

PAGES = Path(__file__).parents[2] / "docs" / "models"
_BLOCK = re.compile(r"^```yaml\n# (?P<name>\S+ (?:as|As) .*)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)


def recipes() -> dict[str, dict[str, Any]]:
    """Name of each recipe, such as ``ComiRec-SA as released`` -> its sections."""
    found = {}
    for page in sorted(PAGES.glob("*.md")):
        for match in _BLOCK.finditer(page.read_text()):
            found[match["name"]] = yaml.safe_load(match["text"])
    return found
