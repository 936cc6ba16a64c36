"""Settings of the index and of the server."""

from typing import Literal

from pydantic import Field

from trainer.settings import Settings


class IndexSettings(Settings):
    """How the catalogue is searched (serving/index). Unset numbers follow from the catalogue's size."""

    kind: Literal["scann", "exact"] = Field("scann", description="What polyrec's server searches with.")
    num_leaves: int | None = Field(None, ge=1)
    leaves_to_search: int | None = Field(None, ge=1)
    reorder: int | None = Field(
        None, ge=1, description="Candidates of an interest scored again, with eight bits a coordinate instead of two."
    )
    target_recall: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Finds leaves_to_search and reorder on users of the split valid, for this part of the exact list.",
    )
    dimensions_per_block: int = Field(2, ge=1)
    exact_chunk: int = Field(65_536, ge=1, description="Items scored at a time by the exact index.")
    max_k: int = Field(1000, ge=1, description="Largest k a request can ask for.")


class ServingSettings(Settings):
    """Where a model is pushed and how it is answered."""

    directory: str = Field("served", description="Base folder: DIRECTORY/MODEL_NAME/VERSION.")
    model_name: str = Field("polyrec", pattern=r"^[A-Za-z0-9_.-]+$")
    default_k: int = Field(20, ge=1)
    min_ann_recall: float = Field(0.95, ge=0, le=1, description="Least recall of the index against exact search.")
    score_tolerance: float = Field(1e-3, gt=0, description="Largest difference between a served and a trained score.")
    validation_users: int = Field(64, ge=1)
    max_latency_ms: float | None = Field(None, gt=0, description="Largest median latency of one query.")
