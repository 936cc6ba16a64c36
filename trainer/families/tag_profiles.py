"""Models of tag profiles: they learn from the labels of impressions."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data.catalogue import Catalogue
from trainer.data.impressions import evaluation_impressions, training_impressions
from trainer.export import tag_profiles as export
from trainer.families.base import Family
from trainer.models import registry
from trainer.models.registry import Model
from trainer.models.tag_profiles.base import ProfileModel
from trainer.settings import TrainingSettings
from trainer.training.tag_profile_validation import ProfileValidator

_VALIDATED_IMPRESSIONS = 1024


class TagProfiles(Family):
    """Tag profiles; the tasks are the labels of the log."""

    name = ProfileModel.family

    def validator(self, model: Any) -> ProfileValidator:
        """AUC on held-out impressions."""
        return ProfileValidator(model)

    def datasets(
        self,
        train_files: Sequence[str],
        valid_files: Sequence[str],
        spec: Mapping[str, Any],
        settings: TrainingSettings,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        """Impressions, and the held-out ones."""
        return (
            training_impressions(train_files, spec, settings.batch_size, settings.seed),
            evaluation_impressions(valid_files, spec, _VALIDATED_IMPRESSIONS),
        )

    def build(
        self,
        config: Mapping[str, Any],
        catalogue: Catalogue,
        max_history: int,
        profile: Mapping[str, int | None],
        settings: TrainingSettings,
        temperature: float | None = None,
    ) -> Model:
        """The configured model; it has no temperature."""
        section = config["model"]
        model: Any = registry.get(section["name"])
        given = registry.settings_class(section["name"])(**section)
        built: Model = model(given, catalogue, max_history, profile, config["labels"], seed=settings.seed)
        return built

    def save(
        self,
        model: Any,
        catalogue: Catalogue,
        transform: tft.TFTransformOutput,
        config: Mapping[str, Any],
        directory: str,
    ) -> None:
        """See :func:`trainer.export.tag_profiles.save`."""
        export.save(model, catalogue, transform, config.get("user_features", {}), directory)
