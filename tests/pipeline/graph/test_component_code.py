"""A changed line of code: exactly the components that run it get another key."""

import shutil
import sys

import pytest

from pipeline.config.run import load
from pipeline.graph import code_fingerprint, component_code
from pipeline.graph.build import create_pipeline
from pipeline.graph.code_fingerprint import PACKAGES, ROOT, Sources
from pipeline.graph.component_code import code_keys
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
    "trainer/data/schema.py": ALL - {"Pusher"},
    "trainer/errors.py": ALL - {"Transform"} - COMPARISON,
    "trainer/storage_paths.py": INGESTION | TRAINERS | SERVING | {"TextEncoder", "Pusher"},
    "trainer/run_fn.py": TRAINERS,
    "trainer/families/retrieval.py": TRAINERS,
    "trainer/families/tag_profiles.py": TRAINERS,
    "trainer/training/loop.py": TRAINERS,
    "trainer/training/schedule.py": TRAINERS,
    "trainer/training/optimizer.py": TRAINERS,
    "trainer/training/temperature.py": TRAINERS,
    "trainer/export/retrieval.py": TRAINERS,
    "trainer/metrics/ranking.py": TRAINERS | EVALUATORS | COMPARISON,
    "trainer/metrics/table.py": TRAINERS | EVALUATORS | COMPARISON,
    "trainer/metrics/exposure.py": TRAINERS | EVALUATORS | COMPARISON,
    "trainer/metrics/novelty.py": TRAINERS | EVALUATORS | COMPARISON,
    "trainer/metrics/user_metrics.py": TRAINERS,
    "trainer/losses/sampled_softmax.py": TRAINERS,
    "trainer/models/retrieval/base.py": TRAINERS,
    "trainer/models/retrieval/loss.py": TRAINERS,
    "trainer/models/retrieval/comirec.py": {"Trainer"},
    "trainer/layers/interests/self_attentive.py": {"Trainer"},
    "trainer/models/retrieval/two_tower.py": {"TwoTowerTrainer"},
    "trainer/layers/history/masked_mean.py": {"TwoTowerTrainer"},
    "trainer/models/retrieval/mind.py": set(),
    "trainer/layers/interests/capsule.py": set(),
    "trainer/analysis/prototypes.py": set(),
    "trainer/data/preprocessing.py": TRAINERS | {"Transform", "DataGate"},
    "trainer/ranking/top_k.py": TRAINERS | SERVING | EVALUATORS | COMPARISON,
    "trainer/ranking/filters.py": TRAINERS | SERVING,
    "trainer/data/text_vectors.py": TRAINERS | SERVING | {"TextEncoder"},
    "serving/__init__.py": SERVING | {"Pusher", "DataGate"},
    "serving/index/scann.py": SERVING,
    "serving/index/exact.py": SERVING,
    "serving/families/tag_profiles.py": SERVING,
    "serving/publish/writer.py": SERVING,
    "serving/bundle/manifest.py": SERVING | {"Pusher"},
    "serving/server/server.py": {"ServingValidator"},
    "serving/runtime/batching.py": {"ServingValidator"},
    "serving/ports/rest/api.py": {"ServingValidator"},
    "serving/validation/validate.py": {"ServingValidator"},
    "serving/publish/push.py": {"Pusher"},
    "serving/publish/item_changes.py": set(),
    "components/settings.py": INGESTION | EVALUATORS | {"TextEncoder"},
    "components/ingestion/flow.py": {"InteractionExampleGen"},
    "components/ingestion/cut/windows.py": INGESTION | {"TextEncoder"},
    "components/ingestion/write/catalogue.py": {"ItemExampleGen", "TextEncoder"},
    "components/ingestion/files/tables.py": INGESTION | {"TextEncoder"},
    "components/ingestion/files/file_systems.py": INGESTION | {"TextEncoder"},
    "components/ingestion/domains.py": set(),
    "components/ingestion/table_example_gen.py": INGESTION,
    "components/validation/anomalies.py": {"DataGate"},
    "components/validation/drift.py": {"DataGate"},
    "components/validation/outliers.py": {"DataGate"},
    "components/validation/growth.py": {"SchemaGen"},
    "components/validation/schema_file.py": {"SchemaGen"},
    "components/execution.py": INGESTION | TRAINERS | EVALUATORS | {"ServingValidator", "Pusher"},
    "components/cluster_push.py": {"Pusher"},
    "components/push_log.py": {"Pusher"},
    "components/evaluation/verdict.py": EVALUATORS,
    "components/nodes/interaction_example_gen.py": {"InteractionExampleGen"},
    "components/nodes/item_example_gen.py": {"ItemExampleGen"},
    "components/text/tfidf.py": {"TextEncoder"},
    "components/nodes/text_encoder.py": {"TextEncoder"},
    "components/nodes/data_gate.py": {"DataGate"},
    "components/nodes/data_schema.py": {"SchemaGen"},
    "components/nodes/trainer.py": TRAINERS,
    "components/evaluation/all_users.py": EVALUATORS,
    "components/evaluation/retrieval.py": EVALUATORS,
    "components/nodes/evaluator.py": EVALUATORS,
    "components/evaluation/over_baseline.py": EVALUATORS,
    "components/evaluation/paired.py": EVALUATORS | COMPARISON,
    "components/nodes/comparison.py": COMPARISON,
    "components/evaluation/tag_profiles.py": set(),
    "components/nodes/index_builder.py": {"IndexBuilder"},
    "components/nodes/serving_validator.py": {"ServingValidator"},
    "components/nodes/pusher.py": {"Pusher"},
    "components/jobs/audience.py": set(),
    "pipeline/graph/build.py": set(),
    "pipeline/results/result_table.py": set(),
    "pipeline/families/retrieval.py": set(),
    "pipeline/families/findings.py": set(),
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
    (evaluation,) = [found for modules, found in closures.items() if "components.nodes.evaluator" in modules]
    assert {
        "components.evaluation.tag_profiles",
        "components.evaluation.retrieval",
        "trainer.metrics.tags",
    } <= evaluation
    trainers = [found for modules, found in closures.items() if "trainer.run_fn" in modules]
    assert [
        {"trainer.models.tag_profiles.mvke", "trainer.models.tag_profiles.shared_bottom"} & found for found in trainers
    ] == [
        {"trainer.models.tag_profiles.mvke"},
        {"trainer.models.tag_profiles.shared_bottom"},
    ]


def test_every_component_that_runs_ours_has_its_key_among_its_parameters(monkeypatch):
    keys = {component: f"code of {component}." for component in ALL}
    monkeypatch.setattr("pipeline.graph.build.code_keys", lambda config: keys)
    config = load("miracle_text", ["pipeline.root=/runs", "serving.directory=/served"])
    nodes = {node.id: node for node in create_pipeline(config).components}
    stock = {"StatisticsGen", "ExampleValidator", "LastAcceptedStatistics", "LastBlessedModel"}
    assert nodes.keys() - stock == ALL
    for name in ALL:
        stated = str(nodes[name].exec_properties)
        assert [other for other in ALL if keys[other] in stated] == [name]


def test_a_curated_schema_has_the_key_of_the_code_that_reads_it(tmp_path):
    (tmp_path / "schema.pbtxt").write_text('feature {name: "a"}')
    config = load("comirec_sa", [f"validation.schema_path={tmp_path}/schema.pbtxt"])
    nodes = {node.id: node for node in create_pipeline(config).components}
    assert nodes["ImportSchemaGen"].exec_properties["code_fingerprint"] == code_keys(config)["ImportSchemaGen"]
    assert code_keys(config)["ImportSchemaGen"] == code_keys(load("comirec_sa"))["SchemaGen"]


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
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(InputError, match=r"comirec_sa is a class of __main__, which is no file"):
        code_keys(config)
