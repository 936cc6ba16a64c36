"""Checks of data and text settings that contradict each other; see pipeline/config/contradictions.py."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from components.settings import DataSettings, DomainSettings, InteractionColumns, ItemColumns
from trainer.data.schema import CATEGORY, user_feature
from trainer.errors import InputError
from trainer.settings import given

if TYPE_CHECKING:
    from pipeline.config.run import Config


_OF_METRICS = ("precision_at_", "popularity_")
"""What the names of other outputs of a profile model's ``evaluate`` begin with."""


def check_domain(name: str, domain: DomainSettings) -> None:
    """The same of the columns of one log of pre-training.

    Raises:
      InputError: two roles share a column.
    """
    key = f"domains.{name}"
    if found := [*_of_log(domain.columns, key), *_of_items(domain.item_columns, key)]:
        raise InputError("\n".join(found))


def columns(data: DataSettings) -> Iterator[str]:
    """Columns of two roles, or of names that a feature cannot have."""
    yield from _of_log(data.columns, "data")
    yield from _of_items(data.item_columns, "data")
    users, seen = data.user_columns, dict[str, str]()
    for name in users.features:
        try:
            # TensorFlow does not tell names of tensors apart by case.
            folded = user_feature(name).lower()
        except ValueError as error:
            yield f"data.user_columns.features: {error}"
            continue
        if name == users.user:
            yield (
                f"data.user_columns.features names {name!r}, which is data.user_columns.user: the id of a user says "
                "nothing of another one. Leave it out of the features."
            )
        if folded in seen:
            yield (
                f"data.user_columns.features names {seen[folded]!r} and {name!r}, which differ by case alone: "
                "TensorFlow takes them for one. Rename one of the columns."
            )
        seen[folded] = name


def _of_log(columns: InteractionColumns, key: str) -> Iterator[str]:
    yield from _shared({f"{key}.columns.{role}": name for role, name in columns.model_dump().items()})


def _of_items(items: ItemColumns, key: str) -> Iterator[str]:
    key += ".item_columns"
    for role in ("category", "tags", "title", "text"):
        if getattr(items, role) == items.item:
            yield (
                f"{key}.{role} is {items.item!r}, which is {key}.item, the id: every item would have its own. Name "
                f"another column, or leave {role} out."
            )
    if items.item in items.attributes:
        yield (
            f"{key}.attributes names {items.item!r}, which is {key}.item, the id. Requests exclude items by their ids "
            "without it: leave it out."
        )
    if items.title is not None and items.title == items.category:
        yield f"{key}.title and {key}.category are both {items.title!r}: leave out the one that it is not."
    for separator, role in (("category_separator", CATEGORY), ("tag_separator", "tags"), ("attribute_separator", "")):
        role = role or "attributes"
        value = getattr(items, separator)
        if value is not None and not getattr(items, role):
            yield f"{key}.{separator} is {value!r}, and {key}.{role} is not set. Set it, or leave the separator out."
        if value == "":
            yield f"{key}.{separator} is empty, which divides nothing. Give what stands between two values."


def _shared(columns: Mapping[str, str]) -> Iterator[str]:
    """Keys whose column is the same."""
    for name, count in Counter(columns.values()).items():
        if count > 1:
            keys = " and ".join(key for key, value in columns.items() if value == name)
            yield f"{keys} are both {name!r}: each role needs a column of its own. Name the right ones."


def labels(data: DataSettings) -> Iterator[str]:
    """Labels that are no labels, or twice the same."""
    roles = {name: role for role, name in data.columns.model_dump().items()}
    same: dict[tuple[Any, ...], str] = {}
    for task, label in data.labels.items():
        key = f"data.labels.{task}"
        if task.startswith(_OF_METRICS):
            yield f"{key} would be taken for a metric of all tasks ({', '.join(_OF_METRICS)}...). Name it otherwise."
        if label.column in roles:
            role = roles[str(label.column)]
            yield (
                f"{key}.column is {label.column!r}, which is data.columns.{role}: it says nothing of what a user did. "
                "Name the column of the label."
            )
        if label.column is None and given(label, "at_least"):
            yield f"{key}.at_least is {label.at_least:g}, and {key}.column is not set: there is nothing to compare."
        if label.column is None and not data.sampled_impressions:
            yield (
                f"{key} has no column, so that every row is positive, and data.sampled_impressions is 0, so that there "
                "is nothing to tell them from. Name the column, or set data.sampled_impressions."
            )
        what = (label.column, None if label.column is None else label.at_least, label.among)
        if what in same:
            yield f"{key} is the same as data.labels.{same[what]}: one task would be learnt twice. Leave one out."
        same.setdefault(what, task)
    if not data.sampled_impressions and given(data, "sampled_by"):
        yield f"data.sampled_by is {data.sampled_by}, and data.sampled_impressions is 0: none is drawn. Set both."


def text(config: "Config") -> Iterator[str]:
    """Texts that no column has, and settings of the other encoder."""
    section, items = config.text, config.data.item_columns
    if section is None:
        return
    if config.data.items is None:
        yield "text encodes the texts of items, and data.items is not set. Give the table, or leave the section out."
    elif section.fields is None and items.text is None and items.title is None:
        yield (
            "text encodes data.item_columns.text or .title, and neither is set. Set one, or name what to encode in "
            "text.fields."
        )
    for field in section.fields or ():
        if config.data.items is not None and getattr(items, field) is None:
            yield f"text.fields names {field}, and data.item_columns.{field} is not set. Set it, or leave {field} out."
    other = {
        "tfidf": ("model", "revision", "pooling", "max_tokens", "batch_size", "cache"),
        "transformer": ("dimension", "max_words", "min_items", "seed"),
    }
    for name in given(section, *other[section.encoder]):
        yield (
            f"text.{name} is {getattr(section, name)!r}, and text.encoder: {section.encoder} makes no use of it. "
            f"Leave it out, or set text.encoder: {'transformer' if section.encoder == 'tfidf' else 'tfidf'}."
        )
