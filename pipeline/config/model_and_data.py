"""Checks that the model can learn from the configured data."""

from collections.abc import Sequence
from typing import Any

from components.settings import DataSettings, EvaluationSettings
from trainer.data.schema import CATEGORY
from trainer.errors import InputError
from trainer.ranking.filter_names import check_filter


def check_model_and_data(
    model: Any, kind: str, data: DataSettings, evaluation: EvaluationSettings, profile_models: Sequence[str]
) -> None:
    """Refuses what ingestion would prepare for nobody.

    Args:
      model: the model's settings.
      kind: ``retrieval`` or ``profile``.
      data: the section of the data.
      evaluation: the section of the evaluation.
      profile_models: the names of the models of that kind.

    Raises:
      InputError: a filter by an attribute that items have not, or for a model that recommends none; labels for a model
        that has no use of them; a profile model without labels, tags or anything known of a user, or with settings that
        name other tasks than the labels.
    """
    if kind == "retrieval":
        if data.labels:
            raise InputError(
                f"data.labels are set, and model.name: {model.name} learns from what users took, not from labels. "
                f"Leave data.labels out, or take a model of profiles: {', '.join(profile_models)}."
            )
        columns = data.item_columns
        attributes = [*columns.attributes, *([CATEGORY] if columns.category else [])] if data.items else []
        check_filter({"allow": evaluation.allow, "deny": evaluation.deny}, attributes)
        return
    model.trained(list(data.labels))
    filters = {
        "data.item_columns.attributes": data.item_columns.attributes,
        "evaluation.allow": evaluation.allow,
        "evaluation.deny": evaluation.deny,
    }
    for key, value in filters.items():
        if value:
            raise InputError(f"{key} filters recommended items, and model.name: {model.name} recommends none.")
    if data.items is None or data.item_columns.tags is None:
        missing = "data.items" if data.items is None else "data.item_columns.tags"
        raise InputError(
            f"{missing} is not set: model.name: {model.name} describes users by the tags of items. Give the table of "
            "items and its column of tags."
        )
    if not model.history_fields and not data.user_columns.features:
        raise InputError(
            "model.history_fields is empty and data.user_columns.features names no feature: nothing is known of a "
            "user. Give one of them."
        )
