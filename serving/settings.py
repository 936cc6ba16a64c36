"""Settings of the index and of the server."""

from typing import Literal

from pydantic import Field

from trainer.settings import Settings


class IndexSettings(Settings):
    """How the catalogue is searched (serving/index). Unset numbers follow from the catalogue's size."""

    kind: Literal["scann", "exact"] = Field("scann", description="Index that polyrec's server searches with.")
    num_leaves: int | None = Field(
        None,
        ge=1,
        description="Number of partitions. By default it follows from the catalogue's size; below 5,000 items, all are "
        "scored.",
    )
    leaves_to_search: int | None = Field(
        None, ge=1, description="Partitions searched per interest; by default from the catalogue's size."
    )
    reorder: int | None = Field(
        None,
        ge=1,
        description="Candidates per interest that are rescored, with eight bits per coordinate; by default from the "
        "catalogue's size.",
    )
    target_recall: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Recall against exact search, such as 0.995: tune leaves_to_search and reorder to it on validation "
        "users.",
    )
    dimensions_per_block: int = Field(2, ge=1, description="Coordinates quantised together by ScaNN.")
    exact_chunk: int = Field(65_536, ge=1, description="Items that the exact index scores at a time.")
    max_k: int = Field(1000, ge=1, description="Largest k of a request.")


class ServingSettings(Settings):
    """Where a model is pushed and how it is answered."""

    directory: str = Field("served", description="Base folder; models are pushed to DIRECTORY/MODEL_NAME/VERSION.")
    model_name: str = Field("polyrec", pattern=r"^[A-Za-z0-9_.-]+$", description="Name that clients ask for.")
    default_k: int = Field(
        20, ge=1, description="Length of serving_default's lists, and of those of validation and index tuning."
    )
    min_ann_recall: float = Field(
        0.95, ge=0, le=1, description="Validation: minimum recall of the index against exact search."
    )
    score_tolerance: float = Field(
        1e-3, gt=0, description="Validation: largest difference between a served score and the trained model's."
    )
    validation_users: int = Field(64, ge=1, description="Validation: number of users queried.")
    max_latency_ms: float | None = Field(
        None, gt=0, description="Validation: largest median latency of a query, in milliseconds; null: no limit."
    )
