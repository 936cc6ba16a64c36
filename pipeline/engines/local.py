"""Local engine: runs a TFX pipeline in this process, component by component, and notifies listeners."""

import datetime
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.orchestration.portable.tfx_runner import _make_pipeline_proto
from tfx.proto.orchestration import pipeline_pb2


@dataclass(frozen=True)
class Output:
    """An artifact that a component of this run wrote, or found in the cache.

    Attributes:
      uri: its folder.
      properties: its custom properties.
    """

    uri: str
    properties: Mapping[str, int | float | str]


Outputs = dict[str, dict[str, Output]]
"""Component -> output -> artifact."""


class ComponentFailed(RuntimeError):
    """A component ended with an error; the cause is chained.

    Attributes:
      component: its name.
    """

    def __init__(self, component: str) -> None:
        """Names the component."""
        super().__init__(f"Component {component} failed.")
        self.component = component


class Listener(Protocol):
    """Hears about the components that do something (not those that only look up artifacts)."""

    def started(self, component: str, number: int, total: int) -> None:
        """Component ``number`` (from 1) of ``total`` starts."""

    def finished(self, component: str, seconds: float, cached: bool, outputs: Mapping[str, Output]) -> None:
        """It has ended well and written ``outputs``; ``cached``: an earlier result was taken."""


def run(pipeline: Pipeline, listeners: Sequence[Listener], uncached: Collection[str] = ()) -> Outputs:
    """Runs all components in order. LocalDagRunner does the same, but in silence, and hides what was written.

    Args:
      pipeline: with its metadata in a local store.
      listeners: are told of the progress, one after the other.
      uncached: components that must not take an earlier result.

    Returns:
      What each component wrote.

    Raises:
      ComponentFailed: chained to the component's own error.
    """
    compiled = _make_pipeline_proto(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: datetime.datetime.now().isoformat()}
    )
    deployment = runner_utils.extract_local_deployment_config(compiled)
    store = deployment.metadata_connection_config
    connection = metadata.Metadata(getattr(store, store.WhichOneof("connection_config")))
    nodes = [node.pipeline_node for node in compiled.nodes]
    with_executor = {n.node_info.id for n in nodes if runner_utils.extract_executor_spec(deployment, n.node_info.id)}
    outputs: Outputs = {}
    number = 0
    for node in nodes:
        name = node.node_info.id
        if name in uncached:
            node.execution_options.caching_options.enable_cache = False
        works = name in with_executor
        if works:
            number += 1
            for listener in listeners:
                listener.started(name, number, len(with_executor))
        before = time.monotonic()
        try:
            execution = _launch(node, compiled, deployment, connection)
        except Exception as error:
            raise ComponentFailed(name) from error
        if works:
            if execution is None or execution.last_known_state not in (
                metadata_store_pb2.Execution.COMPLETE,
                metadata_store_pb2.Execution.CACHED,
            ):
                raise ComponentFailed(name) from RuntimeError("Its inputs could not be resolved.")
            outputs[name] = _outputs(connection, execution)
            seconds = time.monotonic() - before
            cached = execution.last_known_state == metadata_store_pb2.Execution.CACHED
            for listener in listeners:
                listener.finished(name, seconds, cached, outputs[name])
    return outputs


def _launch(
    node: pipeline_pb2.PipelineNode,
    compiled: pipeline_pb2.Pipeline,
    deployment: pipeline_pb2.IntermediateDeploymentConfig,
    connection: metadata.Metadata,
) -> metadata_store_pb2.Execution | None:
    name = node.node_info.id
    info = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=connection,
        pipeline_info=compiled.pipeline_info,
        pipeline_runtime_spec=compiled.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, name),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
    ).launch()
    if info is None or info.execution_id is None:
        return None
    with connection as handle:
        return next(iter(handle.store.get_executions_by_id([info.execution_id])), None)


def _outputs(connection: metadata.Metadata, execution: metadata_store_pb2.Execution) -> dict[str, Output]:
    with connection as handle:
        events = [
            event
            for event in handle.store.get_events_by_execution_ids([execution.id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        artifacts = {a.id: a for a in handle.store.get_artifacts_by_id([event.artifact_id for event in events])}
    return {
        event.path.steps[0].key: Output(
            artifacts[event.artifact_id].uri,
            {
                key: getattr(value, value.WhichOneof("value"))
                for key, value in artifacts[event.artifact_id].custom_properties.items()
            },
        )
        for event in events
    }
