"""The two components under TFX's own runners: caching, fingerprints, compilation."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kfp import components as kfp_components
from ml_metadata import MetadataStore
from tfx import v1 as tfx
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.types import artifact_utils

from components.interaction_example_gen import InteractionExampleGen
from components.item_example_gen import ItemExampleGen
from components.settings import DataSettings, InteractionColumns
from tests.components.ingestion_helpers import examples, log_of, settings_for, write_log
from trainer.errors import InputError


def pipeline_of(root, settings: DataSettings, code: str = "1") -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(
        "ingestion",
        str(root / "root"),
        components=[InteractionExampleGen(settings, 50, code), ItemExampleGen(settings, code)],
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
    write_log(tmp_path / "log.parquet", log_of({f"u{i}": "abcdefgh" for i in range(61)}))
    run(pipeline_of(tmp_path, settings))
    assert counts() == (2, 1)
    run(pipeline_of(tmp_path, settings, code="2"))
    assert counts() == (3, 2)
    wrong = settings.model_copy(update={"columns": InteractionColumns(user="nowhere")})
    with pytest.raises(InputError, match="has no column 'nowhere'"):
        run(pipeline_of(tmp_path, wrong))


def test_they_compile_for_kubeflow(tmp_path, settings):
    config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        default_image="example/polyrec:1", use_pipeline_spec_2_1=True
    )
    compiled = tmp_path / "pipeline.yaml"
    tfx.orchestration.experimental.KubeflowV2DagRunner(config, output_filename=str(compiled)).run(
        pipeline_of(tmp_path, settings)
    )
    text = compiled.read_text()
    assert "components.interaction_example_gen.InteractionExecutor" in text
    assert "components.item_example_gen.ItemExecutor" in text
    kfp_components.load_component_from_file(str(compiled))
