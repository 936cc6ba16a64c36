"""Routes of the REST interface, over the services that answer gRPC.

Source: tensorflow_serving/model_servers/http_rest_api_util.cc and http_rest_api_handler.cc.
"""

import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple
from urllib.parse import unquote

import grpc

from serving.errors import ServingError, as_told, invalid_argument
from serving.limits import Limits
from serving.ports.rest import json_replies, json_requests
from serving.ports.rest.context import RestContext
from serving.runtime.predict import DEFAULT_SIGNATURE
from serving.runtime.protos import get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2
from serving.runtime.servable import Servable
from serving.services.metrics import Metrics
from serving.services.models import ModelService
from serving.services.prediction import PredictionService, not_offered, requested_model
from serving.versions.manager import ServableManager

_OF_A_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(rf"/v1/models/(?P<name>[^/:]+){_OF_A_VERSION}:(?P<what>classify|regress|predict)", re.I)
_GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_OF_A_VERSION}(?:/(?P<what>metadata))?", re.I)
_LARGEST_VERSION = 2**63 - 1
_LARGE = 1 << 20
"""Bytes of a body from which on only one is read at a time: as objects of Python, JSON can take 28 times its size."""

HTTP_CODES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""As http_server.cc of TensorFlow Serving maps them."""


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
      method: GET, POST ...
      path: of the URL, still percent-encoded.
      body: as received.
    """

    method: str
    path: str
    body: bytes


class Reply(NamedTuple):
    """Its answer.

    Attributes:
      code: HTTP's.
      body: JSON.
    """

    code: int
    body: str


class RestApi:
    """Turns HTTP requests into calls of the services.

    Args:
      manager: where the models come from.
      prediction: answers predict and metadata.
      models: answers status.
      limits: of the inputs of a request.
      metrics: count the calls; None: they are not counted.
    """

    def __init__(
        self,
        manager: ServableManager[Servable],
        prediction: PredictionService,
        models: ModelService,
        limits: Limits,
        metrics: Metrics | None,
    ) -> None:
        self._manager, self._prediction, self._models = manager, prediction, models
        self._limits, self._metrics = limits, metrics
        self._large_bodies = threading.Lock()

    def answer(self, request: Request, context: RestContext) -> Reply:
        """Answers a request; never raises.

        Args:
          request: what was asked.
          context: of the call; nothing is done when nobody waits for it any more.
        """
        try:
            if not context.is_active():
                raise ServingError(grpc.StatusCode.CANCELLED, "Nobody waits for the answer any more.")
            body = self._route(request, context)
        except ServingError as failure:
            return Reply(HTTP_CODES[failure.code], json_replies.failure(failure.text))
        finally:
            context.cancel()
        return Reply(HTTP_CODES[grpc.StatusCode.OK], body)

    def _route(self, request: Request, context: RestContext) -> str:
        pattern = {"POST": _POST, "GET": _GET}.get(request.method)
        found = pattern and pattern.fullmatch(request.path)
        if not found:
            raise invalid_argument(f"Malformed request: {request.method} {request.path[:200]}")
        name, what = unquote(found["name"] or ""), (found["what"] or "status").lower()
        spec = model_pb2.ModelSpec(name=name)
        if found["version"]:
            if len(found["version"]) > 19 or int(found["version"]) > _LARGEST_VERSION:
                raise invalid_argument(f"Failed to convert version: {found['version'][:40]} to numeric.")
            spec.version.value = int(found["version"])
        elif found["label"]:
            spec.version_label = unquote(found["label"])
        method, call = self._methods()[what]
        ended, code = self._metrics and self._metrics.request(spec, method), grpc.StatusCode.OK
        try:
            return call(spec, request.body, context)
        except Exception as error:
            failure = as_told(error, method, name, context)
            code = failure.code
            raise failure from error
        finally:
            if ended:
                ended(code)

    def _methods(self) -> dict[str, tuple[str, Callable[[model_pb2.ModelSpec, bytes, RestContext], str]]]:
        return {
            "predict": ("Predict", self._predict),
            "classify": ("Classify", _refuse("Classify")),
            "regress": ("Regress", _refuse("Regress")),
            "status": ("GetModelStatus", self._status),
            "metadata": ("GetModelMetadata", self._metadata),
        }

    def _predict(self, spec: model_pb2.ModelSpec, body: bytes, context: RestContext) -> str:
        request = predict_pb2.PredictRequest(model_spec=spec)
        with self._large_bodies if len(body) > _LARGE else nullcontext():
            request_format = self._read(body, request)
        return json_replies.prediction(self._prediction.predict(request, context.is_active), request_format)

    def _read(self, body: bytes, request: predict_pb2.PredictRequest) -> str:
        """Fills the request's signature and inputs; returns the format."""
        document = json_requests.parse(body)
        name = request.model_spec.signature_name = json_requests.signature_name(document)
        with self._manager.use(*requested_model(request)) as (_, servable):
            signature = servable.signatures.get(name or DEFAULT_SIGNATURE)
        if signature is None:
            raise invalid_argument(f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def')
        request_format, inputs = json_requests.tensors(document, signature.inputs, signature.defaults, self._limits)
        for alias, tensor in inputs.items():
            request.inputs[alias].CopyFrom(tensor)
        return request_format

    def _status(self, spec: model_pb2.ModelSpec, body: bytes, context: RestContext) -> str:
        del body
        if not spec.name:
            raise invalid_argument("Missing model name in request.")
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return json_replies.status(self._models.status(request))

    def _metadata(self, spec: model_pb2.ModelSpec, body: bytes, context: RestContext) -> str:
        del body
        if not spec.name:
            raise invalid_argument("Missing model name in request.")
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        return json_replies.metadata(self._prediction.metadata(request))


def _refuse(method: str) -> Callable[[model_pb2.ModelSpec, bytes, RestContext], str]:
    def refuse(*_: object) -> str:
        raise not_offered(method)

    return refuse
