"""Findings about the model of a run, as sentences."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from components.evaluation.paired import EVERYBODY, Comparison, Paired
from trainer.metrics.table import ACTIVE, OVERLAP, RECALL, title

SURE = 2.0
"""Standard errors beyond which a difference is taken for one."""

TOO_COARSE, TOO_COARSE_SHARE = 0.01, 0.1
"""A standard error of a point of recall, or of a tenth of the baseline's recall, cannot tell models apart."""

ONE, SEVERAL = 2 / 3, 0.5
"""Overlap from which on interests are one (40 of 50 items shared), and below which each finds its own (33 of 50)."""


@dataclass(frozen=True)
class Finding:
    """A sentence.

    Attributes:
      text: what was found.
      warning: what to do about it, for a model that should not be served as it is; else None.
    """

    text: str
    warning: str | None = None


def findings(name: str, baseline: str, overall: Mapping[str, float], comparison: Comparison | None) -> list[Finding]:
    """What is to be said of a model of items.

    Args:
      name: of the model.
      baseline: of the single vector beside it.
      overall: metrics of the model.
      comparison: of both, if a baseline was trained.
    """
    found = []
    if comparison is not None and RECALL in comparison.slices.get(EVERYBODY, {}):
        found.append(_of_recall(name, baseline, comparison.slices[EVERYBODY][RECALL]))
    return found + _of_interests(overall)


def points(pair: Paired) -> str:
    """``+0.9 ± 0.4``: the difference in points, with its standard error."""
    error = "" if pair.error is None else f" ± {100 * pair.error:.1f}"
    return f"{100 * pair.difference:+.1f}{error}"


def _of_recall(name: str, baseline: str, pair: Paired) -> Finding:
    users = f"{pair.users:,} test user{'' if pair.users == 1 else 's'}"
    if pair.error is None:
        return Finding(f"Too few test users to tell {name} from {baseline} ({users}).")
    if abs(pair.difference) > SURE * pair.error:
        better, worse = (name, baseline) if pair.difference > 0 else (baseline, name)
        gain = f"{100 * abs(pair.difference):.1f} ± {100 * pair.error:.1f} points of {title(RECALL)}"
        text = f"{better} is better than {worse} by {gain} ({users})."
        if pair.difference > 0:
            return Finding(text)
        return Finding(
            text,
            f"{name} is below its baseline: {baseline}, one vector, finds more at less cost. Serve that, or see "
            f"docs/choose-a-model.md. evaluation.thresholds.{RECALL}_over_baseline=0 refuses such a model.",
        )
    if pair.error > min(TOO_COARSE, TOO_COARSE_SHARE * pair.baseline):
        return Finding(
            f"Too few test users to tell {name} from {baseline} ({pair.users:,}): the difference in {title(RECALL)} "
            f"is {100 * pair.difference:+.1f} points, its standard error {100 * pair.error:.1f}."
        )
    return Finding(f"No difference between {name} and {baseline}: {points(pair)} points of {title(RECALL)} ({users}).")


def _of_interests(overall: Mapping[str, float]) -> list[Finding]:
    overlap = overall.get(OVERLAP, math.nan)
    if math.isnan(overlap):
        return []
    if overlap >= ONE:
        return [
            Finding(
                f"The interests are one (overlap {overlap:.2f}): {overall[ACTIVE]:.1f} vectors return the same list as "
                "one, at as many times the cost.",
                f"The interests are one (overlap {overlap:.2f} of their top 50). docs/choose-a-model.md says what "
                f"keeps them apart; evaluation.thresholds.{OVERLAP}={SEVERAL:g} refuses such a model.",
            )
        ]
    if overlap < SEVERAL:
        return [Finding(f"Each interest finds its own (overlap {overlap:.2f}).")]
    return [Finding(f"The interests share much of their lists (overlap {overlap:.2f}).")]
