"""Settings of ingestion, of data validation and of evaluation."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trainer.schema import CATEGORY
from trainer.settings import Settings


class InteractionColumns(Settings):
    """Names of the columns of the interaction log."""

    user: str = "user_id"
    item: str = "item_id"
    timestamp: str = "timestamp"


class ItemColumns(Settings):
    """Names of the columns of the item table; an unset one is not read."""

    item: str = "item_id"
    category: str | None = None
    category_separator: str | None = Field(None, description="Divides a category's text, such as Comedy|Drama.")
    tags: str | None = Field(None, description="For models of profiles: what users are to be described by.")
    tag_separator: str | None = Field(None, description="Divides a tag column's text, such as Comedy|Drama.")
    title: str | None = None
    text: str | None = None
    attributes: list[Annotated[str, Field(pattern=r"^[^=]+$")]] = Field(
        default_factory=list,
        description="Columns that a request may filter by, such as in_stock; a cell may be a list. Categories always.",
    )
    attribute_separator: str | None = Field(None, description="Divides an attribute's text, such as red|blue.")

    @model_validator(mode="after")
    def _attributes_have_names_of_their_own(self) -> "ItemColumns":
        doubled = sorted({name for name in self.attributes if self.attributes.count(name) > 1})
        if doubled:
            raise ValueError(f"attributes: {doubled[0]!r} is named twice.")
        if CATEGORY in self.attributes:
            raise ValueError(
                f"attributes: requests filter by {CATEGORY!r} anyway, that of item_columns.category. Leave it out here."
            )
        return self


class LabelColumn(Settings):
    """What a user did with an item that was shown; one task of a profile model."""

    column: str | None = Field(None, description="Of the log; without one every row of the log is positive.")
    at_least: float = Field(
        1.0, description="Values from this one on are positive; true is 1. An absent value: unknown."
    )
    among: str | None = Field(None, description="An earlier label: the label counts only where that one is positive.")


class UserColumns(Settings):
    """Names of the columns of the user table, and the profile features with their kinds."""

    user: str = "user_id"
    features: dict[str, Literal["categorical", "numeric"]] = Field(default_factory=dict)


class SplitSettings(Settings):
    """How users or events are divided (PROTOCOLS: ComiRec's users, SINE's last items)."""

    method: Literal["user_hash", "leave_last_out"] = "user_hash"
    train: int = Field(8, ge=1)
    valid: int = Field(1, ge=1)
    test: int = Field(1, ge=1)
    history_fraction: float = Field(0.8, gt=0, lt=1, description="user_hash: the part of an evaluated sequence given.")
    seed: int = 0


class DataSettings(Settings):
    """The interaction log and its optional tables. Relative paths start at ``directory``."""

    directory: str = "."
    interactions: str
    items: str | None = None
    users: str | None = None
    columns: InteractionColumns = InteractionColumns()
    item_columns: ItemColumns = ItemColumns()
    user_columns: UserColumns = UserColumns()
    labels: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], LabelColumn] = Field(
        default_factory=dict,
        description="Task -> label, in the order of the chain (click, conversion); rows of the log are impressions.",
    )
    time_unit: Literal["auto", "s", "ms", "us", "ns", "spreadsheet"] = Field(
        "auto", description="Of times that are numbers: by their size; given; or days since 1899-12-30."
    )
    drop_null_like_ids: bool = Field(False, description="Whether rows with an id such as nan, None or null are bad.")
    drop_repeats_within: float | None = Field(
        None,
        ge=0,
        description="Seconds: a row goes if the one before of the same user and item is no older; 0 drops equal rows.",
    )
    max_user_events: int | None = Field(
        1000, ge=2, description="Of a user with more, the latest are kept: one robot outweighs a thousand users."
    )
    sampled_impressions: int = Field(
        0,
        ge=0,
        description="With labels: items drawn for each row of the log as shown and left, for a log without any.",
    )
    sampled_by: Literal["frequency", "uniform"] = Field(
        "frequency", description="How they are drawn: by frequency, popularity teaches nothing; uniformly, it does."
    )
    min_item_count: int = Field(5, ge=1, description="Items with fewer interactions are dropped, in one pass.")
    min_user_count: int = Field(5, ge=2, description="Then users with fewer kept interactions are dropped.")
    min_history: int = Field(
        1, ge=0, description="A training target is preceded by at least so many items; 0 only with labels."
    )
    window_overlap: float = Field(0.5, ge=0, lt=1, description="Part of a training window shared with the one before.")
    split: SplitSettings = SplitSettings()
    max_bad_rows: float = Field(0.01, ge=0, le=1, description="Largest part of bad rows that is dropped, not refused.")

    @model_validator(mode="after")
    def _features_need_a_table(self) -> "DataSettings":
        if self.user_columns.features and self.users is None:
            raise ValueError("user_columns.features are set but data.users is not: give the table of users.")
        return self

    @model_validator(mode="after")
    def _labels_make_a_chain(self) -> "DataSettings":
        earlier: list[str] = []
        for task, label in self.labels.items():
            if label.among is not None and label.among not in earlier:
                raise ValueError(
                    f"labels.{task}.among is {label.among!r}: it should be one of the labels before it "
                    f"({', '.join(earlier) or 'there is none'})."
                )
            earlier.append(task)
        if not self.labels and self.sampled_impressions:
            raise ValueError("sampled_impressions are set but labels are not: name at least one label.")
        if not self.labels and self.min_history < 1:
            raise ValueError("min_history should be at least 1: without labels a target follows a history.")
        return self


class DomainSettings(Settings):
    """One of several logs of pre-training, with its own tables: no user or item is in two domains."""

    directory: str = "."
    interactions: str
    items: str
    columns: InteractionColumns = InteractionColumns()
    item_columns: ItemColumns = ItemColumns()


MERGED_TABLES: dict[str, Any] = {
    "interactions": "interactions.parquet",
    "items": "items.parquet",
    "item_columns": {"category": "category", "title": "title", "text": "text"},
}
"""The part of a DataSettings that says where components/ingestion/domains.py puts the tables of all domains."""


class TextSettings(Settings):
    """How the items' texts become vectors (components/text); without this section they do not."""

    encoder: Literal["tfidf", "transformer"] = Field("tfidf", description="Words and their SVD, or a language model.")
    fields: list[Literal["text", "title", "category"]] | None = Field(
        None, min_length=1, description="What is joined to an item's text; by default text, or title without one."
    )
    dimension: int = Field(128, ge=1, description="tfidf: E, width of a vector; less where there are fewer words.")
    max_words: int = Field(50_000, ge=1, description="tfidf: the most frequent words that count.")
    min_items: int = Field(2, ge=1, description="tfidf: a word counts from so many texts on.")
    seed: int = Field(1, description="tfidf: of the SVD.")
    model: str | None = Field(None, description="transformer: a folder, or a name on the Hugging Face hub.")
    revision: str = Field("main", description="transformer: of a model on the hub.")
    pooling: Literal["mean", "cls"] = Field("mean", description="transformer: mean of the tokens, or the first one.")
    max_tokens: int = Field(64, ge=3, description="transformer: a longer text is cut.")
    batch_size: int = Field(64, ge=1, description="transformer: texts encoded at once, at most.")
    cache: str | None = Field(None, description="transformer: folder of encoded texts; by default ROOT/text_cache.")

    @model_validator(mode="after")
    def _a_transformer_has_a_model(self) -> "TextSettings":
        if self.encoder == "transformer" and not self.model:
            raise ValueError("encoder: transformer needs model, a folder or a name on the Hugging Face hub.")
        return self


class ValidationSettings(Settings):
    """Statistics, schema and drift (StatisticsGen, SchemaGen, ExampleValidator)."""

    schema_path: str | None = Field(None, description="A curated schema (text proto) used instead of an inferred one.")
    statistics_sample_rate: float = Field(1.0, gt=0, le=1)
    max_drift: float | None = Field(
        0.3,
        gt=0,
        description="Largest distance (Jensen-Shannon; L-infinity as well for text) to the statistics accepted last.",
    )


class EvaluationSettings(Settings):
    """The Evaluator's gates, on the test split (components/evaluation.py, components/profile_evaluation.py)."""

    thresholds: dict[str, float] = Field(default_factory=dict, description="Metric -> least value.")
    max_regression: float | None = Field(0.05, ge=0, description="Largest relative loss against the blessed model.")
    gate_metric: str | None = Field(
        None, description="What may not lose; by default recall_at_50, or the AUC of the first task."
    )
    baseline: bool = Field(True, description="Train a two-tower of the same features and budget beside the model.")
    allow: list[str] = Field(
        default_factory=list,
        description="attribute=value, as requests have them: metrics once more, with the filter (`_filtered`).",
    )
    deny: list[str] = Field(default_factory=list, description="The same, of items that are never recommended.")
