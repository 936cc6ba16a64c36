"""Settings of the transformation and of training, and the base class of every settings section."""

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


class TransformSettings(Settings):
    """How raw examples become tensors (trainer/preprocessing.py)."""

    max_history: int = Field(50, ge=1, le=10_000, description="T: the last T known items of a history are kept.")


class TrainingSettings(Settings):
    """The training loop (trainer/fitting.py). One step is one batch of windows, all prefixes at once."""

    batch_size: int = Field(64, ge=1, description="Windows in a batch.")
    all_prefixes: bool = Field(True, description="Train every prefix of a window in one pass; false: one prefix a row.")
    sampling: Literal["targets", "users"] = Field(
        "targets", description="Whether every target counts alike, or every user, however long the history."
    )
    max_steps: int = Field(10_000, ge=1, description="The most; validation ends training before it.")
    evaluate_every: int = Field(100, ge=1, description="Steps between two validations.")
    trial_steps: int | None = Field(
        None, ge=1, description="temperature: auto: steps after which only the best goes on; null: all go to the end."
    )
    patience: int = Field(10, ge=1, description="Validations without a better Recall@50 before the rate falls.")
    optimizer: Literal["lazy_adam", "adam"] = Field(
        "lazy_adam", description="lazy_adam: moments of rows that a batch has not stay; adam: they decay, as published."
    )
    learning_rate: float = Field(2e-3, gt=0)
    schedule: Literal["plateau", "constant", "cosine"] = Field(
        "plateau", description="plateau: constant until validation stalls, then linearly to zero from the best weights."
    )
    warmup_steps: int = Field(50, ge=0)
    cool_down: float = Field(
        0.25, gt=0, le=1, description="plateau: how long the rate falls, as a part of the steps before."
    )
    clip_norm: float | None = Field(None, gt=0, description="Global norm of the gradients.")
    mixed_precision: Precision = Field(
        "none", description="What the encoders compute in; weights, scores, losses and exports stay float32."
    )
    num_negatives: int = Field(1280, ge=1, description="Sampled negatives shared by a batch.")
    seed: int = Field(1, ge=0, lt=2**32)
