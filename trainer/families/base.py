"""What training asks of a family of models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data.catalogue import Catalogue
from trainer.models.registry import Model
from trainer.settings import TrainingSettings
from trainer.training.loop import Fitting, Validation
from trainer.training.temperature import Choice


class Family(ABC):
    """Models that learn from the same examples, are validated alike and are saved alike.

    Attributes:
      name: what a model's class calls it (``family``).
    """

    name: ClassVar[str]

    @abstractmethod
    def validator(self, model: Any) -> Validation:
        """What training watches of a built model."""

    @abstractmethod
    def datasets(
        self,
        train_files: Sequence[str],
        valid_files: Sequence[str],
        spec: Mapping[str, Any],
        settings: TrainingSettings,
    ) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        """Batches to train on and to validate with.

        Args:
          train_files: transformed examples of the training split.
          valid_files: of the validation split.
          spec: features of a transformed example.
          settings: the training section.
        """

    @abstractmethod
    def build(
        self,
        config: Mapping[str, Any],
        catalogue: Catalogue,
        max_history: int,
        profile: Mapping[str, int | None],
        settings: TrainingSettings,
        temperature: float | None = None,
    ) -> Model:
        """The configured model.

        Args:
          config: see trainer.run_fn.FnArgs.
          catalogue: the items.
          max_history: T.
          profile: transformed profile feature -> number of values (categorical) or None (numeric).
          settings: the training section.
          temperature: in place of the configured one; None for the configured one.
        """

    def train(
        self,
        section: Mapping[str, Any],
        fitting_of: Callable[[float | None, str], Fitting],
        settings: TrainingSettings,
    ) -> tuple[Fitting, Choice | None]:
        """Trains to the end.

        Args:
          section: the model's section of the configuration.
          fitting_of: a training at a temperature, in a subfolder; None and "" where there is nothing to choose.
          settings: the training section.

        Returns:
          the training, done but for ``finish``, and the choice of a temperature, if there was one.
        """
        fitting = fitting_of(None, "")
        fitting.run()
        return fitting, None

    def choose(self, model: Any, validation: tf.data.Dataset) -> dict[str, float]:
        """What the trained model chooses on the validation examples: name -> value; nothing by default."""
        return {}

    @abstractmethod
    def save(
        self,
        model: Any,
        catalogue: Catalogue,
        transform: tft.TFTransformOutput,
        config: Mapping[str, Any],
        directory: str,
    ) -> None:
        """Writes the SavedModel and its description.

        Args:
          model: trained and built.
          catalogue: the items it was trained on.
          transform: the output of TFX's Transform.
          config: see trainer.run_fn.FnArgs.
          directory: where to; made if missing.
        """
