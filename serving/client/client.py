"""Client: ids in, ids out, without TensorFlow or the trainer.

with Client("127.0.0.1:8500") as client:
    for item in client.recommend([["242", "302"]], k=10)[0].items:
        print(item.item_id, item.score, item.because)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.client import wire
from serving.client.answers import Explanation, Recommendations, TagProfile, TagScores
from serving.client.connection import Connection
from serving.client.replies import explanations, profiles, recommendations, tag_scores
from serving.client.requests import Id, excluded, filter_input, history_inputs, ids_of_users
from serving.client.spelling import LARGEST_FLOAT, words


class Client(Connection):
    """Asks a server what to recommend, or which tags users like. It may be used from several threads.

    Args:
      target: ``HOST:PORT``.
      model: name of the model.
      timeout: seconds for one call.
      max_message_bytes: largest reply that is accepted.
      tls, ca, certificate, key: of an encrypted connection, see :class:`serving.client.connection.Connection`.
      label: of the version that is asked, see there.
    """

    def recommend(
        self,
        histories: Sequence[Sequence[Id]],
        k: int = 20,
        exclude: Sequence[Id] | Sequence[Sequence[Id]] | None = None,
        exclude_history: bool = False,
        diversity: float = 0.0,
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
        allow: Sequence[str] | Sequence[Sequence[str]] | None = None,
        deny: Sequence[str] | Sequence[Sequence[str]] | None = None,
    ) -> list[Recommendations]:
        """Recommends items to users.

        Args:
          histories: B lists of item ids, oldest first; an unknown id is ignored by the model. An id is text, or a whole
            number, which stands for its digits.
          k: items a user, 1 or more.
          exclude: ids not to recommend: one list for all users, or B lists.
          exclude_history: do not recommend what is in the history.
          diversity: finite; 0 for the best scores; the larger, the more categories.
          times: B lists of seconds, aligned with ``histories``; 0 is unknown.
          user_features: B mappings from profile feature to a value or a list of values; what is left out is missing.
          allow: ``attribute=value`` that items have to have: of every attribute named, one of its values; one list
            for all users, or B lists. ``Recommendations.unmatched_filters`` tells the values that no item has.
          deny: ``attribute=value`` that no item may have, the same.

        Returns:
          one answer a user.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = history_inputs(histories, times)
        inputs["exclude"] = excluded(exclude, len(histories))
        for name, wanted in (("allow", allow), ("deny", deny)):
            if (asked := filter_input(name, wanted, len(histories))) is not None:
                inputs[name] = asked
        inputs["exclude_history"] = wire.scalar(exclude_history, wire.DT_BOOL)
        inputs["k"] = wire.scalar(_k(k), wire.DT_INT32)
        inputs["diversity"] = wire.scalar(_diversity(diversity), wire.DT_FLOAT)
        if not len(histories):
            return []
        outputs = self._predict("recommend", inputs, user_features, len(histories))
        return recommendations(outputs)

    def user_interests(
        self,
        histories: Sequence[Sequence[Id]],
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[npt.NDArray[np.float32]]:
        """The interest vectors of users.

        Args:
          histories: as in :meth:`recommend`.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          for each user float32 [k, D], of the interests that are active.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = history_inputs(histories, times)
        if not len(histories):
            return []
        outputs = self._predict("user_interests", inputs, user_features, len(histories))
        return [vectors[mask] for vectors, mask in zip(outputs["interests"], outputs["interest_mask"])]

    def explain(
        self,
        histories: Sequence[Sequence[Id]],
        items: Sequence[Sequence[Id]],
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[list[Explanation]]:
        """Why items would be recommended to users, or not: the interests' scores, the weight of each item seen.

        Args:
          histories: B lists, as in :meth:`recommend`.
          items: B lists of items to explain.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          one explanation a user and item.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = {**history_inputs(histories, times), "items": ids_of_users("items", items, len(histories))}
        if not len(histories):
            return []
        return explanations(
            self._predict("explain", inputs, user_features, len(histories)), [words("items", row) for row in items]
        )

    def tag_profile(
        self,
        histories: Sequence[Sequence[Id]],
        k: int = 20,
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[TagProfile]:
        """The tags that users like best, for each task of a model of profiles.

        Args:
          histories: as in :meth:`recommend`.
          k: tags a user and task.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          one profile a user.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = {**history_inputs(histories, times), "k": wire.scalar(_k(k), wire.DT_INT32)}
        if not len(histories):
            return []
        return profiles(self._predict("tag_profile", inputs, user_features, len(histories)))

    def tag_scores(
        self,
        histories: Sequence[Sequence[Id]],
        tags: Sequence[Sequence[str]],
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[TagScores]:
        """What users think of given tags, for each task of a model of profiles.

        Args:
          histories: B lists, as in :meth:`recommend`.
          tags: B lists of tags.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          one answer a user.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = {**history_inputs(histories, times), "tags": ids_of_users("tags", tags, len(histories))}
        if not len(histories):
            return []
        return tag_scores(self._predict("tag_scores", inputs, user_features, len(histories)), [*map(len, tags)])


def _k(value: int) -> int:
    # The model knows how large it may be.
    if isinstance(value, bool) or not isinstance(value, Integral) or not -(2**31) <= value < 2**31:
        raise ValueError(f"k is a 32-bit number, 1 or more. Received: {value!r}")
    return int(value)


def _diversity(value: float) -> float:
    if not isinstance(value, Real) or not 0 <= value <= LARGEST_FLOAT:
        raise ValueError(f"diversity should be finite, and 0 or more. Received: {value!r}")
    return float(value)
