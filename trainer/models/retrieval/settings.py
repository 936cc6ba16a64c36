"""Settings shared by the retrieval models."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from trainer.settings import Settings

AUTO: Literal["auto"] = "auto"
TEMPERATURES = (0.1, 0.15)
"""Of cosines: those that ``temperature: auto`` tries, the one that won more often last."""


def _temperature(value: Any) -> Any:
    # One message instead of one for each member of a union.
    if value != AUTO:
        try:
            good = not isinstance(value, bool) and 0 < float(value) < float("inf")
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f"should be auto or a number above 0. Received: {value!r}.")
    return value


Temperature = Annotated[float | Literal["auto"], BeforeValidator(_temperature)]


class ModelSettings(Settings):
    """Settings shared by the retrieval models."""

    name: str = Field(description="Name of the model; `polyrec models` lists them.")
    dimension: int = Field(64, ge=1, description="D: width of item vectors and interests.")
    num_interests: int = Field(4, ge=1, description="K: number of interests per user, at most.")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="Dropout of the history's item vectors; try 0.4 on sparse logs."
    )
    recency: bool = Field(True, description="Learned weight of a history item by how many items ago it was.")
    context_layers: int = Field(0, ge=0, description="Causal Transformer layers over the history.")
    time_decay: bool = Field(False, description="Learned weight by how long ago it was; needs timestamps in seconds.")
    residual_projection: bool = Field(
        True, description="Project interests with a residual layer, so they can leave the hull of the items."
    )
    use_category: bool = Field(False, description="Add the mean embedding of an item's categories to its vector.")
    profile_dimension: int = Field(16, ge=1, description="Embedding width of each categorical profile feature.")
    read_out: Literal["max", "mixture", "hard", "soft"] = Field(
        "mixture", description="How the K interests score a candidate in training."
    )
    ranking: Literal["max", "log_sum_exp"] = Field(
        "max",
        description="How the K interests score an item in validation, evaluation and serving; log_sum_exp scores as "
        "read_out: mixture trains.",
    )
    label_power: float = Field(2.0, ge=0, description="Exponent of the soft read-out; .inf is the hard one.")
    item_fields: Literal["sum", "mean"] = Field(
        "sum", description="With use_category: add the categories to the item's embedding, or average the two (MIND)."
    )
    routing_variance_form: Literal["variance", "released"] = Field(
        "variance",
        description="routing_variance over the items of a prefix, or as REMI's code scales it: over all T, by 1 / D.",
    )
    negatives: Literal["log_uniform", "uniform", "in_batch", "in_batch_plain", "all"] = Field(
        "log_uniform",
        description="Source of the training.num_negatives negatives. in_batch corrects for duplicate and frequent "
        "targets (logQ), in_batch_plain does not.",
    )
    split_negatives: bool = Field(
        False, description="mixture of unit vectors: give each interest its own part of the sampled negatives."
    )
    temperature: Temperature = Field(
        AUTO,
        description="Divisor of the scores in the loss, above 0. auto: for cosines the better of 0.1 and 0.15 on "
        "validation users, for inner products 1.",
    )
    normalize: bool = Field(True, description="L2-normalise vectors, so that scores are cosines.")
    disagreement: float = Field(0.0, ge=0, description="Weight of the penalty on similar interests (mean cosine).")
    hardness: float = Field(
        0.0, ge=0, description="beta of REMI's interest-aware hard negatives; needs negatives: uniform."
    )
    routing_variance: float = Field(
        0.0, ge=0, description="Weight of REMI's routing regulariser, against interests that cling to one item."
    )

    @property
    def temperatures(self) -> tuple[float, ...]:
        """What to choose from, the first guess last: one number, unless it is ``auto`` and scores are cosines."""
        if self.temperature != AUTO:
            return (float(self.temperature),)
        return TEMPERATURES if self.normalize else (1.0,)

    def most_interests(self, max_history: int) -> int | None:
        """How many different interests a history can have; None where it sets no bound.

        Each interest is made of items of the history, so that more of them than items repeat each other.

        Args:
          max_history: T.
        """
        return max_history
