"""`polyrec tune-index` on a real bundle and raw validation examples."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
import yaml
from click.testing import CliRunner

from pipeline.cli import cli
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_IDS
from trainer.errors import InputError


def _write(folder, histories):
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "part-0.gz"), "GZIP") as writer:
        for history in histories:
            example = tf.train.Example()
            example.features.feature["history"].bytes_list.value.extend(ITEM_IDS[row].encode() for row in history)
            example.features.feature["history_time"].int64_list.value.extend(range(len(history)))
            writer.write(example.SerializeToString())


@pytest.fixture
def run(tmp_path):
    _write(tmp_path / "examples" / "Split-valid", np.random.default_rng(3).integers(0, 299, (50, 4)))
    _write(tmp_path / "examples" / "Split-test", [])
    result = {"pushed": toy_bundle().directory, "examples": str(tmp_path / "examples")}
    (tmp_path / "results.json").write_text(json.dumps(result))
    return tmp_path


def _invoke(*arguments):
    return CliRunner().invoke(cli, ["tune-index", *map(str, arguments)], catch_exceptions=False)


def test_the_table_and_the_lines_of_the_configuration(run):
    done = _invoke(run, "--leaves", 50, "--k", 10, "--target", 0.995)
    assert done.exit_code == 0
    rows = [[float(cell) for cell in re.findall(r"[\d.]+", line)] for line in done.output.splitlines() if "│" in line]
    settings = yaml.safe_load(done.output[done.output.index("index:\n") :])["index"]
    assert settings["num_leaves"] == 50
    chosen = [row for row in rows if row[:2] == [settings["leaves_to_search"], settings["reorder"]]]
    assert chosen[0][2] >= 0.995
    # At least five times what is fetched is searched, 5 (10 + 8) items in leaves of 6: fewer leaves are not tried.
    assert rows[0][0] == 15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "a catalogue of 300 items every one is scored"), (("--model", "/nowhere"), "/nowhere")],
)
def test_what_cannot_be_tuned_is_said(run, arguments, words):
    with pytest.raises(InputError, match=words):
        _invoke(run, *arguments)


def test_a_run_without_validation_users(run):
    (run / "examples" / "Split-valid" / "part-0.gz").unlink()
    with pytest.raises(InputError, match="holds no user with a history"):
        _invoke(run, "--leaves", 50)
