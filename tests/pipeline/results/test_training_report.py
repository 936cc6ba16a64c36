import json
from types import SimpleNamespace

from pipeline.results.training_report import training_line, training_reports

MODEL = {
    **{"settings": {"name": "comirec_sa"}, "training_cpu_seconds": 41.4, "steps": 2600, "best_step": 2000},
    **{"converged": True, "temperature": {"temperature": 0.1, "tried": {"0.1": 0.3, "0.15": 0.2}, "cpu_seconds": 7.6}},
}
BASELINE = {
    **{"settings": {"name": "two_tower"}, "training_cpu_seconds": 12.0, "steps": 1200, "best_step": 1200},
    **{"converged": False, "temperature": {"temperature": 0.15, "tried": {}, "cpu_seconds": 0.0}},
}


def test_both_trainings_are_told(tmp_path):
    outputs = {}
    for component, report in (("Trainer", MODEL), ("TwoTowerTrainer", BASELINE)):
        (tmp_path / component).mkdir()
        (tmp_path / component / "training.json").write_text(json.dumps(report))
        outputs[component] = {"model_run": SimpleNamespace(uri=str(tmp_path / component))}
    assert training_line(training_reports(outputs)) == (
        "Training: comirec_sa 41 CPU s (best at step 2,000 of 2,600, temperature 0.1, 8 CPU s to choose it); "
        "two_tower 12 CPU s (best at step 1,200 of 1,200, ended by max_steps)."
    )
    del outputs["TwoTowerTrainer"]
    assert training_line(training_reports(outputs)).endswith("8 CPU s to choose it).")
