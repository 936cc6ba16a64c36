"""The two components under TFX's own runners: caching, fingerprints, compilation."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kfp import components as kfp_components
from ml_metadata import MetadataStore
from tfx import v1 as tfx
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.types import artifact_utils

from components.nodes import interaction_example_gen
from components.nodes.interaction_example_gen import InteractionExampleGen
from components.nodes.item_example_gen import ItemExampleGen
from components.settings import DataSettings, InteractionColumns
from pipeline.graph.component_code import with_keys
from tests.components.ingestion.helpers import examples, log_of, settings_for, write_log
from trainer.errors import InputError


def pipeline_of(root, settings: DataSettings, code: str = "1") -> tfx.dsl.Pipeline:
    nodes = [InteractionExampleGen(settings, 50), ItemExampleGen(settings)]
    return tfx.dsl.Pipeline(
        "ingestion",
        str(root / "root"),
        components=with_keys(nodes, {node.id: code for node in nodes}),
        enable_cache=True,
        metadata_connection_config=sqlite_metadata_connection_config(str(root / "metadata.db")),
        beam_pipeline_args=["--direct_running_mode=in_memory", "--direct_num_workers=1"],
    )


def described(root) -> dict[str, tuple[list[str], str, str]]:
    """Component -> the splits and formats that MLMD knows of its examples."""
    store = MetadataStore(sqlite_metadata_connection_config(str(root / "metadata.db")))
    found = {}
    for artifact in store.get_artifacts_by_type("Examples"):
        splits = artifact_utils.decode_split_names(artifact.properties["split_names"].string_value)
        formats = [artifact.custom_properties[name].string_value for name in ("file_format", "payload_format")]
        found[artifact.uri.split("/")[-3]] = (sorted(splits), *formats)
    return found


def runs(root, component: str) -> int:
    return len(list((root / "root" / component / "examples").iterdir()))


@pytest.fixture
def settings(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({f"u{i}": "abcdefgh"[: 5 + i % 3] for i in range(60)}))
    pq.write_table(pa.table({"item_id": list("abcdefgh")}), tmp_path / "items.parquet")
    return settings_for(tmp_path, items="items.parquet")


def test_local_runs_are_cached_until_files_settings_or_code_change(tmp_path, settings):
    run = tfx.orchestration.LocalDagRunner().run
    counts = lambda: (runs(tmp_path, "InteractionExampleGen"), runs(tmp_path, "ItemExampleGen"))  # noqa: E731
    run(pipeline_of(tmp_path, settings))
    assert counts() == (1, 1)
    assert described(tmp_path) == {
        "InteractionExampleGen": (["test", "train", "valid"], "tfrecords_gzip", "FORMAT_TF_EXAMPLE"),
        "ItemExampleGen": (["items"], "tfrecords_gzip", "FORMAT_TF_EXAMPLE"),
    }
    out = next((tmp_path / "root" / "InteractionExampleGen" / "examples").iterdir())
    assert len(examples(out, "train")) > 30
    run(pipeline_of(tmp_path, settings))
    assert counts() == (1, 1)
    pq.write_table(pa.table({"item_id": list("abcdefgi")}), tmp_path / "items.parquet")
    run(pipeline_of(tmp_path, settings))
    assert counts() == (1, 2)
    write_log(tmp_path / "log.parquet", log_of({f"u{i}": "abcdefgh" for i in range(61)}))
    run(pipeline_of(tmp_path, settings))
    assert counts() == (2, 3)
    run(pipeline_of(tmp_path, settings, code="2"))
    assert counts() == (3, 4)
    wrong = settings.model_copy(update={"columns": InteractionColumns(user="nowhere")})
    with pytest.raises(InputError, match="has no column 'nowhere'"):
        run(pipeline_of(tmp_path, wrong))


def test_a_log_of_the_same_size_and_time_below_a_folder_named_like_a_pattern_is_read_again(tmp_path, settings):
    folder = tmp_path / "dir[1]{a}*"
    folder.mkdir()
    given = settings.model_copy(update={"directory": str(folder), "interactions": "log[1].csv", "items": None})
    log = folder / "log[1].csv"
    for item, expected in (("i", 1), ("x", 2), ("x", 2)):
        rows = [f"u{user},{item}{(user * 7 + time * 3) % 5},{time}" for user in range(10, 60) for time in range(10, 18)]
        log.write_text("\n".join(["user_id,item_id,timestamp", *rows]))
        os.utime(log, (1_600_000_000, 1_600_000_000))
        tfx.orchestration.LocalDagRunner().run(pipeline_of(tmp_path, given))
        assert (runs(tmp_path, "InteractionExampleGen"), runs(tmp_path, "ItemExampleGen")) == (expected, 1)
    newest = max((tmp_path / "root" / "InteractionExampleGen" / "examples").iterdir(), key=lambda out: int(out.name))
    assert {item[0] for example in examples(newest, "train") for item in example["history"]} == {"x"}


@pytest.mark.parametrize("table", ["interactions", "items"])
def test_a_table_that_matches_no_file_ends_the_run(tmp_path, settings, table):
    lost = settings.model_copy(update={table: "nothing[1].csv"})
    with pytest.raises(InputError, match=rf"nothing\[1\].csv \(data.{table}\) does not exist"):
        tfx.orchestration.LocalDagRunner().run(pipeline_of(tmp_path, lost))
    assert not list(tmp_path.glob("root/*/examples/*/Split-*"))


def test_examples_of_a_log_that_is_written_to_meanwhile_are_refused(tmp_path, settings, monkeypatch):
    def ingest_and_append(given, max_history, directory, make_pipeline):
        write_log(tmp_path / "log.parquet", log_of({f"u{i}": "abcdefgh" for i in range(61)}))

    monkeypatch.setattr(interaction_example_gen, "ingest_interactions", ingest_and_append)
    with pytest.raises(InputError, match=r"log.parquet \(data.interactions\) in .* changed while it was read"):
        tfx.orchestration.LocalDagRunner().run(pipeline_of(tmp_path, settings))


def test_they_compile_for_kubeflow(tmp_path, settings):
    config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        default_image="example/polyrec:1", use_pipeline_spec_2_1=True
    )
    compiled = tmp_path / "pipeline.yaml"
    tfx.orchestration.experimental.KubeflowV2DagRunner(config, output_filename=str(compiled)).run(
        pipeline_of(tmp_path, settings)
    )
    text = compiled.read_text()
    assert "components.nodes.interaction_example_gen.InteractionExecutor" in text
    assert "components.nodes.item_example_gen.ItemExecutor" in text
    kfp_components.load_component_from_file(str(compiled))
