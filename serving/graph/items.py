"""Items of a served model and their attributes, apart from the index."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.data.item_attributes import ItemAttributes


@dataclass(frozen=True)
class Items:
    """N items that can be recommended, and R that only histories may still hold.

    The user tower numbers items as they were in training. Where items were added or removed since, those are not the
    rows of the index: ``tower_rows`` leads from one to the other. The rows of the R items follow those of the N.

    Attributes:
      ids: N items.
      vectors: float32 [N, D].
      counts: int64 [N], interactions in the training split, descending.
      category: int32 [N], number of the finest category, -1 for none.
      category_names: C names.
      attributes: of the N items.
      retired_ids: R items.
      retired_vectors: float32 [R, D].
      tower_rows: int32 [H], row of each item of the user tower.
      constant_components: how many components at the end of an item's vector are 1 for every item.
    """

    ids: Sequence[bytes]
    vectors: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    category: npt.NDArray[np.int32]
    category_names: Sequence[bytes]
    attributes: ItemAttributes
    retired_ids: Sequence[bytes]
    retired_vectors: npt.NDArray[np.float32]
    tower_rows: npt.NDArray[np.int32]
    constant_components: int = 0

    @property
    def all_ids(self) -> list[bytes]:
        """N + R items, in the order of their rows."""
        return [*self.ids, *self.retired_ids]


class ItemVariables(tf.Module):
    """The items as variables of a SavedModel; the vectors of the N are elsewhere, as the index wants them.

    Attributes:
      item_ids: string [N + R].
      item_counts, item_category, category_names, retired_vectors, tower_rows, constant_components: see :class:`Items`.

    Args:
      items: what they hold.
    """

    def __init__(self, items: Items) -> None:
        super().__init__()

        def kept(values: Any, dtype: tf.DType) -> tf.Variable:
            return tf.Variable(values, dtype=dtype, trainable=False)

        # In one: joining two at every request would copy every id.
        self.item_ids = kept(items.all_ids, tf.string)
        self.item_counts = kept(items.counts, tf.int64)
        self.item_category = kept(items.category, tf.int32)
        self.category_names = kept(list(items.category_names), tf.string)
        self.retired_vectors = kept(items.retired_vectors, tf.float32)
        self.constant_components = kept(items.constant_components, tf.int32)
        self.tower_rows = kept(items.tower_rows, tf.int32)


def trained_items(trained: Any) -> Items:
    """The items of the trainer's SavedModel, loaded."""
    analysis = getattr(trained, "analysis", None) or {}
    names = analysis["category_names"] if "category_names" in analysis else getattr(trained, "category_names", None)
    return _read(trained, trained.item_vectors, getattr(trained, "item_filter", None), names)


def pushed_items(served: Any) -> Items:
    """The items of the SavedModel at the top of a bundle, loaded."""
    return _read(served.items, served.index.item_vectors, served.item_filter, served.items.category_names)


def _read(saved: Any, item_vectors: tf.Variable, item_filter: Any, category_names: tf.Variable | None) -> Items:
    """What ``saved`` lacks is as training leaves it: no attributes, nothing added or removed.

    Attributes that an earlier polyrec wrote are put into their one spelling.
    """

    def array(owner: Any, name: str, default: npt.NDArray[Any]) -> npt.NDArray[Any]:
        variable = getattr(owner, name, None)
        return default if variable is None else variable.numpy()

    def texts(owner: Any, name: str) -> list[bytes]:
        values: list[bytes] = array(owner, name, np.zeros(0, object)).tolist()
        return values

    vectors, ids = item_vectors.numpy(), texts(saved, "item_ids")
    size, dimension = vectors.shape
    return Items(
        ids=ids[:size],
        vectors=vectors,
        counts=saved.item_counts.numpy(),
        category=saved.item_category.numpy(),
        category_names=[] if category_names is None else category_names.numpy().tolist(),
        attributes=ItemAttributes(
            texts(item_filter, "names"),
            texts(item_filter, "values"),
            array(item_filter, "rows", np.zeros((size, 0), np.int32)),
        ).with_one_spelling(),
        retired_ids=ids[size:],
        retired_vectors=array(saved, "retired_vectors", np.zeros((0, dimension), np.float32)),
        tower_rows=array(saved, "tower_rows", np.arange(size, dtype=np.int32)),
        constant_components=int(array(saved, "constant_components", np.zeros((), np.int32))),
    )
