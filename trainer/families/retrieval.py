"""Models that retrieve items: they learn from the sequences of what users took."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.data.sequences import evaluation_dataset, training_dataset
from trainer.export import retrieval as export
from trainer.families.base import Family
from trainer.models import registry
from trainer.models.registry import Model
from trainer.models.retrieval.base import RetrievalModel
from trainer.settings import TrainingSettings
from trainer.training.loop import Fitting
from trainer.training.temperature import Choice, train_at_the_best
from trainer.training.validation import Validator

_VALIDATED_USERS = 64


class Retrieval(Family):
    """Item retrieval; the temperature is a choice among candidates."""

    name = RetrievalModel.family

    def validator(self, model: Any) -> Validator:
        """Ranking metrics of held-out users."""
        return Validator(model)

    def datasets(
        self,
        train_files: Sequence[str],
        valid_files: Sequence[str],
        spec: Mapping[str, Any],
        settings: TrainingSettings,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        """Windows of histories, and the held-out users' whole histories."""
        users = settings.sampling == "users"
        return (
            training_dataset(train_files, spec, settings.batch_size, settings.seed, settings.all_prefixes, users),
            evaluation_dataset(valid_files, spec, _VALIDATED_USERS),
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
        """The configured model, at the temperature given."""
        section = config["model"]
        chosen = {} if temperature is None else {"temperature": temperature}
        model: Any = registry.get(section["name"])
        built: Model = model(
            registry.settings_class(section["name"])(**{**section, **chosen}),
            catalogue,
            max_history,
            profile,
            num_negatives=settings.num_negatives,
            seed=settings.seed,
        )
        return built

    def train(
        self,
        section: Mapping[str, Any],
        fitting_of: Callable[[float | None, str], Fitting],
        settings: TrainingSettings,
    ) -> tuple[Fitting, Choice | None]:
        """Trains at the best of the model's temperatures."""
        given: Any = registry.settings_class(section["name"])(**section)
        several = len(given.temperatures) > 1
        return train_at_the_best(
            lambda temperature: fitting_of(temperature, f"temperature-{temperature:g}" if several else ""),
            given.temperatures,
            settings,
            given.name,
        )

    def choose(self, model: Any, validation: tf.data.Dataset) -> dict[str, float]:
        """What the model chooses on the validation users."""
        validator = self.validator(model)
        users = sum(int(batch[schema.HISTORY].shape[0]) for batch in validation)
        chosen: dict[str, float] = model.choose_after_training(
            lambda: validator.evaluate(validation)[validator.watched], users, validator.title
        )
        return chosen

    def save(
        self,
        model: Any,
        catalogue: Catalogue,
        transform: tft.TFTransformOutput,
        config: Mapping[str, Any],
        directory: str,
    ) -> None:
        """See :func:`trainer.export.retrieval.save`."""
        features, attributes = config.get("user_features", {}), config.get("item_attributes", [])
        evaluated = config.get("evaluation_filter", {})
        export.save(model, catalogue, transform, features, directory, attributes, evaluated)
