"""ModelService of TensorFlow Serving's protocol: GetModelStatus."""

from typing import Any

import grpc

from serving.servable import Servable
from serving.status import ServingError, answering, invalid_argument, not_found
from serving.tensorflow_runtime import get_model_status_pb2, model_service_pb2_grpc
from serving.versions import ServableManager


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Reports on the models of a manager.

    Args:
      manager: where the models come from.
    """

    def __init__(self, manager: ServableManager[Servable]) -> None:
        self._manager = manager

    @answering
    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: Any
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of one version or of all, newest first, with the reason of a refused one."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        statuses = self._manager.status(spec.name)
        if choice == "version":
            statuses = [status for status in statuses if status.number == spec.version.value]
            if not statuses:
                raise not_found(f"Could not find version {spec.version.value} of model {spec.name}")
        elif not statuses:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in statuses:
            added = response.model_version_status.add(version=number, state=int(state))
            # Set also when all is well, as TensorFlow Serving does.
            added.status.error_code = error.number if error else 0
            added.status.error_message = error.text if error else ""
        return response

    @answering
    def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:
        """Not offered."""
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            "HandleReloadConfigRequest is not offered: new versions are found by looking at the model's folder; "
            "restart the server to serve other models.",
        )
