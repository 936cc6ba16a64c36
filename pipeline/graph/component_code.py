"""Cache key of each component: the code that it runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tfx.dsl.components.base.base_node import BaseNode

from components.execution import CODE_FINGERPRINT
from pipeline.config.run import Config, family_of, model_registry
from pipeline.graph.baseline import baseline_settings
from pipeline.graph.code_fingerprint import ROOT, Sources
from trainer.errors import InputError

BASELINE_TRAINER = "TwoTowerTrainer"
BASELINE_EVALUATOR = "TwoTowerEvaluator"
INFERRED_SCHEMA = "SchemaGen"
CURATED_SCHEMA = "ImportSchemaGen"

_STARTS = {
    "InteractionExampleGen": ("components.nodes.interaction_example_gen",),
    "ItemExampleGen": ("components.nodes.item_example_gen",),
    "TextEncoder": ("components.nodes.text_encoder",),
    "DataGate": ("components.nodes.data_gate",),
    "Transform": ("trainer.data.preprocessing",),
    "Comparison": ("components.nodes.comparison",),
    "IndexBuilder": ("components.nodes.index_builder",),
    "ServingValidator": ("components.nodes.serving_validator",),
    "Pusher": ("components.nodes.pusher",),
}
"""Component -> the modules that TFX enters: of the executor, and of a dotted function."""

_TRAINER = ("components.nodes.trainer", "trainer.run_fn")


def code_keys(config: Config, root: Path = ROOT) -> dict[str, str]:
    """A number for the code of each component that runs ours: the import closure of the modules it starts from.

    A component of TFX's own (StatisticsGen, ExampleValidator) has none: what it does is decided by its inputs and by
    TFX's version, which the key of ingestion has in it. Of the models, a Trainer runs the configured one.

    Args:
      config: names the model, and says where the schema comes from.
      root: where the packages are.

    Returns:
      component -> key, of components that the configuration leaves out as well.

    Raises:
      InputError: the model's class comes from no file, such as from a cell of a notebook.
    """
    sources = Sources(root)
    evaluator = ("components.nodes.evaluator", family_of(config).evaluation)
    starts: dict[str, tuple[str, ...]] = {
        **_STARTS,
        CURATED_SCHEMA if config.validation.schema_path else INFERRED_SCHEMA: ("components.nodes.data_schema",),
        "Trainer": (*_TRAINER, _model_module(config.model.model_dump()["name"], sources)),
        "Evaluator": evaluator,
    }
    if (baseline := baseline_settings(config)) is not None:
        starts[BASELINE_TRAINER] = (*_TRAINER, _model_module(baseline["name"], sources))
        starts[BASELINE_EVALUATOR] = evaluator
    return {component: sources.key(modules) for component, modules in starts.items()}


def with_keys(nodes: Iterable[BaseNode], keys: Mapping[str, str]) -> list[BaseNode]:
    """The nodes, those that run our code with their key as the parameter ``CODE_FINGERPRINT``.

    Args:
      nodes: of a pipeline; they are changed.
      keys: component -> key, see :func:`code_keys`.
    """
    given = list(nodes)
    for node in given:
        if node.id in keys:
            node.exec_properties[CODE_FINGERPRINT] = keys[node.id]
    return given


def _model_module(name: str, sources: Sources) -> str:
    module = str(model_registry().get(name).__module__)
    if not sources.has(module):
        raise InputError(
            f"model.name: {name} is a class of {module}, which is no file: a change of it could not be told from what "
            "the cache holds. Write the model to a .py file and import it."
        )
    return module
