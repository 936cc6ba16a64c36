"""The pipeline as a TFX graph: values in, a Pipeline out; nothing is read, started or decided here."""

import os
from collections.abc import Callable
from typing import Any

import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from tfx.components import Evaluator, ExampleValidator, StatisticsGen, Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import transform_pb2
from tfx.types import BaseChannel, Channel, standard_artifacts

from components.data_gate import ACCEPTED, DataGate
from components.data_schema import CuratedSchema, InferredSchema, content_of
from components.evaluation import eval_config
from components.index_builder import IndexBuilder
from components.interaction_example_gen import InteractionExampleGen
from components.item_example_gen import ItemExampleGen
from components.profile_evaluation import profile_eval_config
from components.pusher import BundlePusher
from components.serving_validator import ServingValidator
from components.trainer import ModelTrainer
from pipeline.baseline import baseline_settings
from pipeline.beam_args import for_tfx
from pipeline.code_fingerprint import fingerprint
from pipeline.config import Config
from pipeline.text_nodes import NO_TEXTS, TextNodes, text_nodes
from trainer import schema
from trainer.models.profile_base import ProfileSettings

INGESTION_CODE = (
    "components/ingestion",
    "components/interaction_example_gen.py",
    "components/item_example_gen.py",
    "trainer/schema.py",
)
SCHEMA_CODE = ("components/data_schema.py", "trainer/schema.py")
TRANSFORM_CODE = ("trainer/preprocessing.py", "trainer/schema.py")
TRAINER_CODE = ("trainer", "components/trainer.py")
INDEX_CODE = (
    "serving",
    "trainer/retrieval.py",
    "trainer/diversity.py",
    "trainer/vocabulary_file.py",
    "trainer/item_attributes.py",
    "trainer/item_filter.py",
    "components/index_builder.py",
)
VALIDATOR_CODE = ("serving", "components/serving_validator.py")

BASELINE_TRAINER = "TwoTowerTrainer"
BASELINE_EVALUATOR = "TwoTowerEvaluator"


def metadata_path(config: Config) -> str:
    """The SQLite file of a pipeline's metadata."""
    return os.path.join(config.pipeline.root, config.pipeline.name, "metadata.sqlite")


def create_pipeline(config: Config, history: bool = True, local: bool = True, deliver: bool = True) -> Pipeline:
    """The whole pipeline, from the tables to the pushed bundle.

    Args:
      config: with absolute paths.
      history: whether the runner can look into earlier runs. If not (Kubeflow), the change threshold and drift
        have nothing to compare with; schema, value thresholds and serving validation stay.
      local: whether metadata is kept in SQLite below the pipeline's root.
      deliver: whether the trained model is evaluated and pushed; if not (pre-training), the Trainer is the last.

    Raises:
      InputError: a threshold names no metric.
    """
    ingestion_code = fingerprint(INGESTION_CODE)
    interactions = InteractionExampleGen(
        config.data, max_history=config.transform.max_history, code_fingerprint=ingestion_code
    )
    items = ItemExampleGen(config.data, code_fingerprint=ingestion_code)
    examples = interactions.outputs["examples"]
    texts = text_nodes(config, items.outputs["examples"])

    data_schema, validation = _data_validation(config, examples, history, local)
    shared = {
        "transform": config.transform.model_dump(),
        "user_features": dict(config.data.user_columns.features),
        "labels": list(config.data.labels),
    }
    transform = Transform(
        examples=examples,
        schema=data_schema,
        preprocessing_fn="trainer.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(
            analyze=[schema.TRAIN_SPLIT], transform=[schema.TRAIN_SPLIT, schema.VALID_SPLIT]
        ),
        disable_statistics=True,
        custom_config={**shared, "code_fingerprint": fingerprint(TRANSFORM_CODE)},
    )
    transform.add_upstream_nodes([validation[-1]])

    def trainer(model: dict[str, Any], texts: TextNodes = NO_TEXTS) -> ModelTrainer:
        return ModelTrainer(
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=data_schema,
            items=items.outputs["examples"],
            texts=texts.vectors,
            base_model=texts.base_model,
            custom_config={
                **shared,
                "model": model,
                **_of_attributes(config),
                "training": config.training.model_dump(),
                "code_fingerprint": fingerprint(TRAINER_CODE),
            },
        )

    model_trainer = trainer(config.model.model_dump(), texts).with_id("Trainer")
    return Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=os.path.join(config.pipeline.root, config.pipeline.name, "artifacts"),
        components=[
            *(interactions, items, *validation, *texts.nodes, transform, model_trainer),
            *(_after_training(config, examples, model_trainer, trainer, history) if deliver else []),
        ],
        enable_cache=config.pipeline.cache,
        metadata_connection_config=sqlite_metadata_connection_config(metadata_path(config)) if local else None,
        beam_pipeline_args=for_tfx(config.pipeline.beam_args),
    )


def _of_attributes(config: Config) -> dict[str, Any]:
    """What the trainer has to know of filters."""
    wanted = {"allow": list(config.evaluation.allow), "deny": list(config.evaluation.deny)}
    return {"item_attributes": list(config.data.item_columns.attributes), "evaluation_filter": wanted}


def _after_training(
    config: Config,
    examples: BaseChannel,
    model_trainer: ModelTrainer,
    trainer: Callable[[dict[str, Any]], ModelTrainer],
    history: bool,
) -> list[BaseNode]:
    """The two-tower beside the model, the evaluation, and the way to the folder that a server watches."""
    trained = model_trainer.outputs["model"]
    evaluation = _evaluation(config, examples, trained, history)
    baseline: list[BaseNode] = []
    if (settings := baseline_settings(config)) is not None:
        baseline_trainer = trainer(settings).with_id(BASELINE_TRAINER)
        baseline = [
            baseline_trainer,
            _evaluator(config, examples, baseline_trainer.outputs["model"], gated=False).with_id(BASELINE_EVALUATOR),
        ]
    delivery = _delivery(config, examples, trained, evaluation[-1].outputs["blessing"])
    return [*baseline, *evaluation, *delivery]


def _data_validation(
    config: Config, examples: BaseChannel, history: bool, local: bool
) -> tuple[BaseChannel, list[BaseNode]]:
    """The schema, and the components that judge the data by it; the last one is the gate."""
    settings = config.validation
    statistics = StatisticsGen(
        examples=examples, stats_options=tfdv.StatsOptions(sample_rate=settings.statistics_sample_rate)
    )
    code = fingerprint(SCHEMA_CODE)
    schema_gen = (
        CuratedSchema(settings.schema_path, content_of(settings.schema_path) if local else "", code).with_id(
            "ImportSchemaGen"
        )
        if settings.schema_path
        else InferredSchema(statistics.outputs["statistics"], code).with_id("SchemaGen")
    )
    data_schema = schema_gen.outputs["schema"]
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=data_schema)
    nodes: list[BaseNode] = [statistics, schema_gen, validator]
    previous = None
    if history:
        accepted = Channel(
            type=standard_artifacts.ExampleStatistics, producer_component_id=DataGate.__name__, output_key=ACCEPTED
        )
        resolver = Resolver(strategy_class=LatestArtifactStrategy, previous=accepted).with_id("LastAcceptedStatistics")
        nodes.append(resolver)
        previous = resolver.outputs["previous"]
    gate = DataGate(
        statistics=statistics.outputs["statistics"],
        schema=data_schema,
        anomalies=validator.outputs["anomalies"],
        previous=previous,
        max_drift=settings.max_drift,
    )
    return data_schema, [*nodes, gate]


def _evaluation(config: Config, examples: BaseChannel, model: BaseChannel, history: bool) -> list[BaseNode]:
    """The Evaluator (last), and before it what finds the model to compare with."""
    if not history:
        return [_evaluator(config, examples, model)]
    resolver = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("LastBlessedModel")
    return [resolver, _evaluator(config, examples, model, blessed=resolver.outputs["model"])]


def _evaluator(
    config: Config, examples: BaseChannel, model: BaseChannel, blessed: BaseChannel | None = None, gated: bool = True
) -> Evaluator:
    return Evaluator(
        examples=examples,
        model=model,
        baseline_model=blessed,
        eval_config=_eval_config(config, gated),
        example_splits=[schema.TEST_SPLIT],
    )


def _eval_config(config: Config, gated: bool) -> tfma.EvalConfig:
    if isinstance(config.model, ProfileSettings):
        return profile_eval_config(config.evaluation, config.model.trained(list(config.data.labels)), gated)
    return eval_config(config.evaluation, gated)


def _delivery(config: Config, examples: BaseChannel, model: BaseChannel, blessing: BaseChannel) -> list[BaseNode]:
    """From the trained model to the folder that a server watches."""
    builder = IndexBuilder(
        model=model,
        examples=examples,
        index=config.index,
        serving=config.serving,
        code_fingerprint=fingerprint(INDEX_CODE),
    )
    bundle = builder.outputs["bundle"]
    validator = ServingValidator(
        model=model,
        bundle=bundle,
        examples=examples,
        serving=config.serving,
        code_fingerprint=fingerprint(VALIDATOR_CODE),
    )
    pusher = BundlePusher(
        bundle=bundle,
        serving=config.serving,
        model_blessing=blessing,
        infra_blessing=validator.outputs["blessing"],
    )
    return [builder, validator, pusher.with_id("Pusher")]
