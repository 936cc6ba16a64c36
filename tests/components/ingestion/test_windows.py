"""Windows worked out by hand, and their promises on random sequences."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.cut.windows import held_out_event, held_out_part, training_windows


def cut(length: int, max_history: int, min_history: int, overlap: float, start: int = 0) -> list[tuple[int, ...]]:
    windows = training_windows(
        np.array([7]), np.array([start]), np.array([start + length]), max_history, min_history, overlap
    )
    fields = (windows.start, windows.stop, windows.target, windows.end, windows.overlap)
    return [tuple(int(value) for value in row) for row in zip(*fields, strict=True)]


def test_a_short_sequence_is_one_window():
    # a b c d e f, at least 4 before a target: history a..e, targets e f
    assert cut(6, max_history=50, min_history=4, overlap=0.5) == [(0, 5, 4, 6, 0)]


def test_a_sequence_that_just_fits_is_one_window():
    assert cut(5, max_history=4, min_history=2, overlap=0.5) == [(0, 4, 2, 5, 0)]


def test_a_long_sequence_is_cut_with_half_a_window_of_overlap():
    # T 4, overlap 2 events. First: history 0-3, targets 2-4. Then 3 new targets a window: history 3-6, targets
    # 5-7, of which 3 and 4 were held before. The last reaches back from its end at 10: history 5-8, target 8 and 9.
    assert cut(10, max_history=4, min_history=2, overlap=0.5) == [(0, 4, 2, 5, 0), (3, 7, 5, 8, 2), (5, 9, 8, 10, 3)]


def test_positions_are_those_of_the_concatenated_sequences():
    assert cut(6, max_history=50, min_history=4, overlap=0.5, start=100) == [(100, 105, 104, 106, 0)]


def test_no_window_without_a_target():
    assert cut(4, max_history=50, min_history=4, overlap=0.5) == []


def test_several_users_are_cut_in_order():
    windows = training_windows(np.array([0, 1, 2]), np.array([0, 6, 8]), np.array([6, 8, 14]), 3, 2, 0.0)
    assert windows.user.tolist() == [0, 0, 2, 2]
    assert windows.start.tolist() == [0, 2, 8, 10]
    assert windows.end.tolist() == [4, 6, 12, 14]


@given(
    st.integers(1, 400), st.integers(1, 30), st.integers(1, 30), st.floats(0, 0.99, allow_nan=False), st.integers(0, 9)
)
def test_every_target_once_and_every_event_counted_once(length, max_history, min_history, overlap, start):
    min_history = min(min_history, max_history)
    windows = cut(length, max_history, min_history, overlap, start)
    targets = [position for _, _, first, end, _ in windows for position in range(first, end)]
    assert targets == list(range(start + min_history, start + length))
    if windows:
        counted = []
        for begin, stop, first, end, held in windows:
            assert 1 <= stop - begin <= max_history
            assert end == stop + 1 and first > begin
            assert first - begin >= (min_history if first == start + min_history else round(overlap * max_history))
            assert first - begin >= min_history
            counted += [*range(begin + held, stop), end - 1]
        assert counted == list(range(start, start + length))


def test_held_out_part_is_four_fifths_and_the_rest():
    lengths = np.array([5, 7, 2, 10])
    end = np.cumsum(lengths)
    windows = held_out_part(np.arange(4), end - lengths, end, 0.8)
    assert (windows.stop - windows.start).tolist() == [4, 5, 1, 8]
    assert (windows.end - windows.target).tolist() == [1, 2, 1, 2]


def test_held_out_part_leaves_a_history_and_a_target():
    windows = held_out_part(np.arange(2), np.array([0, 2]), np.array([2, 4]), 0.1)
    assert (windows.stop - windows.start).tolist() == [1, 1]
    windows = held_out_part(np.array([0]), np.array([0]), np.array([100]), 0.29)
    assert windows.stop.tolist() == [29]


def test_held_out_event():
    windows = held_out_event(np.array([0]), np.array([10]), np.array([15]), 2)
    assert (windows.start[0], windows.stop[0], windows.target[0], windows.end[0]) == (10, 13, 13, 14)
