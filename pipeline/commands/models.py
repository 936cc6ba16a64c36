"""`polyrec models`: list models, papers and settings."""

from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from pipeline.config.settings_tables import rows
from pipeline.families.lookup import FAMILIES


def model_list(registry: Any) -> Group:
    """A table for each model, first of those that rank items: its settings, what they are by default, what they mean.

    Args:
      registry: the module trainer.models.registry.
    """
    return Group(*(_one(registry, name) for family in FAMILIES for name in registry.names(family)))


def _one(registry: Any, name: str) -> Table:
    model = registry.get(name)
    paper = f" ({model.paper})" if model.paper else ""
    purpose = FAMILIES[model.family].purpose
    table = Table(title=f"[bold]{escape(name)}[/bold]{escape(paper)}, {purpose}\n{escape(registry.describe(name))}")
    table.title_justify = "left"
    for heading in ("setting", "default", "values", "meaning"):
        table.add_column(heading)
    for row in rows(registry.settings_class(name), "model"):
        if row.key != "model.name":
            table.add_row(*(escape(cell.replace("`", "")) for cell in row))
    return table
