"""`polyrec analyse` on a SavedModel as the trainer writes it."""

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from pipeline.commands.analyse import analyse
from trainer.data.catalogue import Catalogue
from trainer.errors import InputError
from trainer.models import registry

NAMES = [b"drama", b"western"]
CATALOGUE = Catalogue([b"a", b"b", b"c", b"d"], np.array([4, 3, 2, 1]), np.array([[1], [1], [2], [2]], np.int32), NAMES)


def _save(directory, name: str = "sine", categories=CATALOGUE.finest_category) -> None:
    settings = {} if name == "two_tower" else {"num_interests": 2, "num_prototypes": 2}
    model = registry.get(name)(registry.settings_class(name)(dimension=2, **settings), CATALOGUE, 3)
    model.compute_loss(
        {
            "history": tf.constant([[1, 2, 0]], tf.int64),
            "history_mask": tf.constant([[1, 1, 0]], tf.int64),
            "history_gap": tf.zeros((1, 3)),
            "targets": tf.constant([[2, 3, 0]], tf.int64),
        }
    )
    # a and b point the way of prototype 0, c and d that of prototype 1.
    model.item_tower.embeddings.assign([[1.0, 0], [2, 1], [0, 1], [1, 4]])
    module = tf.Module()
    module.analysis = {}
    if name != "two_tower":
        model.extraction.pool.prototypes.assign([[1.0, 0], [0, 1]])
        module.analysis = {key: tf.Variable(value) for key, value in model.analysis_tensors().items()}
    module.analysis["category_names"] = tf.Variable(NAMES)
    module.item_vectors = tf.Variable(model.item_vectors())
    module.item_ids = tf.Variable(list(CATALOGUE.ids))
    module.item_category = tf.Variable(categories)
    tf.saved_model.save(module, str(directory))


def _run(*args: str) -> str:
    result = CliRunner().invoke(analyse, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", ["sine", "octopus"])
def test_nearest_items_of_prototypes(name, tmp_path):
    _save(tmp_path / "Format-Serving", name)
    (tmp_path / "items.csv").write_text("item_id,title\na,Anna\nd,Django\n")
    output = _run("prototypes", tmp_path, "-n", "2", "--items", tmp_path / "items.csv")
    assert "Mean cosine of two prototypes: 0.00." in output
    rows = [line.split("│")[1:4] for line in output.splitlines() if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["0", "2", "Anna (1.00) · b (0.89)"],
        ["1", "2", "c (1.00) · Django (0.97)"],
    ]


def test_agreement_with_categories(tmp_path):
    _save(tmp_path / "model")
    output = _run("categories", tmp_path / "model", "--plot", tmp_path / "plot.svg")
    assert "NMI of 2 prototypes and the items' categories: 1.000 (by chance " in output
    assert "<!-- western -->" in (tmp_path / "plot.svg").read_text()


def test_what_can_be_wrong_is_said_in_words(tmp_path):
    _save(tmp_path / "two_tower", "two_tower")
    _save(tmp_path / "plain", categories=np.full(4, -1, np.int32))
    for args, words in (
        (("prototypes", tmp_path), "holds no SavedModel"),
        (("prototypes", tmp_path / "two_tower"), "has no prototypes"),
        (("categories", tmp_path / "plain"), "have no categories"),
        (("categories", tmp_path / "plain", "--plot", "plot.gif"), "should end in .png, .svg, .pdf"),
        (("categories", tmp_path / "plain", "--plot", tmp_path / "no" / "plot.png"), "there is no folder"),
    ):
        with pytest.raises(InputError, match=words):
            _run(*args)
