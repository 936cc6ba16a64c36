"""ModelService of TensorFlow Serving's protocol, independent of the transport."""

import grpc

from serving.errors import ServingError, invalid_argument, not_found
from serving.runtime.protos import get_model_status_pb2, model_management_pb2
from serving.runtime.servable import Servable
from serving.versions.config_file import model_configs
from serving.versions.label_rules import UnavailableLabels
from serving.versions.manager import ServableManager
from serving.versions.wanted import ModelConfig


class ModelService:
    """Reports on the models of a manager, and replaces them.

    Args:
      manager: where the models come from.
      labels: which a new configuration may give to versions that are not available.
    """

    def __init__(self, manager: ServableManager[Servable], labels: UnavailableLabels) -> None:
        self._manager, self._labels = manager, labels

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of one version or of all, newest first, with the reason of a refused one.

        Raises:
          ServingError: what the client is to be told.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        choice = spec.WhichOneof("version_choice")
        wanted = spec.version.value if choice == "version" else None
        if choice == "version_label":
            wanted = self._manager.labelled(spec.name, spec.version_label)
        statuses = self._manager.status(spec.name)
        if wanted is not None:
            statuses = [status for status in statuses if status.number == wanted]
            if not statuses:
                raise not_found(f"Could not find version {wanted} of model {spec.name}")
        elif not statuses:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in statuses:
            added = response.model_version_status.add(version=number, state=int(state))
            # Set also when all is well, as TensorFlow Serving does.
            added.status.error_code = error.number if error else 0
            added.status.error_message = error.text if error else ""
        return response

    def reload(self, request: model_management_pb2.ReloadConfigRequest) -> model_management_pb2.ReloadConfigResponse:
        """Replaces what is served until the next one, a change of ``models.config`` or the end of the server.

        Raises:
          ServingError: what the client is to be told.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported"
            )
        configs, before = model_configs(request.config.model_config_list), self._manager.model_names
        self._manager.reload(configs, self._labels)
        missing = [name for name in configs if name not in before and self._manager.available(name) is None]
        if missing:
            raise ServingError(
                grpc.StatusCode.UNKNOWN,
                f"{len(missing)} model(s) did not become available: "
                f"{{{', '.join(self._why_missing(name, configs[name]) for name in missing)}}}",
            )
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = 0
        return response

    def _why_missing(self, name: str, config: ModelConfig) -> str:
        refused = [
            f"version: {number} due to error: {error.text}" for number, _, error in self._manager.status(name) if error
        ]
        return f"{{name: {name} {', '.join(refused) or f'has no version that can be loaded in {config.base_path}'}}}"
