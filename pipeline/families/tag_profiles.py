"""Models of tag profiles."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipeline.families.base import Column, Family
from trainer.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table
    from tensorflow_model_analysis.proto import config_pb2

    from pipeline.config.run import Config
    from pipeline.results.run_result import Metrics, RunResult


class TagProfiles(Family):
    """Tag profiles; the baseline has one bottom for all tasks."""

    name = "tag_profiles"
    purpose = "ranks tags"
    baseline = "shared_bottom"
    evaluation = "components.evaluation.tag_profiles"
    paired = False

    def check_data(self, config: "Config") -> None:
        """Refuses sampling of users, filters, and data without labels, tags or anything known of a user."""
        model: Any = config.model
        data, evaluation = config.data, config.evaluation
        if config.training.sampling == "users":
            raise InputError(
                f"training.sampling: users draws users of sequences, and model.name: {model.name} learns from "
                "impressions. Set it to targets."
            )
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
                f"{missing} is not set: model.name: {model.name} describes users by the tags of items. Give the table "
                "of items and its column of tags."
            )
        if not model.history_fields and not data.user_columns.features:
            raise InputError(
                "model.history_fields is empty and data.user_columns.features names no feature: nothing is known of a "
                "user. Give one of them."
            )

    def gates(self, config: "Config") -> tuple[str, ...]:
        """The AUC of each trained task, and Precision@k of the tags."""
        from components.evaluation.metric_names import AUC
        from trainer.metrics.tags import TAG_CUTOFFS

        model: Any = config.model
        trained = model.train_tasks or config.data.labels
        return (*(f"{AUC}_{task}" for task in trained), *(f"precision_at_{k}" for k in TAG_CUTOFFS))

    def eval_config(self, config: "Config", gated: bool) -> "config_pb2.EvalConfig":
        """See :func:`components.evaluation.tag_profiles.profile_eval_config`."""
        from components.evaluation.tag_profiles import profile_eval_config

        model: Any = config.model
        return profile_eval_config(config.evaluation, model.trained(list(config.data.labels)), gated)

    def headline(self, overall: "Metrics") -> str:
        """The AUC of the first task."""
        from components.evaluation.metric_names import AUC

        return next(name for name in overall if name.startswith(f"{AUC}_"))

    def title(self, metric: str) -> str:
        """The metric's own name, which holds that of its task."""
        return metric

    def tables(self, columns: list[Column], result: "RunResult") -> "Iterable[Table]":
        """Metrics of each task, then of the tags."""
        from pipeline.families.tag_profile_tables import profile_metrics

        return [profile_metrics(columns)]
