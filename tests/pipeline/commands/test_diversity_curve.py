"""`polyrec analyse diversity` on a real bundle and raw test examples."""

import json

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from pipeline.commands.analyse import analyse
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_CATEGORY, ITEM_IDS, restated_encode
from trainer.errors import InputError

USERS = [([3, 8, 13], [18, 4]), ([7], [12, 99, 7]), ([1, 2, 250, 4, 9, 14, 19], [24])]


@pytest.fixture
def run(tmp_path):
    split = tmp_path / "examples" / "Split-test"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "part-0.gz"), "GZIP") as writer:
        for history, targets in USERS:
            example = tf.train.Example()
            for name, rows in (("history", history), ("targets", targets)):
                example.features.feature[name].bytes_list.value.extend(ITEM_IDS[row].encode() for row in rows)
            example.features.feature["history_time"].int64_list.value.extend(range(len(history)))
            writer.write(example.SerializeToString())
    result = {"pushed": toy_bundle("exact").directory, "examples": str(tmp_path / "examples")}
    (tmp_path / "results.json").write_text(json.dumps(result))
    return tmp_path


def _rows(output):
    lines = [line for line in output.splitlines() if line.startswith("| ")][1:]
    return [[float(cell) for cell in line.strip("| ").split("|")] for line in lines]


def test_the_table_and_the_drawing(run):
    done = CliRunner().invoke(
        analyse, ["diversity", str(run), "--plot", str(run / "curve.png")], catch_exceptions=False
    )
    assert done.exit_code == 0
    rows = _rows(done.output)
    assert [row[0] for row in rows] == [0, 0.02, 0.05, 0.1, 0.25, 0.5, 1]
    vectors, expected = toy_bundle("exact").vectors, []
    for history, targets in USERS:
        interests, active, _ = restated_encode([ITEM_IDS[row] for row in history], vectors)
        ranked = np.argsort(-(interests[active] @ vectors.T).max(axis=0), kind="stable")
        values = [len(set(ranked[:n]) & set(targets)) / len(targets) for n in (20, 50)]
        for n in (20, 50):
            category = ITEM_CATEGORY[ranked[:n]]
            values.append((category[:, np.newaxis] != category).sum() / (n * (n - 1)))
        expected.append(values)
    np.testing.assert_allclose(rows[0][1:], np.mean(expected, axis=0), atol=6e-5)
    assert rows[0][3] < rows[3][3] < rows[-1][3]
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_without_the_items_of_the_history(run):
    done = CliRunner().invoke(analyse, ["diversity", str(run), "--unseen"], catch_exceptions=False)
    # The second user's only recurring target is in the history.
    assert _rows(done.output)[0][2] != _rows(CliRunner().invoke(analyse, ["diversity", str(run)]).output)[0][2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pushed": None}, "pushed nothing"),
        ({"pushed": "/nowhere/1"}, "/nowhere/1, which the run in .* wrote, is gone"),
        (None, "holds no results.json"),
    ],
)
def test_what_is_missing_is_said(run, change, words):
    file = run / "results.json"
    file.unlink() if change is None else file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=words):
        CliRunner().invoke(analyse, ["diversity", str(run)], catch_exceptions=False)
