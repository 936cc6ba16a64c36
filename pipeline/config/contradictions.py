"""Checks of settings that are valid one by one and contradict each other.

What can only be an oversight, and changes nothing that somebody asked for, is told as a warning instead.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.config import data_contradictions, kubeflow
from pipeline.families.base import Family
from serving.settings import IndexSettings, ServingSettings
from trainer.errors import InputError
from trainer.settings import TrainingSettings, given

if TYPE_CHECKING:
    from pipeline.config.run import Config


def check_sections(config: "Config") -> None:
    """Refuses settings that contradict each other whatever the model is, so that no model has to be imported.

    Args:
      config: whose values are right one by one; ``model`` is not looked at.

    Raises:
      InputError: there are contradictions; all of them, a line each.
    """
    _refuse(
        [
            *data_contradictions.columns(config.data),
            *data_contradictions.labels(config.data),
            *data_contradictions.text(config),
            *_lengths(config),
            *_training(config.training),
            *_bounds(config),
            *_index(config.index, config.serving),
            *_folders(config),
            *kubeflow.contradictions(config.kubeflow),
            *_not_finite(config.model_dump(exclude={"model"})),
        ]
    )


def check_model(config: "Config", family: Family) -> list[str]:
    """Refuses settings that contradict those of the model.

    Args:
      config: that :func:`check_sections` did not refuse.
      family: of the model.

    Returns:
      What should be told, a line each: settings that have no effect.

    Raises:
      InputError: there are contradictions; all of them, a line each.
    """
    numbers = config.model.model_dump(exclude={"label_power"})  # infinite, it is the hard read-out
    _refuse(
        [
            *family.contradictions(config),
            *_metrics(config, family),
            *_thresholds(config),
            *_not_finite({"model": numbers}),
        ]
    )
    return [*_unused_data(config), *family.unused(config)]


def _refuse(found: Sequence[str]) -> None:
    if found:
        raise InputError("\n".join(found))


def _not_finite(values: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """Numbers that YAML knows, and no setting has a use for."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _not_finite(value, f"{key}{name}.")
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{key}{name} is {value}. Give a finite number, or leave it out."


def _lengths(config: "Config") -> Iterator[str]:
    least, most = config.data.min_history, config.transform.max_history
    if least > most:
        yield (
            f"data.min_history is {least}, and transform.max_history is {most}: a history is cut to fewer items than "
            f"a target needs. Set data.min_history to at most {most}, or raise transform.max_history."
        )
    held_out = 2 if config.data.split.method == "leave_last_out" else 0
    latest = config.data.max_user_events
    if latest is not None and not config.data.labels and latest <= least + held_out:
        yield (
            f"data.max_user_events is {latest}, and data.min_history is {least}"
            f"{' with two held out (data.split.method)' if held_out else ''}: no user would have a target to train on. "
            f"Raise data.max_user_events to at least {least + held_out + 1}, or lower data.min_history."
        )


def _training(training: TrainingSettings) -> Iterator[str]:
    for name, what in (("evaluate_every", "validated"), ("warmup_steps", "warmed up")):
        value = getattr(training, name)
        if given(training, name) and value > training.max_steps:
            yield (
                f"training.{name} is {value}, and training.max_steps is {training.max_steps}: training ends before it "
                f"is {what}. Set training.{name} to at most {training.max_steps}, or raise training.max_steps."
            )


def _bounds(config: "Config") -> Iterator[str]:
    evaluation = config.evaluation
    for value in sorted(set(evaluation.allow) & set(evaluation.deny)):
        yield f"evaluation.allow and evaluation.deny both name {value!r}: no item would be left. Leave one out."
    if evaluation.max_regression is not None and evaluation.max_regression >= 1:
        yield (
            f"evaluation.max_regression is {evaluation.max_regression:g}, a part of the blessed model's value: no "
            "model loses more than 1. Give 0.05 for 5 %, or null for no bound."
        )
    if config.validation.max_drift is not None and config.validation.max_drift >= 1:
        yield (
            f"validation.max_drift is {config.validation.max_drift:g}, and the distances are at most 1: nothing would "
            "ever be refused. Give less, or null for no comparison."
        )


def _thresholds(config: "Config") -> Iterator[str]:
    evaluation, model = config.evaluation, config.model
    bounded = {"active_interests", "effective_interests"}
    for name, least in evaluation.thresholds.items():
        most = float(getattr(model, "num_interests", 1)) if name in bounded else 1.0
        if least > most:
            yield (
                f"evaluation.thresholds.{name} is {least:g}, and {name} is never above {most:g}: no model could pass. "
                "Lower it."
            )
        if name.startswith("diversity") and config.data.item_columns.category is None:
            yield (
                f"evaluation.thresholds.{name} asks for different categories, and data.item_columns.category is not "
                "set: no model could pass. Set it, or remove the threshold."
            )


def _metrics(config: "Config", family: Family) -> Iterator[str]:
    """Names of metrics that there are not."""
    from components.evaluation.metric_names import check_metric

    evaluation = config.evaluation
    checks = [partial(family.check_threshold, name, config) for name in evaluation.thresholds]
    if evaluation.gate_metric is not None:
        gates = family.gates(config)
        checks.append(partial(check_metric, evaluation.gate_metric, "evaluation.gate_metric", gates))
    for check in checks:
        try:
            check()
        except InputError as error:
            yield str(error)


def _index(index: IndexSettings, serving: ServingSettings) -> Iterator[str]:
    if serving.default_k > index.max_k:
        yield (
            f"serving.default_k is {serving.default_k}, and index.max_k is {index.max_k}, the largest that can be "
            "asked for. Raise index.max_k or lower serving.default_k."
        )
    if index.num_leaves and index.leaves_to_search and index.leaves_to_search > index.num_leaves:
        yield (
            f"index.leaves_to_search is {index.leaves_to_search}, and index.num_leaves is {index.num_leaves}: there "
            "are not so many. Lower the one or raise the other."
        )
    if index.target_recall is not None:
        for name in given(index, "leaves_to_search", "reorder"):
            yield (
                f"index.{name} is {getattr(index, name)}, and index.target_recall has it found by the pipeline. Leave "
                "one of them out."
            )
        if index.target_recall < serving.min_ann_recall and index.kind == "scann":
            yield (
                f"index.target_recall is {index.target_recall:g}, and serving.min_ann_recall is "
                f"{serving.min_ann_recall:g}: the index would be made to miss what validation demands. Set "
                "index.target_recall to at least as much."
            )


def _folders(config: "Config") -> Iterator[str]:
    name = config.serving.model_name
    if name in (".", ".."):
        yield f"serving.model_name is {name!r}, which is no name of a folder. Give a name, such as shop."
    if name.isdecimal():
        yield (
            f"serving.model_name is {name!r}, a number: a server would take the folder for a version. Give a name with "
            "a letter, such as shop."
        )
    if "://" in config.pipeline.root + config.serving.directory:
        return
    pushed = os.path.abspath(os.path.join(config.serving.directory, name))
    run = os.path.abspath(os.path.join(config.pipeline.root, config.pipeline.name))
    if os.path.commonpath([pushed, run]) in (pushed, run):
        yield (
            f"serving.directory puts pushed versions into {pushed}, and pipeline.root the files of the run into {run}: "
            "one is inside of the other. Choose another serving.directory or pipeline.root."
        )


def _unused_data(config: "Config") -> Iterator[str]:
    data = config.data
    if data.users is not None and not data.user_columns.features:
        yield (
            "data.users is set, and data.user_columns.features names no column of it: the table is not used. Name the "
            "columns, such as {age: numeric, country: categorical}, or leave data.users out."
        )
    if data.items is None:
        # Not refused: `polyrec refresh` is given a table of items by its own option, and reads it by these columns.
        for role in ("category", "tags", "title", "text", "attributes"):
            if value := getattr(data.item_columns, role):
                yield f"data.item_columns.{role} is {value!r}, and data.items is not set: a run has no table of it."
    if config.index.kind == "exact":
        for name in given(
            config.index, "num_leaves", "leaves_to_search", "reorder", "target_recall", "dimensions_per_block"
        ):
            yield f"index.{name} is {getattr(config.index, name)}, and index.kind: exact makes no use of it."
    if data.split.method == "leave_last_out":
        for name in given(data.split, "train", "valid", "test", "history_fraction", "seed"):
            yield f"data.split.{name} is set, and data.split.method: leave_last_out makes no use of it."
