"""Converts reply tensors to answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.bundle.signatures import UNMATCHED_FILTERS
from serving.client.answers import Explanation, Recommendation, Recommendations, ScoredTag, TagProfile, TagScores


def recommendations(outputs: Mapping[str, npt.NDArray[Any]]) -> list[Recommendations]:
    """Of the signature ``recommend``, one a user."""
    columns = ("item_ids", "scores", "interest", "because", "valid")
    answers = []
    told = outputs.get(UNMATCHED_FILTERS, np.zeros((len(outputs["fallback"]), 0), object))
    for row, fallback in enumerate(outputs["fallback"]):
        listed = zip(*(outputs[column][row].tolist() for column in columns))
        items = tuple(
            Recommendation(item.decode(), score, interest, because.decode())
            for item, score, interest, because, valid in listed
            if valid
        )
        unmatched = tuple(value.decode(errors="replace") for value in told[row] if value)
        answers.append(Recommendations(items, bool(fallback), unmatched))
    return answers


def profiles(outputs: Mapping[str, npt.NDArray[Any]]) -> list[TagProfile]:
    """Of the signature ``tag_profile``, one a user."""
    tasks = [task.decode() for task in outputs["tasks"]]
    answers = []
    for row, fallback in enumerate(outputs["fallback"]):
        by_task = {}
        for column, task in enumerate(tasks):
            listed = zip(*(outputs[name][row, column].tolist() for name in ("tags", "scores", "valid")))
            by_task[task] = tuple(ScoredTag(tag.decode(), score) for tag, score, valid in listed if valid)
        answers.append(TagProfile(by_task, bool(fallback)))
    return answers


def tag_scores(outputs: Mapping[str, npt.NDArray[Any]], counts: Sequence[int]) -> list[TagScores]:
    """Of the signature ``tag_scores``, one a user, for the tags that each was asked about."""
    tasks = [task.decode() for task in outputs["tasks"]]
    return [
        TagScores(
            {task: outputs["scores"][row, column, :count].tolist() for column, task in enumerate(tasks)},
            outputs["known"][row, :count].tolist(),
            bool(outputs["fallback"][row]),
        )
        for row, count in enumerate(counts)
    ]


def explanations(outputs: Mapping[str, npt.NDArray[Any]], items: Sequence[Sequence[str]]) -> list[list[Explanation]]:
    """Of the signature ``explain``, one a user and item asked about."""
    answers = []
    for row, asked in enumerate(items):
        seen = [item.decode() for item in outputs["looked_at"][row] if item]
        answers.append(
            [
                Explanation(
                    item,
                    bool(outputs["known"][row, place]),
                    int(winner) if (winner := outputs["interest"][row, place]) >= 0 else None,
                    tuple(outputs["interest_scores"][row, place].tolist()),
                    tuple(zip(seen, outputs["weights"][row, place].tolist())),
                )
                for place, item in enumerate(asked)
            ]
        )
    return answers
