"""Models that retrieve items."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.families.base import Column, Family
from trainer.data.schema import CATEGORY
from trainer.errors import InputError
from trainer.ranking.filter_names import check_filter
from trainer.settings import given

if TYPE_CHECKING:
    from rich.table import Table
    from tensorflow_model_analysis.proto import config_pb2

    from pipeline.config.run import Config
    from pipeline.families.findings import Finding
    from pipeline.results.run_result import Metrics, RunResult


class Retrieval(Family):
    """Item retrieval; the baseline has one vector a user."""

    name = "retrieval"
    purpose = "ranks items"
    baseline = "two_tower"
    evaluation = "components.evaluation.retrieval"
    paired = True

    def check_data(self, config: "Config") -> None:
        """Refuses labels, and a filter by an attribute that items have not."""
        model: Any = config.model
        data, evaluation = config.data, config.evaluation
        if data.labels:
            from pipeline.families.tag_profiles import TagProfiles
            from trainer.models import registry

            raise InputError(
                f"data.labels are set, and model.name: {model.name} learns from what users took, not from labels. "
                f"Leave data.labels out, or take a model of profiles: {', '.join(registry.names(TagProfiles.name))}."
            )
        columns = data.item_columns
        attributes = [*columns.attributes, *([CATEGORY] if columns.category else [])] if data.items else []
        check_filter({"allow": evaluation.allow, "deny": evaluation.deny}, attributes)

    def contradictions(self, config: "Config") -> Iterator[str]:
        """Of interests, categories, read-out and texts."""
        model: Any = config.model
        most, k = model.most_interests(config.transform.max_history), model.num_interests
        if most is not None and k > most:
            dynamic = getattr(model, "dynamic_interests", False)
            why = "the base 2 logarithm of its length" if dynamic else "as many as it has items"
            needed = 2**k if dynamic else k
            yield (
                f"model.num_interests is {k}, and transform.max_history is {config.transform.max_history}: a history "
                f"has at most {most} interests with {model.name} ({why}), so that {k - most} of them would never be of "
                f"use. Set model.num_interests to at most {most}, or transform.max_history to at least {needed}."
            )
        if model.use_category and (config.data.items is None or config.data.item_columns.category is None):
            yield (
                "model.use_category is true, and no item has a category: set data.items and "
                "data.item_columns.category, or model.use_category: false."
            )
        if model.ranking == "log_sum_exp" and model.read_out != "mixture":
            yield (
                f"model.ranking is log_sum_exp, and model.read_out is {model.read_out}: items would be ranked by a sum "
                "over interests that training never looked at. Set model.read_out: mixture, or model.ranking: max."
            )
        if getattr(model, "base_model", None) and not getattr(model, "text", True):
            yield "model.base_model knows items by their texts, and model.text is false. Set model.text: true."

    def unused(self, config: "Config") -> Iterator[str]:
        """Settings of interests, read-out and profile features that change nothing."""
        model: Any = config.model
        if model.num_interests == 1:
            for name in given(model, "disagreement"):
                yield (
                    f"model.{name} is {getattr(model, name):g}, and model.num_interests is 1: there is nothing to "
                    "differ."
                )
            if model.ranking != "max":
                yield "model.ranking is log_sum_exp, and model.num_interests is 1: there is nothing to sum."
        if model.read_out != "soft" and given(model, "label_power"):
            yield f"model.label_power is set, and model.read_out: {model.read_out} makes no use of it; soft does."
        if not config.data.user_columns.features and given(model, "profile_dimension"):
            yield "model.profile_dimension is set, and data.user_columns.features names no feature."

    def gates(self, config: "Config") -> tuple[str, ...]:
        """The metrics of lists and interests, with the filter as well if there is one."""
        from components.evaluation.metric_names import gated_metrics

        return gated_metrics(_is_filtered(config))

    def check_threshold(self, name: str, config: "Config") -> None:
        """Differences to the baseline can be asked for, too."""
        from components.evaluation.metric_names import check_threshold

        check_threshold(name, _is_filtered(config))

    def eval_config(self, config: "Config", gated: bool) -> "config_pb2.EvalConfig":
        """See :func:`components.evaluation.retrieval.eval_config`."""
        from components.evaluation.retrieval import eval_config

        return eval_config(config.evaluation, gated)

    def headline(self, overall: "Metrics") -> str:
        """Recall, which every run has."""
        from trainer.metrics.table import RECALL

        return RECALL

    def title(self, metric: str) -> str:
        """As trainer/metrics/table.py has it."""
        from trainer.metrics import table

        return table.title(metric)

    def tables(self, columns: list[Column], result: "RunResult") -> "Iterable[Table]":
        """All metrics, and recall by the length of the history."""
        from pipeline.families import retrieval_tables

        return [retrieval_tables.metrics(columns, result), retrieval_tables.slices(columns, result.comparison)]

    def summary(self, overall: "Metrics") -> list[str]:
        """Whether users' interests are several."""
        from pipeline.families.retrieval_tables import interests

        return [interests(overall)]

    def findings(self, name: str, result: "RunResult") -> "list[Finding]":
        """See :func:`pipeline.families.findings.findings`."""
        from pipeline.families.findings import findings

        return findings(name, self.baseline, result.model.overall, result.comparison)


def _is_filtered(config: "Config") -> bool:
    return bool(config.evaluation.allow or config.evaluation.deny)
