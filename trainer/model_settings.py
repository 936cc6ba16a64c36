"""Settings that all models share."""

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
    """What all models can be told."""

    name: str
    dimension: int = Field(64, ge=1, description="D, width of item vectors and interests.")
    num_interests: int = Field(4, ge=1, description="K.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of components of the history's item vectors zeroed.")
    recency: bool = Field(True, description="Learned weight by how many items ago.")
    context_layers: int = Field(0, ge=0, description="Causal Transformer layers over the history's item vectors.")
    time_decay: bool = Field(False, description="Learned weight by how long ago; needs timestamps in seconds.")
    residual_projection: bool = Field(True, description="Let interests leave the hull of the item vectors.")
    use_category: bool = Field(False, description="Add the mean embedding of an item's categories to its vector.")
    profile_dimension: int = Field(16, ge=1, description="Width of each categorical profile feature.")
    read_out: Literal["max", "mixture", "hard", "soft"] = Field(
        "mixture", description="How K interests score a candidate while training."
    )
    label_power: float = Field(2.0, ge=0, description="Power of the soft read-out; .inf is the hard one.")
    item_fields: Literal["sum", "mean"] = Field(
        "sum", description="With use_category: add the categories to an item's embedding, or average the two (MIND)."
    )
    routing_variance_form: Literal["variance", "released"] = Field(
        "variance",
        description="Variance over the items of a prefix; or as REMI's code scales it, over all T, by 1 / D.",
    )
    negatives: Literal["log_uniform", "uniform", "in_batch", "in_batch_plain", "all"] = Field(
        "log_uniform",
        description="What a target is told apart from; training.num_negatives says how many. in_batch corrects for "
        "repeated and frequent targets, in_batch_plain does not.",
    )
    temperature: Temperature = Field(
        AUTO, description="Scores are divided by it in the loss; auto: of cosines, the better of 0.1 and 0.15; else 1."
    )
    normalize: bool = Field(True, description="Vectors of unit length: scores are cosines.")
    disagreement: float = Field(0.0, ge=0, description="Weight of the penalty on interests that are alike.")
    hardness: float = Field(0.0, ge=0, description="REMI's emphasis on hard negatives; with negatives: uniform.")
    routing_variance: float = Field(0.0, ge=0, description="REMI's weight against interests that cling to one item.")

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
