"""Settings of ingestion, data validation and evaluation."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trainer.data.schema import CATEGORY
from trainer.settings import Settings


class InteractionColumns(Settings):
    """Names of the columns of the interaction log."""

    user: str = Field("user_id", description="Column of the user ids.")
    item: str = Field("item_id", description="Column of the item ids.")
    timestamp: str = Field("timestamp", description="Column of the event times.")


class ItemColumns(Settings):
    """Names of the columns of the item table; an unset one is not read."""

    item: str = Field("item_id", description="Column of the item ids.")
    category: str | None = Field(None, description="Column of the categories; a cell may be a list.")
    category_separator: str | None = Field(
        None, description="Separator inside a category's text, such as | in Comedy|Drama; lists need none."
    )
    tags: str | None = Field(
        None, description="Column of the tags that profile models describe users by; required with data.labels."
    )
    tag_separator: str | None = Field(None, description="Separator inside a tag's text, such as | in Comedy|Drama.")
    title: str | None = Field(None, description="Column of the titles.")
    text: str | None = Field(None, description="Column of the texts that the section text encodes.")
    attributes: list[Annotated[str, Field(pattern=r"^[^=]+$")]] = Field(
        default_factory=list,
        description="Columns besides the category that requests may filter by, such as in_stock; a cell may be a list.",
    )
    attribute_separator: str | None = Field(
        None, description="Separator inside an attribute's text, such as | in red|blue."
    )

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

    column: str | None = Field(None, description="Column of the log; without one, every row is positive.")
    at_least: float = Field(
        1.0, description="Smallest positive value; true counts as 1, and a missing value means unknown."
    )
    among: str | None = Field(None, description="Earlier label: this one counts only where that one is positive.")


class UserColumns(Settings):
    """Names of the columns of the user table, and the profile features with their kinds."""

    user: str = Field("user_id", description="Column of the user ids.")
    features: dict[str, Literal["categorical", "numeric"]] = Field(
        default_factory=dict, description="Profile features: column name and kind."
    )


class SplitSettings(Settings):
    """How users or events are divided (PROTOCOLS: ComiRec's users, SINE's last items)."""

    method: Literal["user_hash", "leave_last_out"] = Field(
        "user_hash", description="Split by user (user_hash), or hold out each user's last items (leave_last_out)."
    )
    train: int = Field(8, ge=1, description="user_hash: share of training users, relative to valid and test.")
    valid: int = Field(1, ge=1, description="user_hash: share of validation users.")
    test: int = Field(1, ge=1, description="user_hash: share of test users.")
    history_fraction: float = Field(
        0.8, gt=0, lt=1, description="user_hash: leading fraction of a held-out sequence given as history."
    )
    seed: int = Field(0, description="user_hash: seed of the hash that assigns users to splits.")


class DataSettings(Settings):
    """The interaction log and its optional tables. Relative paths start at ``directory``."""

    directory: str = Field(".", description="Folder that the relative paths of this section start at.")
    interactions: str = Field(description="Interaction log: a CSV or Parquet file, or a folder of them.")
    items: str | None = Field(None, description="Table of items, by id.")
    users: str | None = Field(None, description="Table of users, by id.")
    columns: InteractionColumns = Field(InteractionColumns(), description="Columns of the log.")
    item_columns: ItemColumns = Field(ItemColumns(), description="Columns of the item table.")
    user_columns: UserColumns = Field(UserColumns(), description="Columns of the user table.")
    labels: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], LabelColumn] = Field(
        default_factory=dict,
        description="Labels by task, in the order of the chain (click, conversion). With any, the log's rows are "
        "impressions.",
    )
    time_unit: Literal["auto", "s", "ms", "us", "ns", "spreadsheet"] = Field(
        "auto", description="Unit of numeric times: auto goes by their size; spreadsheet is days since 1899-12-30."
    )
    drop_null_like_ids: bool = Field(False, description="Treat rows with an id such as nan, None or null as bad.")
    drop_repeats_within: float | None = Field(
        None,
        ge=0,
        description="Drop an event if the previous one of the same user and item is at most this many seconds older; "
        "0 drops rows equal in user, item and time, null none.",
    )
    max_user_events: int | None = Field(
        1000, ge=2, description="Keep a user's latest events only, so that bots do not dominate; null keeps all."
    )
    sampled_impressions: int = Field(
        0,
        ge=0,
        description="With labels: items sampled per row as shown but not taken, for logs of positives only.",
    )
    sampled_by: Literal["frequency", "uniform"] = Field(
        "frequency",
        description="Distribution of the sampled impressions: by item frequency, which hides popularity from the "
        "model, or uniform, which teaches it.",
    )
    min_item_count: int = Field(5, ge=1, description="Drop items with fewer interactions, in one pass.")
    min_user_count: int = Field(5, ge=2, description="Then drop users with fewer remaining interactions.")
    min_history: int = Field(
        1, ge=0, description="Items that precede a training target, at least; 0 is allowed with labels only."
    )
    window_overlap: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Fraction shared by neighbouring training windows. Near 1, late targets see the full history that "
        "serving sees, at fewer targets per window.",
    )
    split: SplitSettings = Field(SplitSettings(), description="Train, validation and test.")
    max_bad_rows: float = Field(
        0.01, ge=0, le=1, description="Fraction of bad rows that may be dropped; with more, the data is refused."
    )

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

    directory: str = Field(".", description="Folder that the relative paths of this domain start at.")
    interactions: str = Field(description="Interaction log: a CSV or Parquet file, or a folder of them.")
    items: str = Field(description="Table of items, by id.")
    columns: InteractionColumns = Field(InteractionColumns(), description="Columns of the log.")
    item_columns: ItemColumns = Field(ItemColumns(), description="Columns of the item table.")


MERGED_TABLES: dict[str, Any] = {
    "interactions": "interactions.parquet",
    "items": "items.parquet",
    "item_columns": {"category": "category", "title": "title", "text": "text"},
}
"""The part of a DataSettings that says where components/ingestion/domains.py puts the tables of all domains."""


class TextSettings(Settings):
    """How the items' texts become vectors (components/text); without this section they do not."""

    encoder: Literal["tfidf", "transformer"] = Field(
        "tfidf", description="TF-IDF with a truncated SVD, or a language model (pip install 'polyrec[text]')."
    )
    fields: list[Literal["text", "title", "category"]] | None = Field(
        None, min_length=1, description="Item columns joined to one text; by default text, or title if there is none."
    )
    dimension: int = Field(128, ge=1, description="tfidf: width E of a vector; smaller if there are fewer words.")
    max_words: int = Field(50_000, ge=1, description="tfidf: vocabulary size; the most frequent words are kept.")
    min_items: int = Field(2, ge=1, description="tfidf: number of texts that a word must occur in.")
    seed: int = Field(1, description="tfidf: seed of the SVD.")
    model: str | None = Field(
        None, description="transformer: folder of the model, or its name on the Hugging Face hub; required."
    )
    revision: str = Field("main", description="transformer: revision of a model on the hub.")
    pooling: Literal["mean", "cls"] = Field("mean", description="transformer: mean over the tokens, or the first one.")
    max_tokens: int = Field(64, ge=3, description="transformer: tokens per text; longer texts are truncated.")
    batch_size: int = Field(64, ge=1, description="transformer: texts per batch.")
    cache: str | None = Field(
        None, description="transformer: folder of encoded texts; by default ROOT/text_cache, shared by its pipelines."
    )

    @model_validator(mode="after")
    def _a_transformer_has_a_model(self) -> "TextSettings":
        if self.encoder == "transformer" and not self.model:
            raise ValueError("encoder: transformer needs model, a folder or a name on the Hugging Face hub.")
        return self


class ValidationSettings(Settings):
    """Statistics, schema and drift (StatisticsGen, SchemaGen, ExampleValidator)."""

    schema_path: str | None = Field(
        None, description="Curated schema (text proto); without one, the schema is inferred from all splits."
    )
    statistics_sample_rate: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Fraction of the examples used for statistics, sampled in batches of a thousand or more.",
    )
    max_drift: float | None = Field(
        0.3,
        gt=0,
        description="Largest distance to the statistics accepted last: Jensen-Shannon, and L-infinity for text. Null "
        "turns the check off.",
    )


class EvaluationSettings(Settings):
    """The Evaluator's gates, on the test split (components/evaluation/retrieval.py,
    components/evaluation/tag_profiles.py)."""

    thresholds: dict[str, float] = Field(
        default_factory=dict,
        description="Minimum of each metric on the test split; the maximum where lower is better.",
    )
    max_regression: float | None = Field(
        0.05, ge=0, description="Largest relative loss of gate_metric against the model blessed last; null: no limit."
    )
    gate_metric: str | None = Field(
        None, description="Metric of max_regression; by default recall_at_50, or the AUC of the first task."
    )
    baseline: bool = Field(True, description="Train a two-tower on the same features beside the model, for comparison.")
    allow: list[str] = Field(
        default_factory=list,
        description="Filter, attribute=value as in a request: compute the metrics a second time under it (_filtered).",
    )
    deny: list[str] = Field(
        default_factory=list, description="The same for items that are never recommended, attribute=value."
    )
