import pytest

from pipeline.config import run as config
from trainer.errors import InputError

MINIMAL = """
data: {interactions: log.csv}
model: {name: comirec_sa}
"""


@pytest.fixture
def file(tmp_path):
    def write(text=MINIMAL):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("name", config.presets())
def test_every_preset_is_valid(name):
    loaded = config.load(name)
    assert loaded.pipeline.root == "runs"
    assert loaded.transform.max_history == (20 if name == "amazon_beauty" else 50)


def test_overrides_are_yaml_values_and_later_ones_win(file):
    loaded = config.load(
        file(),
        [
            "model.num_interests=6",
            "model.num_interests=7",
            "evaluation.thresholds={recall_at_50: 0.1}",
            "evaluation.thresholds.ndcg_at_20=0.05",
            "evaluation.max_regression=null",
            "pipeline.beam_args=[--runner=DirectRunner]",
            "training.learning_rate=1e-3",
            "data.directory=a=b",
        ],
    )
    assert loaded.model.num_interests == 7
    assert loaded.evaluation.thresholds == {"recall_at_50": 0.1, "ndcg_at_20": 0.05}
    assert loaded.evaluation.max_regression is None
    assert loaded.pipeline.beam_args == ["--runner=DirectRunner"]
    assert loaded.training.learning_rate == 0.001
    assert loaded.data.directory == "a=b"


def test_a_filter_of_the_evaluation_names_attributes_that_items_have(file):
    given = ["data.items=items.csv", "data.item_columns.category=genre", "data.item_columns.attributes=[in_stock]"]
    wanted = ["evaluation.allow=[category=Comedy, in_stock=yes]", "evaluation.thresholds.recall_at_50_filtered=0.1"]
    assert config.load(file(), [*given, *wanted]).evaluation.allow == ["category=Comedy", "in_stock=yes"]
    with pytest.raises(InputError, match=r"'colour=red' should be attribute=value.*: in_stock, category"):
        config.load(file(), [*given, "evaluation.deny=[colour=red]"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.num_interest=6", "--set model.num_interest=6: there is no key .* Did you mean 'model.num_interests'"),
        ("training.num_interests=6", "'training.num_interests'. Did you mean 'model.num_interests'"),
        ("trainig.seed=2", "'trainig'. Did you mean 'training'"),
        ("data.columns.usr=uid", "Did you mean 'data.columns.user'"),
        ("model.attention_hiden=2", "Did you mean 'model.attention_hidden'"),
        ("model.num_interests=six", "model.num_interests should be a valid integer.*Received: 'six'"),
        ("training.max_steps=0", "training.max_steps should be greater than or equal to 1. Received: 0"),
        ("index.kind=hnsw", "index.kind should be 'scann' or 'exact'. Received: 'hnsw'"),
        ("training=3", "training should be a section"),
        ("training.seed.x=3", "training.seed should be a valid integer"),
        ("data.interactions.x=3", "data.interactions is a value, not a section"),
        ("evaluation.thresholds.recall_at_50=high", "evaluation.thresholds.recall_at_50 should be a valid number"),
        ("model.name=gru4rec", "there is no model 'gru4rec'. The models are: .*comirec_sa"),
        ("data.user_columns.features={age: numeric}", "data.users is not"),
        ("evaluation.deny=[in_stock=no]", "evaluation.deny: 'in_stock=no' should be attribute=value.*: none"),
        ("data.item_columns.attributes=[a, a]", "'a' is named twice"),
        ("seed", "expected section.key=value"),
        ("=3", "expected section.key=value"),
        ("training.seed=[", "not valid YAML"),
    ],
)
def test_a_wrong_override_is_explained(file, override, words):
    with pytest.raises(InputError, match=words):
        config.load(file(), [override])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected sections"),
        ("- 1", "found list"),
        ("data: {interactions: a\nmodel: {", "line [23], column .*: not valid YAML"),
        ("data: {interactions: a.csv}", r"model.name is missing. Give one of: .*comirec_sa"),
        ("model: {name: two_tower}", "config.yaml: data is missing"),
        ("data: {}\nmodel: {name: two_tower}", "data.interactions is missing"),
        (MINIMAL + "data: {interactions: b}", "line 4, column 1.*key 'data' is given twice"),
        (MINIMAL + "evalution: {}", "config.yaml: there is no key 'evalution'. Did you mean 'evaluation'"),
    ],
)
def test_a_wrong_file_is_explained(file, text, words):
    with pytest.raises(InputError, match=words):
        config.load(file(text))


def test_all_errors_are_reported_at_once(file):
    with pytest.raises(InputError) as error:
        config.load(file(), ["model.num_interests=0", "training.sed=1", "serving.default_k=0"])
    assert len(str(error.value).splitlines()) == 3


def test_a_missing_file_a_folder_and_bytes_that_are_not_text(tmp_path):
    with pytest.raises(InputError, match=r"'nowhere.yaml' does not exist.*comirec_sa"):
        config.load("nowhere.yaml")
    with pytest.raises(InputError, match="is a folder"):
        config.load(str(tmp_path))
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"data: {interactions: caf\xe9.csv}")
    with pytest.raises(InputError, match="UTF-8"):
        config.load(str(path))


def test_a_text_cache_below_a_url_is_one(tmp_path):
    given = config.load("miracle_text", ["pipeline.root=gs://bucket/runs/", "data.directory=s3://bucket/log"])
    absolute = config.with_absolute_paths(given, tmp_path)
    assert absolute.text.cache == "gs://bucket/runs/text_cache"
    assert (absolute.pipeline.root, absolute.data.directory) == ("gs://bucket/runs/", "s3://bucket/log")


def test_absolute_paths(file, tmp_path):
    absolute = config.with_absolute_paths(config.load(file(), ["serving.directory=/srv"]), tmp_path)
    assert absolute.data.directory == str(tmp_path)
    assert absolute.pipeline.root == str(tmp_path / "runs")
    assert absolute.serving.directory == "/srv"
    assert absolute.validation.schema_path is None


LABELLED = """
data:
  interactions: log.csv
  items: items.csv
  item_columns: {tags: genres}
  labels: {click: {column: clicked}, conversion: {column: bought, among: click}}
model: {name: mvke}
"""


@pytest.mark.parametrize("name", ["mvke", "utpm", "mmoe", "shared_bottom"])
def test_a_profile_model_learns_from_labels_and_tags(file, name):
    assert config.load(file(LABELLED), [f"model.name={name}"]).model.trained(["click", "conversion"]) == [
        "click",
        "conversion",
    ]
    loaded = config.load(file(LABELLED), [f"model.name={name}", "model.train_tasks=[conversion]"])
    assert loaded.model.trained(["click", "conversion"]) == ["conversion"]


def test_kernels_of_tasks(file):
    assert config.load(file(LABELLED)).model.kernels_of(["click", "conversion"]) == [[0, 1, 2], [1, 2, 3, 4]]
    overrides = ["model.num_kernels=3", "model.task_kernels={conversion: [2, 0], click: [0, 1]}"]
    assert config.load(file(LABELLED), overrides).model.kernels_of(["click", "conversion"]) == [[0, 1], [0, 2]]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.labels={}"], "mvke learns from labels, and data.labels names none"),
        (["model.name=sine"], "sine learns from what users took, not from labels.*mmoe, mvke, shared_bottom, utpm"),
        (["data.item_columns.tags=null"], "data.item_columns.tags is not set"),
        (["data.items=null"], "data.items is not set"),
        (
            ["data.item_columns.attributes=[stock]"],
            "data.item_columns.attributes filters recommended items, and .* mvke",
        ),
        (["evaluation.allow=[a=b]"], "evaluation.allow filters recommended items"),
        (["model.history_fields=[]"], "nothing is known of a user"),
        (["model.history_fields=[texts]"], "model.history_fields.0 should be 'items' or 'tags'"),
        (["model.train_tasks=[like]"], "model.train_tasks: there is no label 'like' in data.labels.*click, conversion"),
        (["model.task_weights={like: 2}"], "model.task_weights: there is no label 'like'"),
        (["model.task_weights={click: -1}"], "model.task_weights.click should be greater than or equal to 0"),
        (["model.tower_hidden=[8, 0]"], "model.tower_hidden.1 should be greater than or equal to 1"),
        (["model.num_kernels=1"], "each of the 2 tasks .* needs a kernel of its own"),
        (["model.task_kernels={click: [0, 1], conversion: [1, 2, 3, 5]}"], "conversion names kernel 5.*0 to 4"),
        (["model.task_kernels={click: [], conversion: [0, 1, 2, 3, 4]}"], "task_kernels.click is empty"),
        (["model.task_kernels={click: [1, 1], conversion: [0, 2, 3, 4]}"], "names a kernel twice"),
        (["model.task_kernels={click: [1, 2], conversion: [0, 1, 2, 3, 4]}"], "click has no kernel of its own"),
        (["model.task_kernels={click: [0], conversion: [1, 2, 4]}"], "leaves kernel 3 to no task"),
        (["model.task_kernels={click: [0, 1], like: [2, 3, 4]}"], "'like' is not a label of data.labels"),
        (["model.task_kernels={click: [0, 1, 2, 3, 4]}"], "task 'conversion' has no kernels"),
        (
            ["model.train_tasks=[click]", "model.task_kernels={click: [0, 1, 2], conversion: [3, 4]}"],
            "'conversion' is not among model.train_tasks: click",
        ),
        (["model.pool=true", "model.tower=fm_mlp"], "pool: true leaves none to cross"),
    ],
)
def test_a_profile_model_and_data_that_do_not_fit_are_explained(file, overrides, words):
    with pytest.raises(InputError, match=words):
        config.load(file(LABELLED), overrides)
