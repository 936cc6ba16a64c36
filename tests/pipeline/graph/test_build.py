"""What of the configuration's files and folders is in the graph."""

import os

import pytest

from pipeline.config.run import load, with_absolute_paths
from pipeline.graph.build import create_pipeline
from pipeline.kubeflow_runner import compile_pipeline
from trainer.errors import InputError


def _config(folder, *overrides):
    return with_absolute_paths(load("comirec_sa", overrides), folder)


def test_a_curated_schema_counts_by_its_content(tmp_path):
    path, keys = tmp_path / "schema.pbtxt", []
    for content in ('feature {name: "a"}', 'feature {name: "b"}', 'feature {name: "a"}'):
        path.write_text(content)
        os.utime(path, (1_600_000_000, 1_600_000_000))
        nodes = {n.id: n for n in create_pipeline(_config(tmp_path, "validation.schema_path=schema.pbtxt")).components}
        assert "SchemaGen" not in nodes
        keys.append(nodes["ImportSchemaGen"].exec_properties["content"])
    assert keys[0] == keys[2] != keys[1]


def test_a_curated_schema_that_is_not_there_is_wrong_input_and_on_a_cluster_it_may_be(tmp_path):
    volume = f"kubeflow.volumes={{work: {tmp_path}}}"
    config = _config(tmp_path, "validation.schema_path=nothing.pbtxt", "pipeline.name=shop", volume)
    with pytest.raises(InputError, match=r"nothing.pbtxt does not exist"):
        create_pipeline(config)
    compile_pipeline(config, tmp_path / "pipeline.yaml", "polyrec:1")


def test_tfx_works_in_a_root_named_like_a_pattern_through_a_link(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "r[1]" / "runs"
    root.mkdir(parents=True)
    pipeline = create_pipeline(_config(tmp_path, "pipeline.root=r[1]/runs", "pipeline.name=shop"))
    assert "[" not in pipeline.pipeline_info.pipeline_root
    os.makedirs(pipeline.pipeline_info.pipeline_root)
    assert (root / "shop" / "artifacts").is_dir()


@pytest.mark.parametrize("key", ["pipeline.root", "serving.directory"])
def test_on_a_cluster_such_a_folder_is_refused(tmp_path, key):
    config = _config(tmp_path, f"{key}=r[1]/runs", "pipeline.name=shop")
    with pytest.raises(InputError, match=rf"{key}: .*r\[1\]/runs has \[ in it"):
        compile_pipeline(config, tmp_path / "pipeline.yaml", "polyrec:1")


@pytest.mark.parametrize("missing", ["evaluation.baseline=false", "model={name: two_tower}"])
def test_a_threshold_on_the_difference_to_a_baseline_that_is_not_trained_is_refused(tmp_path, missing):
    config = _config(tmp_path, "evaluation.thresholds.recall_at_50_over_baseline=0.005", missing)
    with pytest.raises(InputError, match="recall_at_50_over_baseline asks for a difference to the baseline"):
        create_pipeline(config)


def test_a_threshold_on_the_difference_is_the_evaluators(tmp_path):
    config = _config(tmp_path, "evaluation.thresholds.recall_at_50_over_baseline=0.005")
    nodes = {node.id: node for node in create_pipeline(config).components}
    assert "recall_at_50_over_baseline" in nodes["Evaluator"].exec_properties["over_baseline"]
    assert nodes["Comparison"] in nodes["Evaluator"].upstream_nodes
    assert nodes["TwoTowerEvaluator"].exec_properties["over_baseline"] == "{}"
