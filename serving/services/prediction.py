"""PredictionService of TensorFlow Serving's protocol, independent of the transport."""

import asyncio
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import grpc

from serving.errors import ServingError, invalid_argument
from serving.limits import Limits
from serving.runtime.batching import Outputs, Wanted, always
from serving.runtime.predict import Asked, read, reply
from serving.runtime.protos import get_model_metadata_pb2, model_pb2, predict_pb2
from serving.runtime.servable import Servable
from serving.services.metrics import Metrics
from serving.versions.manager import ServableManager

_SIGNATURE_DEF = "signature_def"


class PredictionService:
    """Answers with the models of a manager.

    Args:
      manager: where the models come from.
      limits: of the inputs of a request.
      metrics: are shown what was answered; None: nothing is counted.
    """

    def __init__(self, manager: ServableManager[Servable], limits: Limits, metrics: Metrics | None = None) -> None:
        self._manager, self._limits, self._metrics = manager, limits, metrics

    def predict(self, request: predict_pb2.PredictRequest, wanted: Wanted = always) -> predict_pb2.PredictResponse:
        """Runs a signature of a model and waits for it.

        Args:
          request: as received.
          wanted: whether the client still waits; asked just before the run.

        Raises:
          ServingError: what the client is to be told.
        """
        number, asked, answer = self._begin(request, wanted)
        return self._reply(request, number, asked, answer.result())

    async def predict_meanwhile(
        self, request: predict_pb2.PredictRequest, wanted: Wanted = always
    ) -> predict_pb2.PredictResponse:
        """The same for an event loop, which goes on meanwhile; if it is cancelled, a request that waits is not run."""
        number, asked, answer = self._begin(request, wanted)
        return self._reply(request, number, asked, await asyncio.wrap_future(answer))

    def _begin(self, request: predict_pb2.PredictRequest, wanted: Wanted) -> tuple[int, Asked, Future[Outputs]]:
        name, choice = requested_model(request)
        with ExitStack() as lent:
            number, servable = lent.enter_context(self._manager.use(name, choice))
            asked = read(servable, request, self._limits)
            answer = servable.submit(asked.signature, asked.inputs, wanted)
            # Not before the run has ended, though nobody may wait for it any more.
            kept = lent.pop_all()
        answer.add_done_callback(lambda _: kept.close())
        return number, asked, answer

    def _reply(
        self, request: predict_pb2.PredictRequest, number: int, asked: Asked, outputs: Outputs
    ) -> predict_pb2.PredictResponse:
        if self._metrics is not None:
            self._metrics.answered(request.model_spec, outputs)
        response = reply(asked, outputs)
        response.model_spec.version.value = number
        return response

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tells a model's signatures.

        Raises:
          ServingError: what the client is to be told.
        """
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


def requested_model(request: Any) -> tuple[str, int | str | None]:
    """The model that a request's ``model_spec`` asks for, as :meth:`serving.versions.lease.Lender.use` takes it.

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


def not_offered(method: str) -> ServingError:
    """What is told of Classify and the like."""
    return ServingError(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not offered by this server; use Predict.")
