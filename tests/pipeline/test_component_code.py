"""A changed line of code: exactly the components that run it get another key."""

import shutil
import sys

import pytest

from pipeline import code_fingerprint, component_code
from pipeline.code_fingerprint import PACKAGES, ROOT, Sources
from pipeline.component_code import code_keys
from pipeline.config import load
from pipeline.graph import create_pipeline
from trainer.errors import InputError
from trainer.models import registry

INGESTION = {"InteractionExampleGen", "ItemExampleGen"}
TRAINERS = {"Trainer", "TwoTowerTrainer"}
EVALUATORS = {"Evaluator", "TwoTowerEvaluator"}
COMPARISON = {"Comparison"}
SERVING = {"IndexBuilder", "ServingValidator"}
ALL = (
    INGESTION
    | TRAINERS
    | EVALUATORS
    | COMPARISON
    | SERVING
    | {"TextEncoder", "SchemaGen", "DataGate", "Transform", "Pusher"}
)

# What runs each file, worked out by reading. The model is comirec_sa.
RUNS = {
    "trainer/__init__.py": ALL,
    "trainer/schema.py": ALL - {"Pusher"},
    "trainer/errors.py": ALL - {"Transform"} - COMPARISON,
    "trainer/run_fn.py": TRAINERS,
    "trainer/fitting.py": TRAINERS,
    "trainer/schedule.py": TRAINERS,
    "trainer/optimizer.py": TRAINERS,
    "trainer/temperature.py": TRAINERS,
    "trainer/export.py": TRAINERS,
    "trainer/metrics/ranking.py": TRAINERS | EVALUATORS | COMPARISON,
    "trainer/metrics/table.py": TRAINERS | EVALUATORS | COMPARISON,
    "trainer/user_metrics.py": TRAINERS,
    "trainer/losses/sampled_softmax.py": TRAINERS,
    "trainer/models/base.py": TRAINERS,
    "trainer/models/comirec.py": {"Trainer"},
    "trainer/layers/self_attentive.py": {"Trainer"},
    "trainer/models/two_tower.py": {"TwoTowerTrainer"},
    "trainer/layers/masked_mean.py": {"TwoTowerTrainer"},
    "trainer/models/mind.py": set(),
    "trainer/layers/capsule.py": set(),
    "trainer/analysis/prototypes.py": set(),
    "trainer/preprocessing.py": TRAINERS | {"Transform", "DataGate"},
    "trainer/retrieval.py": TRAINERS | SERVING | EVALUATORS | COMPARISON,
    "trainer/item_filter.py": TRAINERS | SERVING,
    "trainer/text_vectors.py": TRAINERS | SERVING | {"TextEncoder"},
    "serving/__init__.py": SERVING | {"Pusher", "DataGate"},
    "serving/index/scann.py": SERVING,
    "serving/index/exact.py": SERVING,
    "serving/bundle.py": SERVING,
    "serving/manifest.py": SERVING | {"Pusher"},
    "serving/server.py": {"ServingValidator"},
    "serving/batching.py": {"ServingValidator"},
    "serving/rest/api.py": {"ServingValidator"},
    "serving/validation.py": {"ServingValidator"},
    "serving/push.py": {"Pusher"},
    "serving/refreshed_items.py": set(),
    "components/settings.py": INGESTION | EVALUATORS | {"TextEncoder"},
    "components/ingestion/flow.py": {"InteractionExampleGen"},
    "components/ingestion/windows.py": INGESTION | {"TextEncoder"},
    "components/ingestion/catalogue.py": {"ItemExampleGen", "TextEncoder"},
    "components/ingestion/tables.py": INGESTION | {"TextEncoder"},
    "components/ingestion/domains.py": set(),
    "components/interaction_example_gen.py": {"InteractionExampleGen"},
    "components/item_example_gen.py": {"ItemExampleGen"},
    "components/text/tfidf.py": {"TextEncoder"},
    "components/text_encoder.py": {"TextEncoder"},
    "components/data_gate.py": {"DataGate"},
    "components/data_schema.py": {"SchemaGen"},
    "components/trainer.py": TRAINERS,
    "components/evaluation.py": EVALUATORS,
    "components/evaluator.py": EVALUATORS,
    "components/over_baseline.py": EVALUATORS,
    "components/paired.py": EVALUATORS | COMPARISON,
    "components/comparison.py": COMPARISON,
    "components/profile_evaluation.py": set(),
    "components/index_builder.py": {"IndexBuilder"},
    "components/serving_validator.py": {"ServingValidator"},
    "components/pusher.py": {"Pusher"},
    "components/audience.py": set(),
    "pipeline/graph.py": set(),
    "pipeline/result_table.py": set(),
    "pipeline/findings.py": set(),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    root = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="module")
def before(sources):
    return code_keys(load("comirec_sa"), sources)


@pytest.mark.parametrize("file", RUNS)
def test_a_changed_line_runs_exactly_the_components_that_run_it(sources, before, file):
    path = sources / file
    content = path.read_bytes()
    path.write_bytes(content + b"\nCHANGED = 1\n")
    try:
        after = code_keys(load("comirec_sa"), sources)
    finally:
        path.write_bytes(content)
    assert before.keys() == after.keys() == ALL
    assert {component for component in ALL if before[component] != after[component]} == RUNS[file]


def test_of_a_model_of_profiles_it_is_its_own_evaluation(sources):
    closures = {}

    class Recorded(Sources):
        def key(self, modules):
            closures[modules] = self.closure(modules)
            return super().key(modules)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(component_code, "Sources", Recorded)
        keys = code_keys(load("mvke"), sources)
    assert keys["Evaluator"] == keys["TwoTowerEvaluator"] != keys["Trainer"]
    (evaluation,) = [found for modules, found in closures.items() if "components.evaluator" in modules]
    assert {"components.profile_evaluation", "components.evaluation", "trainer.metrics.tags"} <= evaluation
    trainers = [found for modules, found in closures.items() if "trainer.run_fn" in modules]
    assert [{"trainer.models.mvke", "trainer.models.shared_bottom"} & found for found in trainers] == [
        {"trainer.models.mvke"},
        {"trainer.models.shared_bottom"},
    ]


def test_every_component_that_runs_ours_has_its_key_among_its_parameters(monkeypatch):
    keys = {component: f"code of {component}." for component in ALL}
    monkeypatch.setattr("pipeline.graph.code_keys", lambda config: keys)
    config = load("miracle_text", ["pipeline.root=/runs", "serving.directory=/served"])
    nodes = {node.id: node for node in create_pipeline(config).components}
    stock = {"StatisticsGen", "ExampleValidator", "LastAcceptedStatistics", "LastBlessedModel"}
    assert nodes.keys() - stock == ALL
    for name in ALL:
        stated = str(nodes[name].exec_properties)
        assert [other for other in ALL if keys[other] in stated] == [name]


def test_a_library_s_version_counts_where_it_is_imported(monkeypatch):
    first = code_keys(load("comirec_sa"))
    version = code_fingerprint._version
    monkeypatch.setattr(code_fingerprint, "_version", lambda name: "0" if name == "scann" else version(name))
    second = code_keys(load("comirec_sa"))
    assert {component for component in ALL if first[component] != second[component]} == SERVING
    monkeypatch.setattr(code_fingerprint, "_version", lambda name: "0" if name == "tensorflow" else version(name))
    third = code_keys(load("comirec_sa"))
    assert {component for component in ALL if first[component] == third[component]} <= {
        "Pusher",
        "DataGate",
    } | EVALUATORS


def test_no_file_of_ours_imports_by_a_computed_name():
    sources = Sources()
    for path in sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        sources.closure([".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")])


def test_a_model_without_a_file_is_refused(monkeypatch):
    """Such as one from a cell of a notebook: the cache could not see it change."""
    config = load("comirec_sa")
    monkeypatch.setattr(registry.get("comirec_sa"), "__module__", "__main__")
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    with pytest.raises(InputError, match=r"comirec_sa is a class of __main__, which is no file"):
        code_keys(config)
