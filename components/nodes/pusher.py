"""TFX component: Pusher with an atomic, verified copy."""

import os
from typing import Any

from tfx.components.pusher.component import Pusher
from tfx.components.pusher.executor import Executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import BaseChannel, artifact_utils, standard_component_specs
from tfx.utils import json_utils, proto_utils

from components.cluster_push import FAIL_WHEN_REFUSED, refusal_in_words, refuse_no_mount
from components.execution import Artifacts
from components.nodes.local_folder import local_copy
from components.push_log import announce
from serving.publish.push import push_bundle, unchanged_version
from serving.settings import ServingSettings
from trainer.errors import GateRefused

UNCHANGED = "unchanged"
"""Property of the pushed model: 1 if the newest version was this bundle already and stays."""


class BundlePusherExecutor(Executor):
    """TFX's Pusher (it pushes only what every gate blessed) with :func:`serving.publish.push.push_bundle` for the copy.

    The stock executor copies file by file into the version folder, where a server can see half of it, and skips
    the push when two fall into one second. The pushed_model artifact says where the version went and holds no second
    copy.
    """

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Pushes the bundle if it is blessed and not what the newest version is, or was made from, already; that one is
        reported then.

        Raises:
          InputError: see :func:`serving.publish.push.push_bundle`; or, on Kubeflow, the folder is on no mounted volume.
          GateRefused: on Kubeflow, a gate refused the model and the run is to fail then.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        cluster = json_utils.loads(exec_properties.get(standard_component_specs.CUSTOM_CONFIG_KEY) or "null")
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            if cluster:
                announce(None)
                if cluster[FAIL_WHEN_REFUSED]:
                    raise GateRefused(
                        refusal_in_words(
                            input_dict.get(standard_component_specs.MODEL_BLESSING_KEY),
                            input_dict.get(standard_component_specs.INFRA_BLESSING_KEY),
                        )
                    )
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
        base_directory = destination.filesystem.base_directory
        if cluster:
            refuse_no_mount(base_directory)
        with local_copy(self.GetModelPath(input_dict)) as bundle:
            unchanged = unchanged_version(bundle, base_directory)
            version = unchanged or push_bundle(bundle, base_directory)
        pushed.set_int_custom_property(UNCHANGED, int(unchanged is not None))
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)
        if cluster:
            announce(version)


class BundlePusher(Pusher):
    """Pushes a blessed bundle to ``serving.directory/serving.model_name/VERSION``.

    Args:
      bundle: of the IndexBuilder.
      serving: the directory and the model name.
      model_blessing: of the Evaluator; None if it is no gate.
      infra_blessing: of the ServingValidator; None if it is no gate.
      fail_when_refused: on Kubeflow, whether a gate's refusal fails the step; None on this machine.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(BundlePusherExecutor)

    def __init__(
        self,
        bundle: BaseChannel,
        serving: ServingSettings,
        model_blessing: BaseChannel | None = None,
        infra_blessing: BaseChannel | None = None,
        fail_when_refused: bool | None = None,
    ) -> None:
        base_directory = os.path.join(serving.directory, serving.model_name)
        super().__init__(
            model=bundle,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=base_directory)
            ),
            custom_config=None if fail_when_refused is None else {FAIL_WHEN_REFUSED: fail_when_refused},
        )
