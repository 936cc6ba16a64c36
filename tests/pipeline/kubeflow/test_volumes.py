"""What steps read and write is on a volume or behind a URL."""

from pathlib import Path

import pytest

from pipeline.config.run import load, with_absolute_paths
from pipeline.kubeflow.volumes import refuse_unmounted
from trainer.errors import InputError

CONFIGURATION = """
data: {directory: data, interactions: log.csv, items: items.csv}
model: {name: comirec_sa}
serving: {directory: /served/shop}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(CONFIGURATION)
    return lambda *overrides: with_absolute_paths(load(str(path), overrides), Path("/shop"))


def told(config):
    with pytest.raises(InputError) as error:
        refuse_unmounted(config)
    return [line.split(" is ")[0] for line in str(error.value).splitlines()]


def test_each_path_that_is_on_no_volume_is_told(config):
    assert told(config()) == [
        "data.interactions: /shop/data/log.csv",
        "data.items: /shop/data/items.csv",
        "serving.directory: /served/shop",
    ]
    assert told(config("kubeflow.volumes={data: /shop/data}", "validation.schema_path=schema.pbtxt")) == [
        "validation.schema_path: /shop/schema.pbtxt",
        "serving.directory: /served/shop",
    ]


def test_a_folder_that_begins_alike_is_another(config):
    assert told(config("kubeflow.volumes={data: /shop/dat, served: /served/shop/}")) == [
        "data.interactions: /shop/data/log.csv",
        "data.items: /shop/data/items.csv",
    ]


def test_urls_need_no_volume_and_a_push_needs_one(config):
    tables = ["data.interactions=gs://shop/log.parquet", "data.items=gs://shop/items.parquet"]
    refuse_unmounted(config(*tables, "kubeflow.volumes={served: /served}"))
    assert told(config(*tables, "serving.directory=gs://shop/served")) == ["serving.directory: gs://shop/served"]
