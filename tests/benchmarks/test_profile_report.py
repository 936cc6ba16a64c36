import json

import numpy as np
import pytest

from benchmarks.tag_profiles import measure, report, truth
from benchmarks.tag_profiles.__main__ import rows_of


def _write(folder, row, seed, aucs, precision=0.5, found=None):
    metrics = {f"{name}_{task}": value for task, value in aucs.items() for name in ("auc", "log_loss")}
    metrics |= {f"positive_{task}": 10.0 * seed for task in aucs}
    metrics |= {f"precision_at_{k}": precision for k in measure.CUTOFFS}
    metrics |= {f"popularity_precision_at_{k}": 0.25 for k in measure.CUTOFFS}
    trained = {"training_cpu_seconds": 2.0, "targets": 4000, "parameters": 7, "best_step": 100}
    content = {"metrics": metrics, "report": trained}
    if found:
        content["recovered"] = {f"{name}_{task}": value for task, value in found.items() for name in ("found", "auc")}
        content["recovered"] |= {f"popular_found_{task}": 0.125 for task in found}
        content["ceiling"] = {f"auc_{task}": 0.9 for task in aucs}
    (folder / f"{row}-{seed}.json").write_text(json.dumps(content))


def test_rows_that_have_all_seeds_and_their_differences(tmp_path, capsys):
    folder = tmp_path / "shop"
    folder.mkdir()
    for seed, (multi, single) in enumerate([(0.60, 0.58), (0.70, 0.64)], start=1):
        both = {"click": multi, "conversion": multi}
        _write(folder, "mvke", seed, both, found=both)
        _write(folder, "mvke_conversion", seed, {"conversion": single}, found={"conversion": single})
    _write(folder, "mmoe", 1, {"click": 0.9})
    report.show(tmp_path, ("shop", "nowhere"), (1, 2))
    lines = capsys.readouterr().out.splitlines()
    assert not any("mmoe" in line for line in lines)
    # Means of 60 and 70; standard error |70 - 60| / 2; 2000 impressions a CPU-second.
    assert next(line for line in lines if line.startswith("| mvke |")) == (
        "| mvke | 65.00 ± 5.00 | 65.00 ± 5.00 | 50.00 ± 0.00 | 50.00 ± 0.00 | 50.00 ± 0.00 | 50.00 ± 0.00 | "
        "0.6500 ± 0.0500 | 0.6500 ± 0.0500 | 2,000 | 7 | 100 |"
    )
    # A model of the later task alone has no precision of clicks.
    assert next(line for line in lines if line.startswith("| mvke_conversion |")).startswith(
        "| mvke_conversion |  | 61.00 ± 3.00 |  |  |  |  |  | 0.6100"
    )
    assert "| popularity |  |  | 25.00 ± 0.00 | 25.00 ± 0.00 | 25.00 ± 0.00 | 25.00 ± 0.00 |  |  |  |  |  |" in lines
    assert any(line.startswith("| known preferences | 90.00 ± 0.00 | 90.00 ± 0.00 |") for line in lines)
    assert "| mvke - mvke_conversion |  | +4.00 ± 2.00 |  |" in lines
    assert "| popularity | 12.50 ± 0.00 |  | 12.50 ± 0.00 |  |" in lines
    assert "conversion, found: mvke - mvke_conversion = +4.00 ± 2.00" in lines
    assert "Positive test impressions of click: 10 to 20." in lines


def test_what_does_not_count_is_left_out():
    examples = measure.Examples(
        users=np.array(["u1", "u1", "u2", "u2"]),
        items=np.array(["a", "b", "a", "b"]),
        labels={"click": np.array([1.0, 0, 1, 0]), "conversion": np.array([1.0, 0, 0, 1])},
        weights={"click": np.ones(4), "conversion": np.array([1.0, 0, 1, 0])},
    )
    answers = {
        "click": np.array([0.8, 0.4, 0.3, 0.2]),
        "conversion": np.array([0.5, 0.9, 0.6, 0.9]),
        "precision_at_1": np.array([1.0, np.nan, 0.5, np.nan]),
    }
    found = measure.metrics(answers, examples)
    # Of 2 x 2 pairs three are in order; the only pair of conversions is not.
    assert found["auc_click"] == 0.75
    assert found["auc_conversion"] == 0.0
    assert found["log_loss_conversion"] == pytest.approx(-(np.log(0.5) + np.log(0.4)) / 2)
    assert found["precision_at_1"] == 0.75
    assert measure.first_of_each_user(examples.users).tolist() == [0, 2]


def test_liked_tags_among_the_best():
    scores = np.array([[9.0, 8, 7, 6, 5, 4, 3, 2], [2.0, 3, 4, 5, 6, 7, 8, 9]])
    liked = np.array([[1, 1, 1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 0, 1, 0, 0]], dtype=bool)
    # The five best hold four of the first user's liked tags, and of the second user's tags 3 and 5.
    assert truth.found(scores, liked) == pytest.approx((4 / 5 + 2 / 5) / 2)
    # Of 5 x 3 pairs one is in the wrong order; of the second user, only that one is not.
    assert truth.auc_by_row(scores, liked) == pytest.approx((14 / 15 + 1 / 15) / 2)
    assert truth.auc_by_row(np.zeros((1, 8)), liked[:1]) == 0.5


def test_rows_of_one_task_belong_to_logs_of_several():
    assert {"mvke", "mvke_conversion", "utpm_no_cross"} <= set(rows_of("synthetic", ()))
    assert list(rows_of("lastfm", ("mvke", "mvke_click", "mvke_conversion"))) == ["mvke"]
    assert rows_of("lastfm", ("utpm_mean",)) == {"utpm_mean": {"name": "utpm", "tag_pooling": "mean"}}
