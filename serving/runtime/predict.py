"""Predict on a loaded model: read the request, run the graph, write the reply."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
import numpy.typing as npt

from serving.errors import ServingError, invalid_argument
from serving.limits import Limits
from serving.runtime.batching import Wanted, always
from serving.runtime.protos import meta_graph_pb2, predict_pb2
from serving.runtime.servable import Servable
from serving.runtime.tensors import to_array, to_proto

DEFAULT_SIGNATURE = "serving_default"
_METHODS = tuple(f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


class Asked(NamedTuple):
    """A request, read.

    Attributes:
      model: its name.
      signature: its name.
      inputs: those that were sent.
      outputs: names of the wanted outputs and their types.
    """

    model: str
    signature: str
    inputs: dict[str, npt.NDArray[Any]]
    outputs: dict[str, int]


def predict(
    servable: Servable, request: predict_pb2.PredictRequest, limits: Limits, wanted: Wanted = always
) -> predict_pb2.PredictResponse:
    """Answers a request with the model, and waits for it.

    Args:
      servable: the model.
      request: its ``model_spec`` has been used to find the model; only the signature's name is read here.
      limits: of the inputs.
      wanted: whether the client still waits; if not, the model is not run.

    Returns:
      as of :func:`reply`.

    Raises:
      ServingError: with TensorFlow Serving's code and text.
    """
    asked = read(servable, request, limits)
    return reply(asked, servable.run(asked.signature, asked.inputs, wanted))


def read(servable: Servable, request: predict_pb2.PredictRequest, limits: Limits) -> Asked:
    """What a request asks of a model.

    Raises:
      ServingError: it does not fit the model.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    if signature.method_name not in _METHODS:
        raise ServingError(
            grpc.StatusCode.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{', '.join(_METHODS)}}}. Was: {signature.method_name}",
        )
    inputs = _inputs(signature, request, limits)
    outputs = {alias: signature.outputs[alias].dtype for alias in _asked_outputs(signature, request)}
    return Asked(request.model_spec.name, name, inputs, outputs)


def reply(asked: Asked, outputs: Mapping[str, npt.NDArray[Any]]) -> predict_pb2.PredictResponse:
    """The reply to a request; its version is the caller's to fill.

    All outputs were computed also where ``output_filter`` asks for some of them: TensorFlow keeps an executor for every
    set of outputs it was ever asked for, and a client could ask for any.
    """
    response = predict_pb2.PredictResponse()
    response.model_spec.name = asked.model
    response.model_spec.signature_name = asked.signature
    for alias, dtype in asked.outputs.items():
        response.outputs[alias].CopyFrom(to_proto(outputs[alias], dtype))
    return response


def _inputs(
    signature: meta_graph_pb2.SignatureDef, request: predict_pb2.PredictRequest, limits: Limits
) -> dict[str, npt.NDArray[Any]]:
    sent, expected = set(request.inputs), set(signature.inputs)
    if len(sent) > len(expected) or (len(sent) < len(expected) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} len({_names(sent)}) != "
            f"len({_names(expected)}). Sent extra: {_names(sent - expected)}. "
            f"Missing but required: {_names(expected - sent)}."
        )
    arrays = {}
    for alias, info in sorted(signature.inputs.items()):
        if alias in sent:
            arrays[alias] = to_array(alias, request.inputs[alias], info, limits)
        elif alias not in signature.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {_names(sent)}, or default input alias set: "
                f"{_names(set(signature.defaults))}"
            )
    if sent - expected:
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_names(sent & expected)}, request input: "
            f"{_names(sent)}"
        )
    return arrays


def _asked_outputs(signature: meta_graph_pb2.SignatureDef, request: predict_pb2.PredictRequest) -> list[str]:
    asked: set[str] = set()
    for alias in request.output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{_names(set(signature.outputs))}."
            )
        if alias in asked:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        asked.add(alias)
    return sorted(asked or signature.outputs)


def _names(names: set[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
