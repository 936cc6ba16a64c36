import json

import numpy as np
import pytest

from benchmarks.retrieval import report
from benchmarks.retrieval.differences import Difference, over_sets, to_single, to_whole
from benchmarks.retrieval.measured import read
from benchmarks.retrieval.one_model import HALF
from trainer.metrics import table

USERS = 6


def _write(folder, row, seed, recall, *, best=0.1, temperature=0.1, overlap=np.nan):
    """Recall@50 as given of each user; every other metric is 0.25."""
    users = {name: np.full(USERS, 0.25, np.float32) for name in table.model_metrics()}
    users |= {HALF + name: values for name, values in users.items()}
    users |= {table.RECALL: np.array(recall, np.float32), table.OVERLAP: np.full(USERS, overlap, np.float32)}
    users[table.HISTORY_DIVERSITY] = np.arange(USERS, dtype=np.float32)
    np.savez_compressed(folder / f"{row}-{seed}.npz", **users)
    measured = {"training_cpu_seconds": 2.0, "targets": 100, "parameters": 7, "steps": 40, "best": best}
    measured["settings"] = {"temperature": temperature}
    means = {name: float(values.mean()) for name, values in users.items() if not name.startswith(HALF)}
    (folder / f"{row}-{seed}.json").write_text(json.dumps({"metrics": means, "report": measured}))


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for seed in (1, 2):
        # On validation users the first temperature is better with seed 1, the second with seed 2.
        _write(folder, "two_tower 0.1", seed, [0, 0, 0, 0, 0, 0], best=0.3 - 0.1 * seed, temperature=0.1)
        _write(folder, "two_tower 0.15", seed, [0, 0, 0, 0, 0, 1], best=0.15, temperature=0.15)
        _write(folder, "octopus 0.1", seed, [1, 1, 1, 1, 1, 1], temperature=0.1)
        _write(folder, "octopus 0.15", seed, [0, 0, 0, 0, 1, 1], best=0.2, temperature=0.15, overlap=0.4)
        for temperature in (0.1, 0.15):
            _write(folder, f"octopus_one {temperature}", seed, [0, 0, 0, 1, 1, 1], temperature=temperature)
        _write(folder, "shrinkage_with_prior 0.15", seed, [0, 0, 0, 1, 1, 1], temperature=0.15)
        _write(folder, "no_prior", seed, [0, 1, 0, 1, 1, 1], temperature=0.15, overlap=0.5)
        (folder / f"baselines-{seed}.json").write_text(json.dumps({"popularity": {table.RECALL: 0.05}}))
    _write(folder, "miracle", 1, [1, 1, 1, 1, 1, 1], overlap=0.1)
    return tmp_path


def test_differences_are_paired_with_the_single_vector_of_the_validated_temperature(shop):
    content = read(shop / "shop", (1, 2))
    assert content.temperatures("two_tower") == [0.1, 0.15] and content.temperatures("octopus") == [0.15, 0.15]
    assert content.cpu_seconds["octopus"] == 4.0
    found = to_single(content, "octopus")
    # Users' differences: seed 1 (0 0 0 0 1 1), seed 2 (0 0 0 0 1 0): mean 3 / 12, variance 12 / 11 * 1/4 * 3/4.
    mean, error, seeds = found["Recall@50"]
    assert (mean, error) == pytest.approx((0.25, (0.25 * 0.75 / 11) ** 0.5))
    assert seeds == pytest.approx((2 / 6, 1 / 6))
    # The third of the most diverse histories are the last two users, of both seeds: differences 1, 1, 1, 0.
    assert found["Recall@50, diverse"].mean == pytest.approx(0.75)
    assert found["Recall@50, focused"].mean == 0
    # At 0.15, its own temperature, the single vector finds the last user in both seeds: one user of six.
    assert found["equal temperature"].mean == pytest.approx(1 / 6)
    assert found["one interest"].mean == pytest.approx(-1 / 6)
    assert "one interest" not in to_single(content, "octopus_one")


def test_a_changed_part_is_compared_with_the_whole_at_the_same_temperature(shop):
    found = to_whole(read(shop / "shop", (1, 2)))
    assert list(found) == ["no_prior"]
    assert found["no_prior"]["Recall@50"].mean == pytest.approx(1 / 6)


def test_a_mean_over_data_sets_counts_them_alike():
    both = over_sets([Difference(0.02, 0.003), Difference(0.04, 0.004)])
    assert both[:2] == pytest.approx((0.03, 0.0025))
    assert str(over_sets([Difference(0.02, 0.003), Difference(np.nan, np.nan)])) == "+2.00 ± 0.30"


def test_what_is_printed(shop, capsys):
    report.show(shop, ("shop", "nothing"), (1, 2))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    # Quality, differences, interests, ablations; a row that lacks a seed or a temperature is left out, as are the
    # interests of single vectors.
    assert [line.split(" | ")[0] for line in lines] == [
        *("| model", "| octopus_one", "| octopus", "| two_tower", "| popularity"),
        *("| model", "| octopus_one", "| octopus"),
        *("| model", "| octopus"),
        *("| changed", "| no_prior"),
    ]
    # 40 steps, 50 targets a CPU-second, half of the sequences given last of the metrics.
    assert lines[2].startswith("| octopus | 0.15, 0.15 | 25.00 | 33.33 |")
    assert lines[2].endswith("| 25.00 | 2 of 4 | 40 | 50 | 7 |")
    assert lines[9].startswith("| octopus | 0.40 |")
    assert lines[-1].startswith("| no_prior | +16.67 ± ") and lines[-1].endswith(" | 0.50 |")
    assert (shop / report.PICTURE).exists()
