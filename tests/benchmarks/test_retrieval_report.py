import json

from benchmarks.retrieval import report

HEALTH = {
    "active_interests": 4.0,
    "effective_interests": 3.0,
    "interest_use": 0.75,
    "interest_alone_share_at_50": 0.6,
    "interest_cosine": 0.9,
}


def _write(folder, row, seed, recall, overlap):
    metrics = {name: recall for name in report.columns().values()} | HEALTH | {"interest_overlap_at_50": overlap}
    measured = {"training_cpu_seconds": 2.0, "targets": 100, "parameters": 7}
    (folder / f"{row}-{seed}.json").write_text(json.dumps({"metrics": metrics, "report": measured}))


def test_quality_and_health_of_every_row_that_has_all_seeds(tmp_path, capsys):
    folder = tmp_path / "shop"
    folder.mkdir()
    for seed, (one, four, overlap) in enumerate([(0.10, 0.12, 0.4), (0.20, 0.26, 0.6)], start=1):
        _write(folder, "two_tower", seed, one, float("nan"))
        _write(folder, "comirec_sa", seed, four, overlap)
        popular = {name: 0.05 for name in report.columns().values()}
        (folder / f"baselines-{seed}.json").write_text(json.dumps({"popularity": popular}))
    _write(folder, "mind", 1, 0.9, 0.1)
    report.show(tmp_path, ("shop",), (1, 2))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines] == [
        *("| model", "| comirec_sa", "| two_tower", "| popularity"),
        *("| model", "| comirec_sa"),
    ]
    # Means of 12 and 26; standard error |26 - 12| / 2. Ahead by 2 and 6. 50 targets a CPU-second.
    assert lines[1].endswith("| 19.00 ± 7.00 | 4.00 ± 2.00 | 2 | 50 | 7 |")
    assert lines[5] == (
        "| comirec_sa | 0.50 ± 0.10 | 0.60 ± 0.00 | 3.00 ± 0.00 | 4.00 ± 0.00 | 0.90 ± 0.00 | 0.75 ± 0.00 |"
    )
    assert (tmp_path / report.PICTURE).exists()
