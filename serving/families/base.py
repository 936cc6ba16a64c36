"""What building a bundle asks of a family of models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy.typing as npt
import tensorflow as tf

from serving.bundle.manifest import SignatureBatching
from serving.graph.items import Items
from serving.index import Index

Request = tuple[str, dict[str, tf.Tensor]]
"""A signature, and its inputs by name."""


class Served(Protocol):
    """A module with the graph that is saved and served."""

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """The functions to save, by the name of their signature."""

    def batching(self) -> dict[str, SignatureBatching]:
        """How requests of each signature may be joined."""


@dataclass(frozen=True)
class Content:
    """What of a trained model a bundle is made of.

    Attributes:
      ids: N of what the indexes hold.
      tables: an index each, float32 [N, D].
      searched: the same vectors as exact search takes them: arrays, or variables of the trained model.
      items: all that is known of items; None for a family that recommends none.
    """

    ids: Sequence[bytes]
    tables: Sequence[npt.NDArray[Any]]
    searched: Sequence[Any]
    items: Items | None = None


class Family(ABC):
    """Models that answer the same signatures.

    Attributes:
      name: as the trainer's families have it.
    """

    name: ClassVar[str]

    @abstractmethod
    def content(self, trained: Any) -> Content:
        """Reads the trainer's SavedModel, loaded."""

    @abstractmethod
    def served(
        self,
        trained: Any,
        content: Content,
        indexes: Sequence[Index],
        vocabulary: str,
        user_features: Mapping[str, str],
        default_k: int,
        max_k: int,
    ) -> Served:
        """The module to save.

        Args:
          trained: the trainer's SavedModel, loaded.
          content: of it.
          indexes: one a table of the content.
          vocabulary: path of the ids of all items, a line each; becomes an asset where it is used.
          user_features: profile feature -> ``categorical`` or ``numeric``.
          default_k: length of an answer of ``serving_default``.
          max_k: largest k of a request.
        """

    @abstractmethod
    def warmup(
        self,
        user: Mapping[str, tf.Tensor],
        examples: tf.Tensor,
        histories: Sequence[Sequence[bytes]],
        k: tf.Tensor,
        filters: Sequence[bytes],
    ) -> list[Request]:
        """A request of every signature.

        Args:
          user: inputs that describe B users.
          examples: the same users as serialized tf.Examples, string [B].
          histories: ids of B histories.
          k: int32, length of the answers.
          filters: values that requests may filter items by.
        """

    @abstractmethod
    def queries(self, encoded: Mapping[str, tf.Tensor], number: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Vectors float32 [B, K, D] and mask bool [B, K] of users, to search an index with.

        Args:
          encoded: what ``encode`` of the trained model says of them.
          number: of the index.
        """
