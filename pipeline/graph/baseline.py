"""Settings of the baseline: a two-tower, or a shared bottom for tag profiles."""

from typing import Any

from pipeline.config.run import Config, family_of, model_registry


def baseline_settings(config: Config) -> dict[str, Any] | None:
    """The model section of the baseline with the same features and width as the configured model.

    Where scores are cosines, the temperature is the baseline's own choice, whatever the model's is.

    Args:
      config: with ``evaluation.baseline`` set or not.

    Returns:
      The section, or None where no baseline is wanted or the model is itself the baseline.
    """
    model, baseline = config.model.model_dump(), family_of(config).baseline
    if not config.evaluation.baseline or model["name"] == baseline:
        return None
    settings = model_registry().settings_class(baseline)
    # Its own temperature: the better of the same two, by the same users.
    own = {"name", "num_interests", "ranking", *(["temperature"] if model.get("normalize") else [])}
    shared = {name: model[name] for name in settings.model_fields if name in model.keys() - own}
    dumped: dict[str, Any] = settings(**shared).model_dump()
    return dumped
