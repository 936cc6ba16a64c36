"""In-process predictor for a pushed tag-profile model."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.bundle import manifest
from serving.bundle.signatures import TAG_PROFILE, TAG_SCORES
from serving.runtime.servable import Servable
from serving.users import RawUser, as_tensors
from trainer.data.schema import user_feature
from trainer.errors import InputError

_SHOWN_TAGS = 1000


class Describer:
    """What users think of some tags.

    Args:
      version_dir: the version folder.
      tags: that are asked about.
      user_features: profile feature -> kind, of the log's configuration.

    Raises:
      InputError: the folder holds no model of profiles, one that knows other profile features, or not every tag.
    """

    def __init__(self, version_dir: str, tags: Sequence[str], user_features: dict[str, str]) -> None:
        stated = manifest.verify(version_dir)
        if not stated.tasks:
            raise InputError(f"{version_dir} holds {stated.model}, which recommends items: it knows nothing of tags.")
        if stated.inputs.user_features != user_features:
            raise InputError(
                f"The model in {version_dir} takes the profile features {stated.inputs.user_features or 'none'}, and "
                f"data.user_columns.features names {user_features or 'none'}. Use the configuration it was trained by."
            )
        self.tasks, self._features = stated.tasks, dict(stated.inputs.user_features)
        self._tags, self._servable = list(tags), Servable(Path(version_dir))
        known = self._run(TAG_SCORES, [RawUser([], [])], tags=np.array([self._tags], object))["known"][0]
        if not known.all():
            self._refuse(self._tags[int(np.flatnonzero(~known)[0])], stated.items)

    def scores(self, users: Sequence[RawUser]) -> npt.NDArray[np.float32]:
        """Probabilities float32 [B, Y, M] of the tags asked about."""
        tags = np.array([self._tags] * len(users), object)
        return np.asarray(self._run(TAG_SCORES, users, tags=tags)["scores"])

    def _run(self, signature: str, users: Sequence[RawUser], **inputs: Any) -> dict[str, Any]:
        history, times, profile = as_tensors(users, self._features)
        user = {"history": history.numpy(), "history_time": times.numpy()}
        user |= {user_feature(name): values.numpy() for name, values in profile.items()}
        return self._servable.run(signature, {**user, **inputs})

    def _refuse(self, tag: str, tags: int) -> None:
        k = np.array(min(tags, _SHOWN_TAGS), np.int32)
        there_are = sorted({name.decode() for name in self._run(TAG_PROFILE, [RawUser([], [])], k=k)["tags"].flat})
        near = difflib.get_close_matches(tag, there_are, n=3) or there_are[:3]
        raise InputError(f"The model knows no tag {tag!r}. It knows {tags:,}, such as {', '.join(map(repr, near))}.")
