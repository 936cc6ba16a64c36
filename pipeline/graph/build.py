"""Builds the pipeline as a TFX graph from values; starts and decides nothing."""

import os
from collections.abc import Callable
from typing import Any

import tensorflow_data_validation as tfdv
from tfx.components import ExampleValidator, StatisticsGen, Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import transform_pb2
from tfx.types import BaseChannel, Channel, standard_artifacts

from components.evaluation.over_baseline import over_baseline
from components.nodes.comparison import Comparison
from components.nodes.data_gate import DataGate
from components.nodes.data_schema import CuratedSchema, InferredSchema
from components.nodes.evaluator import ModelEvaluator
from components.nodes.index_builder import IndexBuilder
from components.nodes.interaction_example_gen import InteractionExampleGen
from components.nodes.item_example_gen import ItemExampleGen
from components.nodes.pusher import BundlePusher
from components.nodes.serving_validator import ServingValidator
from components.nodes.trainer import ModelTrainer
from components.validation.schema_file import content_of
from pipeline.config.run import Config, family_of
from pipeline.graph.baseline import baseline_settings
from pipeline.graph.beam_args import for_tfx
from pipeline.graph.component_code import (
    BASELINE_EVALUATOR,
    BASELINE_TRAINER,
    CURATED_SCHEMA,
    INFERRED_SCHEMA,
    code_keys,
    with_keys,
)
from pipeline.graph.text_nodes import NO_TEXTS, TextNodes, text_nodes
from trainer.data import schema
from trainer.errors import InputError
from trainer.plain_paths import plain_path

_GATE = "DataGate"


def metadata_path(config: Config) -> str:
    """The SQLite file of a pipeline's metadata."""
    return os.path.join(config.pipeline.root, config.pipeline.name, "metadata.sqlite")


def create_pipeline(config: Config, history: bool = True, local: bool = True, deliver: bool = True) -> Pipeline:
    """The whole pipeline, from the tables to the pushed bundle.

    Args:
      config: with absolute paths.
      history: whether the runner can look into earlier runs. If not (Kubeflow), the change threshold and drift
        have nothing to compare with; schema, value thresholds and serving validation stay.
      local: whether metadata is kept in SQLite below the pipeline's root, and files that the configuration names
        (schema, base model, language model) are on this machine: their content is in the cache keys.
      deliver: whether the trained model is evaluated and pushed; if not (pre-training), the Trainer is the last.

    Raises:
      InputError: a threshold names no metric, or a file that the configuration names cannot be read.
    """
    interactions = InteractionExampleGen(config.data, max_history=config.transform.max_history)
    items = ItemExampleGen(config.data)
    examples = interactions.outputs["examples"]
    texts = text_nodes(config, items.outputs["examples"], local)

    data_schema, validation = _data_validation(config, examples, history, local)
    shared = {
        "transform": config.transform.model_dump(),
        "user_features": dict(config.data.user_columns.features),
        "labels": list(config.data.labels),
    }
    transform = Transform(
        examples=examples,
        schema=data_schema,
        preprocessing_fn="trainer.data.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(
            analyze=[schema.TRAIN_SPLIT], transform=[schema.TRAIN_SPLIT, schema.VALID_SPLIT]
        ),
        disable_statistics=True,
        custom_config=shared,
    )
    transform.add_upstream_nodes([validation[-1]])

    def trainer(name: str, model: dict[str, Any], texts: TextNodes = NO_TEXTS) -> ModelTrainer:
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
            },
        ).with_id(name)

    root = os.path.join(config.pipeline.root, config.pipeline.name, "artifacts")
    model_trainer = trainer("Trainer", config.model.model_dump(), texts)
    nodes = [interactions, items, *validation, *texts.nodes, transform, model_trainer]
    if deliver:
        nodes += _after_training(config, examples, model_trainer, trainer, history, local)
    return Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=plain_path(root) if local else root,
        components=with_keys(nodes, code_keys(config)),
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
    trainer: Callable[[str, dict[str, Any]], ModelTrainer],
    history: bool,
    local: bool,
) -> list[BaseNode]:
    """The two-tower beside the model, the evaluation, and the way to the folder that a server watches."""
    trained = model_trainer.outputs["model"]
    baseline: list[BaseNode] = []
    compared = None
    if (settings := baseline_settings(config)) is not None:
        baseline_trainer = trainer(BASELINE_TRAINER, settings)
        model = baseline_trainer.outputs["model"]
        baseline = [
            baseline_trainer,
            _evaluator(config, examples, model, gated=False).with_id(BASELINE_EVALUATOR),
        ]
        if family_of(config).paired:
            comparison = Comparison(model=trained, baseline=model, examples=examples)
            baseline.append(comparison)
            compared = comparison.outputs["comparison"]
    elif wanted := over_baseline(config.evaluation.thresholds):
        raise InputError(
            f"evaluation.thresholds.{next(iter(wanted))} asks for a difference to the baseline, and there is none: "
            "set evaluation.baseline to true, and another model than the baseline itself (two_tower)."
        )
    evaluation = _evaluation(config, examples, trained, history, compared)
    delivery = _delivery(config, examples, trained, evaluation[-1].outputs["blessing"], local)
    return [*baseline, *evaluation, *delivery]


def _data_validation(
    config: Config, examples: BaseChannel, history: bool, local: bool
) -> tuple[BaseChannel, list[BaseNode]]:
    """The schema, and the components that judge the data by it; the last one is the gate."""
    settings = config.validation
    statistics = StatisticsGen(
        examples=examples, stats_options=tfdv.StatsOptions(sample_rate=settings.statistics_sample_rate)
    )
    schema_gen = (
        CuratedSchema(
            schema_file=settings.schema_path, content=content_of(settings.schema_path) if local else ""
        ).with_id(CURATED_SCHEMA)
        if settings.schema_path
        else InferredSchema(statistics=statistics.outputs["statistics"]).with_id(INFERRED_SCHEMA)
    )
    data_schema = schema_gen.outputs["schema"]
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=data_schema)
    nodes: list[BaseNode] = [statistics, schema_gen, validator]
    previous = None
    if history:
        accepted = Channel(
            type=standard_artifacts.ExampleStatistics, producer_component_id=_GATE, output_key="accepted"
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
    ).with_id(_GATE)
    return data_schema, [*nodes, gate]


def _evaluation(
    config: Config,
    examples: BaseChannel,
    model: BaseChannel,
    history: bool,
    compared: BaseChannel | None,
) -> list[BaseNode]:
    """The Evaluator (last), and before it what finds the model to compare with."""
    if not history:
        return [_evaluator(config, examples, model, compared=compared).with_id("Evaluator")]
    resolver = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("LastBlessedModel")
    blessed = resolver.outputs["model"]
    evaluator = _evaluator(config, examples, model, blessed, compared)
    return [resolver, evaluator.with_id("Evaluator")]


def _evaluator(
    config: Config,
    examples: BaseChannel,
    model: BaseChannel,
    blessed: BaseChannel | None = None,
    compared: BaseChannel | None = None,
    gated: bool = True,
) -> ModelEvaluator:
    return ModelEvaluator(
        examples=examples,
        model=model,
        baseline_model=blessed,
        eval_config=family_of(config).eval_config(config, gated),
        example_splits=[schema.TEST_SPLIT],
        comparison=compared,
        over_baseline=over_baseline(config.evaluation.thresholds) if gated else {},
    )


def _delivery(
    config: Config, examples: BaseChannel, model: BaseChannel, blessing: BaseChannel, local: bool
) -> list[BaseNode]:
    """From the trained model to the folder that a server watches."""
    serving = config.serving.model_dump_json()
    builder = IndexBuilder(model=model, examples=examples, index=config.index.model_dump_json(), serving=serving)
    bundle = builder.outputs["bundle"]
    validator = ServingValidator(model=model, bundle=bundle, examples=examples, serving=serving)
    pusher = BundlePusher(
        bundle=bundle,
        serving=config.serving,
        model_blessing=blessing,
        infra_blessing=validator.outputs["blessing"],
        fail_when_refused=None if local else config.kubeflow.fail_when_refused,
    )
    return [builder, validator, pusher.with_id("Pusher")]
