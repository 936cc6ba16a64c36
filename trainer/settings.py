"""Settings of Transform and training, and the base class of all settings sections."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Precision = Literal["none", "float16", "bfloat16"]


class Settings(BaseModel):
    """A section of the configuration: unknown keys are errors, values cannot be reassigned."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def first_problem(error: Exception) -> str:
    """An error of reading settings in one line: of pydantic's, the first."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    where, words = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"{where}: {words}" if where else words


def given(settings: Settings, *names: str) -> list[str]:
    """Those of the settings that somebody has set to anything but their default."""
    return [
        name
        for name in names
        if name in settings.model_fields_set and getattr(settings, name) != type(settings).model_fields[name].default
    ]


class TransformSettings(Settings):
    """How raw examples become tensors (trainer/data/preprocessing.py)."""

    max_history: int = Field(50, ge=1, le=10_000, description="T: keep the last T known items of a history.")


class TrainingSettings(Settings):
    """The training loop (trainer/training/loop.py). One step is one batch of windows, all prefixes at once."""

    batch_size: int = Field(64, ge=1, description="Windows in a batch.")
    all_prefixes: bool = Field(
        True, description="Train every prefix of a window in one pass; otherwise one prefix per row."
    )
    sampling: Literal["targets", "users"] = Field(
        "targets",
        description="What training draws uniformly: targets, or users whatever the length of their history. A user's "
        "targets always count alike.",
    )
    max_steps: int = Field(
        10_000, ge=1, description="Maximum number of steps; validation usually ends training earlier."
    )
    evaluate_every: int = Field(100, ge=1, description="Steps between validations.")
    trial_steps: int | None = Field(
        None,
        ge=1,
        description="model.temperature: auto: steps after which only the best candidate goes on; null trains all to "
        "the end.",
    )
    patience: int = Field(
        10,
        ge=1,
        description="Validations without a better Recall@50 before training ends: with plateau, by cooling down.",
    )
    optimizer: Literal["lazy_adam", "adam"] = Field(
        "lazy_adam",
        description="lazy_adam updates only the embedding rows in the batch; adam is dense: all moments decay at every "
        "step, as in the papers.",
    )
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate.")
    schedule: Literal["plateau", "constant", "cosine"] = Field(
        "plateau",
        description="plateau: constant until validation stalls, then linear to zero from the best weights; cosine: to "
        "zero at max_steps.",
    )
    warmup_steps: int = Field(50, ge=0, description="Steps of linear warm-up.")
    cool_down: float = Field(
        0.25, gt=0, le=1, description="plateau: length of the cool-down, as a fraction of the steps before it."
    )
    clip_norm: float | None = Field(None, gt=0, description="Clip gradients to this global norm; null: no clipping.")
    mixed_precision: Precision = Field(
        "none", description="Compute type of the encoders; weights, scores, losses and exports stay float32."
    )
    num_negatives: int = Field(1280, ge=1, description="Sampled negatives, shared by a batch.")
    seed: int = Field(1, ge=0, lt=2**32, description="Seed of initialisation, shuffling and sampling.")
