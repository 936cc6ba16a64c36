"""Cutting impressions, against a loop over every row."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.cut.hashing import SPLITS, hash_strings, split_of
from components.ingestion.cut.sequences import Sequences
from components.ingestion.write.impressions import History, cut_impressions
from components.settings import DataSettings

_EVENTS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=12)  # time, clicked


def settings_of(method: str, min_history: int) -> DataSettings:
    return DataSettings.model_validate(
        {"interactions": "log", "labels": {"click": {}}, "min_history": min_history, "split": {"method": method}}
    )


def one_by_one(users, hashes, settings, max_history):
    """Split -> user, event, history, targets of every row, positions in the users' events end to end."""
    found = {split: [] for split in SPLITS}
    start = 0
    for number, events in enumerate(users):
        n = len(events)
        if settings.split.method == "user_hash":
            split = SPLITS[split_of(hashes[number : number + 1], settings.split)[0]]
            first = 0 if split == "train" else max(1, min(n - 1, int(n * 0.8 + 1e-9)))
            parts = {split: range(first, n)}
        else:
            parts = {"train": range(n - 2), "valid": [n - 2], "test": [n - 1]} if n >= 3 else {}
        for split, rows in parts.items():
            for row in rows:
                time = events[row if split == "train" else rows[0]][0]
                history = [start + k for k in range(n) if events[k][1] and events[k][0] < time][-max_history:]
                held_out = split != "train" and row == rows[0]
                targets = [start + k for k in rows if events[k][1]] if held_out else []
                if len(history) >= settings.min_history:
                    found[split].append((number, start + row, history, targets))
        start += n
    return found


@given(
    st.lists(_EVENTS, min_size=1, max_size=8),
    st.sampled_from(["user_hash", "leave_last_out"]),
    st.integers(0, 2),
    st.integers(2, 5),
)
def test_every_row_by_itself(users, method, min_history, max_history):
    users = [sorted(events, key=lambda event: event[0]) for events in users]
    settings = settings_of(method, min_history)
    offsets = np.concatenate([[0], np.cumsum([len(events) for events in users])])
    ids = pa.array([f"u{number}" for number in range(len(users))])
    times, clicked = (np.array(column) for column in zip(*(event for events in users for event in events), strict=True))
    sequences = Sequences(ids, hash_strings(ids), offsets, np.zeros(len(times), np.int32), pa.array(["i"]), times)
    history = History(sequences, clicked, max_history)
    impressions, counts = cut_impressions(sequences, history, settings)
    found = {
        split: [
            (user, event, history.events[start:stop].tolist(), history.events[target:end].tolist())
            for user, event, start, stop, target, end in zip(
                *(getattr(part, name).tolist() for name in ("user", "event", "start", "stop", "target", "end")),
                strict=True,
            )
        ]
        for split, part in impressions.items()
    }
    assert found == one_by_one(users, sequences.hashes, settings, max_history)
    assert counts["impressions"] == sum(len(rows) for rows in found.values())
    assert all(first[:2] < second[:2] for rows in found.values() for first, second in pairwise(rows))
