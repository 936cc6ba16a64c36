"""Settings that are right one by one and contradict each other: refused by load(), with key, value and what to set."""

import logging
import os

import pytest

from pipeline.cli import WRONG_INPUT, cli, run_command
from pipeline.config import run as config
from pipeline.config.writable import check_writable
from trainer.errors import InputError

MINIMAL = """
data: {interactions: log.csv}
model: {name: comirec_sa}
"""
ITEMS = "data.items=items.csv"
LABELS = ["model.name=mvke", ITEMS, "data.item_columns.tags=tags"]


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL)
    return lambda *overrides: config.load(str(path), overrides)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.columns={user: who, item: who}"], "data.columns.user and data.columns.item are both 'who'"),
        (["data.columns.timestamp=item_id"], "data.columns.item and data.columns.timestamp are both 'item_id'"),
        (
            [ITEMS, "data.item_columns={item: sku, title: sku}"],
            "data.item_columns.title is 'sku', which is .*item, the",
        ),
        ([ITEMS, "data.item_columns={item: sku, category: sku}"], "data.item_columns.category is 'sku'"),
        ([ITEMS, "data.item_columns={title: a, category: a}"], "title and data.item_columns.category are both 'a'"),
        ([ITEMS, "data.item_columns.attributes=[colour, item_id]"], "attributes names 'item_id', which is .*the id"),
        (
            [ITEMS, "data.item_columns.category_separator=/"],
            "category_separator is '/', and data.item_columns.category",
        ),
        ([ITEMS, "data.item_columns.tag_separator=/"], "tag_separator is '/', and data.item_columns.tags is not set"),
        ([ITEMS, "data.item_columns.attribute_separator=/"], "attribute_separator is '/'"),
        ([ITEMS, 'data.item_columns={category: c, category_separator: ""}'], "category_separator is empty"),
        (["data.users=u.csv", "data.user_columns.features={user_id: categorical}"], "features names 'user_id', which"),
        (["data.users=u.csv", "data.user_columns.features={id: numeric}"], "cannot be named 'id'"),
        (["data.users=u.csv", 'data.user_columns.features={"": numeric}'], "a name, and one of the columns has none"),
        (["data.users=u.csv", "data.user_columns.features={" + "年" * 40 + ": numeric}"], "is too long.*Shorten"),
        (
            ["data.users=u.csv", "data.user_columns.features={Age: numeric, age: numeric}"],
            "'Age' and 'age', which diff",
        ),
        (
            [*LABELS, "data.labels={click: {column: timestamp}}"],
            "click.column is 'timestamp', which is data.columns.tim",
        ),
        ([*LABELS, "data.labels={click: {}}"], "data.labels.click has no column.*sampled_impressions is 0"),
        (
            [*LABELS, "data.sampled_impressions=1", "data.labels={click: {at_least: 2}}"],
            "click.at_least is 2, and data.labels.click.column is not set",
        ),
        ([*LABELS, "data.labels={a: {column: x}, b: {column: x}}"], "data.labels.b is the same as data.labels.a"),
        ([*LABELS, "data.labels={precision_at_1: {column: x}}"], "would be taken for a metric"),
        (["data.sampled_by=uniform"], "data.sampled_by is uniform, and data.sampled_impressions is 0"),
        (["text={}", "model.name=miracle"], "data.items is not set"),
        (["text={}", "model.name=miracle", ITEMS], "neither is set"),
        (["text={fields: [title]}", "model.name=miracle", ITEMS], "text.fields names title, and .*title is not set"),
        (
            ["text={model: bert}", "model.name=miracle", ITEMS, "data.item_columns.title=t"],
            "text.model is 'bert', and text.encoder: tfidf makes no use of it",
        ),
        (["data.min_history=60"], "data.min_history is 60, and transform.max_history is 50.*at most 50"),
        (
            ["data.max_user_events=4", "data.min_history=4"],
            "data.max_user_events is 4, and data.min_history is 4: no user .* at least 5",
        ),
        (
            ["model.name=comirec_sa", "model.read_out=max", "model.ranking=log_sum_exp"],
            "model.ranking is log_sum_exp, and model.read_out is max.*model.read_out: mixture, or model.ranking: max",
        ),
        (["model.name=miracle", "model.ranking=log_sum_exp"], "model.read_out is max"),
        (["model.use_category=true"], "model.use_category is true, and no item has a category"),
        (
            ["model.name=mind", "model.num_interests=8", "transform.max_history=20"],
            "num_interests is 8, and transform.max_history is 20.*at most 4 .*at most 4, or .* at least 256",
        ),
        (["model.num_interests=4", "transform.max_history=3", "data.min_history=2"], "at most 3, or .* at least 4"),
        (["training.max_steps=100", "training.evaluate_every=101"], "evaluate_every is 101, and .*max_steps is 100"),
        (["training.max_steps=100", "training.warmup_steps=200"], "warmup_steps is 200"),
        (["evaluation.thresholds.recal_at_50=0.1"], "'recal_at_50' is not a metric. Did you mean 'recall_at_50'"),
        (["evaluation.gate_metric=loss"], "evaluation.gate_metric: 'loss' is not a metric"),
        (["evaluation.thresholds.recall_at_50=10"], "is 10, and recall_at_50 is never above 1"),
        (["evaluation.thresholds.active_interests=5"], "is 5, and active_interests is never above 4"),
        (["evaluation.thresholds.diversity_at_20=0.1"], "asks for different categories"),
        (
            ["evaluation.allow=[category=a]", "evaluation.deny=[category=a]", ITEMS, "data.item_columns.category=c"],
            "both name 'category=a'",
        ),
        (["evaluation.max_regression=5"], "max_regression is 5.*0.05 for 5 %"),
        (["validation.max_drift=30"], "max_drift is 30, and the distances are at most 1"),
        (["serving.default_k=2000"], "serving.default_k is 2000, and index.max_k is 1000"),
        (["index.num_leaves=10", "index.leaves_to_search=20"], "leaves_to_search is 20, and index.num_leaves is 10"),
        (["index.target_recall=0.99", "index.reorder=50"], "index.reorder is 50, and index.target_recall"),
        (["index.target_recall=0.9"], "target_recall is 0.9, and serving.min_ann_recall is 0.95"),
        (["serving.model_name=.."], "serving.model_name is '..'"),
        (["serving.model_name='7'"], "serving.model_name is '7', a number"),
        (["serving.directory=runs", "serving.model_name=polyrec"], "one is inside of the other"),
        (
            ["kubeflow.pipeline_root=/mnt/runs"],
            "kubeflow.pipeline_root is /mnt/runs, and Kubeflow keeps artifacts in a buck",
        ),
        (
            ["kubeflow.volumes={shop: data}"],
            "kubeflow.volumes.shop is 'data': a volume is mounted at an absolute folder",
        ),
        (["kubeflow.volumes={shop: //}"], "kubeflow.volumes.shop is '//': a volume"),
        (["kubeflow.volumes={a: /data, b: /data/}"], "kubeflow.volumes mounts a and b at /data/"),
        (["kubeflow.env={A: x}", "kubeflow.secrets={A: s/k}"], "kubeflow.env and kubeflow.secrets both set A"),
        (["kubeflow.env.TF_USE_LEGACY_KERAS='0'"], "cannot set TF_USE_LEGACY_KERAS"),
        (["kubeflow.tolerations={gpu: {operator: Equal}}"], "kubeflow.tolerations.gpu: operator Equal needs a value"),
        (["kubeflow.tolerations={gpu: {value: a}}"], "kubeflow.tolerations.gpu: operator Exists takes no value"),
        (["kubeflow.steps={Trainer: {cpu: 3, cpu_limit: 2}}"], "kubeflow.steps.Trainer.cpu is 3, and cpu_limit is 2"),
        (["serving.directory=runs/polyrec/served"], "one is inside of the other"),
        (["training.learning_rate=.inf"], "training.learning_rate is inf. Give a finite number"),
        (["model.temperature=.nan"], "model.temperature: should be auto or a number above 0"),
    ],
)
def test_contradictory_settings_are_refused(load, overrides, words):
    with pytest.raises(InputError, match=words) as error:
        load(*overrides)
    assert "config.yaml: " in str(error.value) or "--set" in str(error.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.name=mind", "model.num_interests=4", "transform.max_history=16"],
        ["model.name=mind", "model.num_interests=8", "transform.max_history=20", "model.dynamic_interests=false"],
        ["model.name=miracle", "model.num_interests=32", "transform.max_history=20"],
        ["model.num_interests=4", "transform.max_history=4"],
        ["model.name=shrinkage", "model.ranking=log_sum_exp"],
        ["training.max_steps=20"],  # validation and warm-up then end with the training
        ["model.read_out=soft", "model.label_power=.inf"],
        [ITEMS, "data.item_columns={tags: genre, category: genre, text: title, title: title}"],
        [*LABELS, "data.labels={liked: {column: x, at_least: 3}, loved: {column: x, at_least: 5}}"],
        [*LABELS, "data.labels={click: {column: x}}", "evaluation.thresholds.auc_click=0.6"],
        ["evaluation.thresholds.active_interests=3.5", "evaluation.max_regression=null"],
        ["data.users=u.csv", 'data.user_columns.features={"Age Group": categorical, "größe": numeric, "x:y": numeric}'],
        [ITEMS, "data.item_columns.attributes=[in stock, größe]", "evaluation.deny=[in stock=no]"],
        ["index.target_recall=0.99"],
    ],
)
def test_what_fits_is_taken(load, overrides):
    assert load(*overrides).data.interactions == "log.csv"


def test_all_contradictions_are_told_at_once(load):
    with pytest.raises(InputError) as error:
        load("serving.default_k=2000", "validation.max_drift=30")
    assert len(str(error.value).splitlines()) == 2


def test_settings_without_effect_are_told(load, caplog):
    with caplog.at_level(logging.WARNING, "polyrec.progress"):
        load("data.users=u.csv", "data.split={method: leave_last_out, seed: 7}", "model.label_power=3",
             "data.item_columns.category=genre", "index={kind: exact, num_leaves: 3}", "model.ranking=log_sum_exp",
             "model.num_interests=1")  # fmt: skip
    told = [record.getMessage() for record in caplog.records]
    assert all("config.yaml: " in words for words in told)
    expected = (
        "data.users is set, and data.user_columns.features names no column",
        "data.item_columns.category is 'genre', and data.items is not set",
        "index.num_leaves is 3, and index.kind: exact makes no use of it",
        "data.split.seed is set, and data.split.method: leave_last_out makes no use of it",
        "model.ranking is log_sum_exp, and model.num_interests is 1: there is nothing to sum",
        "model.label_power is set",
    )
    assert len(told) == len(expected)
    assert all(words in line for words, line in zip(expected, told, strict=True))


def test_the_domains_of_a_pretraining_are_checked_as_well(tmp_path):
    from pipeline.config import pretraining

    path = tmp_path / "pretraining.yaml"
    path.write_text("domains: {toys: {interactions: a.csv, items: i.csv, columns: {user: x, item: x}}}")
    with pytest.raises(InputError, match=r"domains.toys.columns.user and domains.toys.columns.item are both 'x'"):
        pretraining.load(str(path))


def test_folders_that_cannot_be_used_are_refused_before_anything_is_loaded(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(MINIMAL)
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    arguments = ["run", str(tmp_path / "config.yaml"), "--set"]
    for override, words in (
        (f"pipeline.root={tmp_path}/file", "is a file. Set pipeline.root to another folder"),
        (f"serving.directory={tmp_path}/file/served", "is a file. Set serving.directory"),
        (f"pipeline.root={tmp_path}/nowhere/x", "a link that leads nowhere"),
        (f"validation.schema_path={tmp_path}/schema.pbtxt", "schema.pbtxt does not exist"),
    ):
        assert run_command(cli, [*arguments, override]) == WRONG_INPUT
        assert words in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"pipeline.root: .*/closed/runs cannot be written: .*/closed allows it not"):
        check_writable({"pipeline.root": str(tmp_path / "closed" / "runs")})
    check_writable({"pipeline.root": str(tmp_path / "open" / "runs"), "serving.directory": "gs://bucket/served"})
