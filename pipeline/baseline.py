"""The single-vector model that a multi-interest model has to be compared with."""

from typing import Any

from pipeline.config import Config, model_registry

BASELINE = "two_tower"


def baseline_settings(config: Config) -> dict[str, Any] | None:
    """The model section of the two-tower with the same features and width as the configured model.

    Args:
      config: with ``evaluation.baseline`` set or not.

    Returns:
      The section, or None where no baseline is wanted or the model is itself the two-tower.
    """
    registry = model_registry()
    model = config.model.model_dump()
    if not config.evaluation.baseline or model["name"] == BASELINE:
        return None
    own = {"name", "num_interests"}
    shared = {
        name: model[name] for name in registry.settings_class(BASELINE).model_fields if name in model.keys() - own
    }
    return registry.settings_class(BASELINE)(**shared).model_dump()
