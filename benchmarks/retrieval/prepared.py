"""Data as the pipeline makes it: ingestion, validation and Transform, once a data set and seed."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.run import load, with_absolute_paths

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


@dataclass(frozen=True)
class Prepared:
    """Where the parts are that training reads.

    Attributes:
      examples: folder of the raw examples (Split-train, Split-valid, Split-test).
      transformed: folder of the transformed examples.
      transform_graph: folder of Transform's graph.
      items: folder of the item examples.
    """

    examples: str
    transformed: str
    transform_graph: str
    items: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def prepare(config_file: Path, overrides: list[str], root: Path) -> Prepared:
    """Runs the pipeline as far as Transform; what is unchanged comes from its cache.

    Args:
      config_file: the configuration.
      overrides: ``section.key=value`` each.
      root: where the artifacts are kept.

    Raises:
      InputError: the data cannot be used.
    """
    outputs = _run(config_file, [*overrides, f"pipeline.root={root}"], "Transform")
    return Prepared(
        examples=outputs["InteractionExampleGen"]["examples"].uri,
        transformed=outputs["Transform"]["transformed_examples"].uri,
        transform_graph=outputs["Transform"]["transform_graph"].uri,
        items=outputs["ItemExampleGen"]["examples"].uri,
    )


def half_given(config_file: Path, overrides: list[str], root: Path) -> str:
    """Folder of raw examples of the same users; half of an evaluated sequence is given. See :func:`prepare`."""
    changed = [*overrides, "data.split.history_fraction=0.5", f"pipeline.root={root / 'half'}"]
    return str(_run(config_file, changed, "InteractionExampleGen")["InteractionExampleGen"]["examples"].uri)


def _run(config_file: Path, overrides: list[str], last: str) -> dict[str, Any]:
    """Runs the pipeline as far as a node: the outputs of each."""
    from pipeline.engines import local as local_engine
    from pipeline.graph import build as graph
    from pipeline.terminal.progress import Progress
    from pipeline.terminal.quiet import quiet

    config = with_absolute_paths(load(str(config_file), overrides))
    folder = Path(config.pipeline.root) / config.pipeline.name
    os.makedirs(folder, exist_ok=True)
    pipeline = _up_to(last, graph.create_pipeline(config, history=False))
    with quiet(folder / "prepare.log") as console, Progress(console) as bar:
        return local_engine.run(pipeline, [bar])


def trainer_config(
    config_file: Path, overrides: list[str], model: dict[str, Any], changes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What the Trainer component would be given.

    Args:
      config_file: the configuration.
      overrides: ``section.key=value`` each.
      model: the model's settings; of another section, with it in front (``training.max_steps``).
      changes: the same as overrides, and stronger than the model's settings.
    """
    own = [f"model.{key}={json.dumps(value)}" for key, value in model.items() if not key.startswith("training.")]
    own += [f"{key}={json.dumps(value)}" for key, value in model.items() if key.startswith("training.")]
    config = load(str(config_file), [*overrides, *own, *changes])
    return {
        "model": config.model.model_dump(),
        "training": config.training.model_dump(),
        "transform": config.transform.model_dump(),
        "user_features": dict(config.data.user_columns.features),
        "labels": list(config.data.labels),
    }


def _up_to(last: str, pipeline: "Pipeline") -> "Pipeline":
    names = [node.id for node in pipeline.components]
    kept = pipeline.components[: names.index(last) + 1]
    for node in kept:
        for later in node.downstream_nodes - set(kept):
            node.remove_downstream_node(later)
    pipeline.components = kept
    return pipeline
