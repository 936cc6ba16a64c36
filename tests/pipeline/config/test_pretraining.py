import pytest

from pipeline.config.pretraining import load
from pipeline.runs.pretrain import replace_folder
from trainer.errors import InputError

MINIMAL = """
base: bases/two
domains:
  films: {directory: films, interactions: log.csv, items: films.csv}
  books: {interactions: /books/log.csv, items: items.csv}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text=MINIMAL):
        (tmp_path / "pre.yaml").write_text(text)
        return "pre.yaml"

    return write


def test_the_defaults_make_a_base_model(file, tmp_path):
    loaded = load(file(), ["transform.max_history=20", "data.min_user_count=3", "model.dimension=32"])
    config = loaded.config
    model = config.model.model_dump()
    assert (model["name"], model["item_ids"], model["negatives"]) == ("miracle", False, "in_batch")
    assert (model["dimension"], config.training.clip_norm, config.text.encoder) == (32, 1.0, "tfidf")
    assert (config.transform.max_history, config.data.min_user_count) == (20, 3)
    assert config.data.directory == loaded.merged == str(tmp_path / "runs" / "pretraining" / "domains")
    assert config.data.item_columns.text == "text"
    assert loaded.domains["films"].directory == str(tmp_path / "films")
    assert loaded.base == str(tmp_path / "bases" / "two")


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        ("base: b", [], "domains is missing"),
        ("domains: {}", [], "domains dictionary should have at least 1"),
        (MINIMAL, ["domains.films.itms=x"], "there is no key 'domains.films.itms'. Did you mean 'domains.films.items'"),
        ("domains: {a: {interactions: x}}", [], "domains.a.items is missing"),
        ("domains: {'a:b': {interactions: x, items: y}}", [], "without one"),
        (MINIMAL, ["data.items=x"], "data.items is a matter of each domain"),
        (MINIMAL, ["model.item_ids=true"], "knows items by text alone"),
        (MINIMAL, ["model.name=mind"], "no key 'model.item_ids'"),
        (MINIMAL, ["trainig.seed=1"], "Did you mean 'training'"),
    ],
)
def test_what_makes_no_base_model_is_refused(file, text, overrides, words):
    with pytest.raises(InputError, match=words):
        load(file(text), overrides)


def test_a_missing_file_is_named(file):
    with pytest.raises(InputError, match=r"'nowhere.yaml' does not exist.*section domains"):
        load("nowhere.yaml")


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
        replace_folder(str(tmp_path / name), str(tmp_path / "bases" / "it"))
    assert [path.name for path in (tmp_path / "bases" / "it").iterdir()] == ["second.txt"]
    assert [path.name for path in (tmp_path / "bases").iterdir()] == ["it"]
    with pytest.raises(FileNotFoundError):
        replace_folder(str(tmp_path / "nothing"), str(tmp_path / "bases" / "it"))
    assert (tmp_path / "bases" / "it" / "second.txt").exists()
