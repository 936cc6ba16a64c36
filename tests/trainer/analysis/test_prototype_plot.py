import numpy as np
import pytest

from trainer.analysis.prototype_plot import plot_categories

COUNTS = np.array([[3, 0, 0], [0, 0, 0], [1, 0, 5]])


@pytest.mark.parametrize("ending, magic", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_file_of_the_wanted_kind(tmp_path, ending, magic):
    path = tmp_path / f"plot.{ending}"
    plot_categories(COUNTS, ["a", "b", "c"], "title", str(path))
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_there_is_is_drawn(tmp_path):
    path = tmp_path / "plot.svg"
    plot_categories(COUNTS, ["drama", "unused", "western"], "NMI 0.5", str(path))
    drawn = path.read_text()
    for words in ("drama", "western", "0 (3)", "2 (6)", "NMI 0.5"):
        assert f"<!-- {words} -->" in drawn
    assert "unused" not in drawn and "1 (0)" not in drawn


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"3 names. Received: 9, 1"):
        plot_categories(COUNTS, ["a"], "", str(tmp_path / "plot.png"))
    with pytest.raises(ValueError, match="Received: 0, 3"):
        plot_categories(COUNTS * 0, ["a", "b", "c"], "", str(tmp_path / "plot.png"))
