"""The names of the metrics that thresholds can ask for; without TensorFlow, so that a configuration can be checked."""

import difflib
from collections.abc import Sequence

from trainer.errors import InputError

METRICS = tuple(f"{name}_at_{k}" for k in (20, 50) for name in ("recall", "hit_rate", "ndcg", "diversity"))
"""Metrics with the items of the history kept among the candidates."""

COSINE = "interest_cosine"
HEALTH = ("active_interests", COSINE, "effective_interests", "interest_use")
"""Whether the interests of a user are several."""

UNSEEN = "_unseen"
"""Suffix of a metric computed with the items of the history removed from the candidates."""

FILTERED = "_filtered"
"""Suffix of a metric computed with the filter of the settings, the items of the history kept."""

POPULARITY = "popularity_"
"""Prefix of a metric of the popularity ranking, computed for the same users."""

MODEL_METRICS = METRICS + tuple(name + UNSEEN for name in METRICS)
ALL_METRICS = MODEL_METRICS + HEALTH + tuple(POPULARITY + name for name in MODEL_METRICS)

GATES = MODEL_METRICS + tuple(name for name in HEALTH if name != COSINE)
"""What a threshold can ask for: metrics of which more is better."""

DEFAULT_GATE = "recall_at_50"
"""What is compared with the model blessed last where the settings name nothing."""

AUC = "auc"
"""Of a task of a model of profiles: ``auc_<task>``."""


def gates_of(filtered: bool) -> tuple[str, ...]:
    """What a threshold can ask for of a model that recommends items.

    Args:
      filtered: whether the settings have a filter, and so metrics with it.
    """
    return (*GATES, *(name + FILTERED for name in METRICS)) if filtered else GATES


def check_metric(name: str, where: str, gates: Sequence[str] = GATES) -> None:
    """Refuses the name of something that is no metric.

    Raises:
      InputError: it is none of ``gates``.
    """
    if name not in gates:
        nearest = difflib.get_close_matches(name, gates, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise InputError(f"{where}: {name!r} is not a metric.{hint} Metrics: {', '.join(gates)}.")
