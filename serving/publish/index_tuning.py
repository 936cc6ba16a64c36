"""Tunes a model's indexes on its own users."""

import logging
from collections.abc import Sequence
from typing import Any

from serving.families.base import Family
from serving.index import Index
from serving.index.tuning import tune
from serving.settings import IndexSettings
from serving.users import RawUser, as_tensors
from trainer.errors import InputError

progress = logging.getLogger("polyrec.progress")


def tune_indexes(
    family: Family,
    indexes: Sequence[Index],
    exact: Sequence[Index],
    trained: Any,
    users: Sequence[RawUser],
    user_features: dict[str, str],
    settings: IndexSettings,
    k: int,
) -> None:
    """Sets the sizes of ScaNN indexes for ``settings.target_recall``; those without leaves are exact and stay.

    Args:
      family: of the model.
      indexes: one a table of its content.
      exact: exact indexes of the same items.
      trained: the trainer's SavedModel, loaded.
      users: real users.
      user_features: profile feature -> kind.
      settings: with a target.
      k: length of the lists that are compared.

    Raises:
      InputError: there are no users.
    """
    from serving.index.scann import ScannIndex

    if not users:
        raise InputError(
            f"index.target_recall is {settings.target_recall:g}, and there are no users to tune the index on: the "
            "split valid is empty. Leave index.target_recall out, or give more users (data.split)."
        )
    encoded = trained.encode(*as_tensors(users, user_features))
    for number, (index, judge) in enumerate(zip(indexes, exact, strict=True)):
        if not isinstance(index, ScannIndex):
            continue
        interests, mask = family.queries(encoded, number)
        chosen = tune(index, judge, interests.numpy(), mask.numpy(), k, settings.target_recall or 1.0).chosen
        words = "" if chosen.reaches else f", below index.target_recall {settings.target_recall:g}"
        progress.info(
            "index: %d of %d leaves searched, %d candidates reordered: recall@%d %.4f on %d users%s",
            *(chosen.leaves_to_search, index.sizes.num_leaves, chosen.reorder, k, chosen.recall, len(users), words),
        )
