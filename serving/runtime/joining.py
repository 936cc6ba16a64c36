"""Joins requests into a batch, and splits its outputs."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving.bundle.manifest import Padding, SignatureBatching

WIDEST = 256
"""Columns up to which an input is padded to the widest of its batch. A wider request runs alone: one long history would
make those of all its neighbours as long."""

_FILL: dict[Padding, Any] = {"empty": b"", "zero": 0, "nan": float("nan")}


class Kind(NamedTuple):
    """What a request may be joined with.

    Attributes:
      kind: equal for requests that may stand in one batch.
      rows: of the request.
    """

    kind: Hashable
    rows: int


def kind_of(batching: SignatureBatching, inputs: Mapping[str, npt.NDArray[Any]]) -> Kind | None:
    """Looks at a request of a signature.

    Args:
      batching: of the signature.
      inputs: every input of the signature.

    Returns:
      None for a request that has to run alone: it is empty or wide, or its inputs do not fit each other, which padding
      would hide.
    """
    rows, of_rows = set(), set()
    same: list[Hashable] = []
    for group in batching.inputs:
        widths = set()
        for alias, padding in group.items():
            array = inputs[alias]
            of_rows.add(alias)
            rows.add(len(array))
            if padding == "none":
                same.append(array.shape[1:])
            else:
                widths.add(array.shape[1])
        if len(widths) > 1 or max(widths, default=0) > WIDEST:
            return None
    for alias in sorted(inputs.keys() - of_rows):
        value = inputs[alias]
        if alias in batching.shared_inputs and np.ndim(value) and len(value) == 1:
            same.append((value.shape, *value.ravel().tolist()))
            continue
        if np.ndim(value):
            return None
        same.append(np.asarray(value).item() if np.asarray(value).dtype == object else np.asarray(value).tobytes())
    if len(rows) != 1 or 0 in rows:
        return None
    return Kind(tuple(same), rows.pop())


def join(
    batching: SignatureBatching, requests: Sequence[Mapping[str, npt.NDArray[Any]]]
) -> dict[str, npt.NDArray[Any]]:
    """One request with the rows of several of one kind, padded to the widest."""
    joined = dict(requests[0])
    for group in batching.inputs:
        for alias, padding in group.items():
            arrays = [request[alias] for request in requests]
            if padding == "none":
                joined[alias] = np.concatenate(arrays)
                continue
            shape = sum(map(len, arrays)), max(array.shape[1] for array in arrays)
            whole = np.full(shape, _FILL[padding], arrays[0].dtype)
            start = 0
            for array in arrays:
                whole[start : start + len(array), : array.shape[1]] = array
                start += len(array)
            joined[alias] = whole
    return joined


def split(batching: SignatureBatching, outputs: Mapping[str, Any], rows: Sequence[int]) -> list[dict[str, Any]]:
    """The outputs of each request of a batch.

    Raises:
      ValueError: an output has not the rows of the batch, so the manifest does not fit the graph.
    """
    ends = np.cumsum(rows).tolist()
    for name, values in outputs.items():
        if name not in batching.shared_outputs and len(values) != ends[-1]:
            raise ValueError(f"output {name} has {len(values)} rows for a batch of {ends[-1]}")
    return [
        {
            name: values if name in batching.shared_outputs else values[end - count : end]
            for name, values in outputs.items()
        }
        for end, count in zip(ends, rows, strict=True)
    ]
