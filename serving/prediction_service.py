"""PredictionService of TensorFlow Serving's protocol: Predict and GetModelMetadata."""

from functools import partial
from typing import Any

import grpc

from serving.limits import Limits
from serving.metrics import Metrics
from serving.predict import predict
from serving.servable import Servable
from serving.status import ServingError, answering, invalid_argument
from serving.tensorflow_runtime import get_model_metadata_pb2, model_pb2, predict_pb2, prediction_service_pb2_grpc
from serving.versions import ServableManager

_SIGNATURE_DEF = "signature_def"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers with the models of a manager.

    Args:
      manager: where the models come from.
      limits: of the inputs of a request.
      metrics: are shown what was answered; None: nothing is counted.
    """

    def __init__(self, manager: ServableManager[Servable], limits: Limits, metrics: Metrics | None = None) -> None:
        self._manager, self._limits, self._metrics = manager, limits, metrics

    @answering
    def Predict(self, request: predict_pb2.PredictRequest, context: Any) -> predict_pb2.PredictResponse:
        """Runs a signature of a model."""
        name, choice = requested_model(request)
        with self._manager.use(name, choice) as (number, servable):
            observe = None if self._metrics is None else partial(self._metrics.answered, request.model_spec)
            response = predict(servable, request, self._limits, observe, partial(_waits, context))
        response.model_spec.version.value = number
        return response

    @answering
    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: Any
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tells a model's signatures."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {field} is not supported")
        name, choice = requested_model(request)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self._manager.use(name, choice) as (number, servable):
            for key, signature in servable.signatures.items():
                signatures.signature_def[key].CopyFrom(signature)
        response.model_spec.name = name
        response.model_spec.version.value = number
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        return response

    @answering
    def Classify(self, request: Any, context: Any) -> Any:
        """Not offered."""
        raise _not_offered("Classify")

    @answering
    def Regress(self, request: Any, context: Any) -> Any:
        """Not offered."""
        raise _not_offered("Regress")

    @answering
    def MultiInference(self, request: Any, context: Any) -> Any:
        """Not offered."""
        raise _not_offered("MultiInference")


def requested_model(request: Any) -> tuple[str, int | str | None]:
    """The model that a request's ``model_spec`` asks for, as :meth:`serving.lending.Lender.use` takes it.

    Returns:
      its name, and a version, or a label, or None: the server chooses the version.

    Raises:
      ServingError: INVALID_ARGUMENT, there is no spec or no name.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec: model_pb2.ModelSpec = request.model_spec
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    if choice == "version_label":
        return spec.name, spec.version_label
    return spec.name, spec.version.value if choice == "version" else None


def _waits(context: Any) -> bool:
    """Whether the client of a call has neither gone nor run out of time."""
    left = context.time_remaining()
    return context.is_active() and (left is None or left > 0)


def _not_offered(method: str) -> ServingError:
    return ServingError(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not offered by this server; use Predict.")
