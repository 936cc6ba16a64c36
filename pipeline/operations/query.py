"""`polyrec query`: queries a running server, for either family of models."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline.terminal.answer_table import answer_table, explanation_table, profile_table, read_titles, scores_table
from serving.bundle.signatures import TAG_PROFILE, profile_feature
from serving.client import Client
from serving.client.answers import ClientError
from trainer.errors import InputError


def ask(
    target: str,
    model: str,
    history: Sequence[str],
    k: int,
    user_features: Mapping[str, Sequence[str]],
    exclude: Sequence[str] = (),
    exclude_history: bool = False,
    diversity: float = 0.0,
    tags: Sequence[str] = (),
    explain: Sequence[str] = (),
    titles_from: tuple[Path, str, str] | None = None,
    connection: Mapping[str, Any] | None = None,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
) -> Table:
    """Recommendations, or the profile of the user, or scores of given tags, as a table.

    Args:
      target: ``HOST:PORT``.
      model: name of the served model.
      history: item ids, oldest first.
      k: items, or tags a task.
      user_features: profile feature -> values.
      exclude: items not to recommend.
      exclude_history: whether those of the history are excluded.
      diversity: of recommendations.
      tags: to be scored, of a model of profiles.
      explain: items to be explained instead of recommended.
      titles_from: the item table and its columns of ids and titles.
      allow: ``attribute=value`` that recommended items have to have.
      deny: ``attribute=value`` that they may not have.
      connection: ``label`` of the version, and ``tls``, ``ca``, ``certificate`` and ``key``.

    Raises:
      InputError: the server refused or did not answer, or what is asked is nothing for the kind of model it serves.
    """
    titles = read_titles(*titles_from) if titles_from else {}
    try:
        with Client(target, model, **(connection or {})) as client:
            of_profiles = TAG_PROFILE in client.signatures()
            features = [_typed(client, TAG_PROFILE if of_profiles else "recommend", user_features)]
            if not of_profiles:
                if tags:
                    raise InputError(f"{model} recommends items and does not know tags: leave --tags out.")
                if explain:
                    (reasons,) = client.explain([history], [list(explain)], user_features=features)
                    return explanation_table(reasons, titles)
                (answer,) = client.recommend(
                    [history], k, exclude, exclude_history, diversity,
                    user_features=features, allow=list(allow), deny=list(deny),
                )  # fmt: skip
                return answer_table(answer, titles)
            if exclude or exclude_history or diversity or explain or allow or deny:
                raise InputError(
                    f"{model} describes users by tags: --exclude, --exclude-history, --allow, --deny, --diversity and "
                    "--explain are for models that recommend items."
                )
            if tags:
                (scores,) = client.tag_scores([history], [list(tags)], user_features=features)
                return scores_table(scores, tags)
            (profile,) = client.tag_profile([history], k, user_features=features)
            return profile_table(profile)
    except (ClientError, ValueError) as error:
        raise InputError(str(error)) from error


def _typed(client: Client, signature: str, features: Mapping[str, Sequence[str]]) -> dict[str, list[str] | list[float]]:
    """The features as the served model takes them: words, or numbers.

    Raises:
      ValueError: a value of a numeric feature is no number.
    """
    numeric = {profile_feature(name) for name, spec in client.inputs(signature).items() if spec.dtype == "float32"}
    typed: dict[str, Any] = {}
    for name, values in features.items():
        if name not in numeric:
            typed[name] = list(values)
            continue
        try:
            typed[name] = [float(value) for value in values]
        except ValueError:
            raise ValueError(f"profile feature {name} is numeric, and {', '.join(values)} is no number") from None
        if any(math.isnan(value) for value in typed[name]):
            raise ValueError(f"profile feature {name} is numeric, and nan is no number: leave it out")
    return typed
