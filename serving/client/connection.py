"""Connection to a server: calls, error messages, signatures of the served model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import grpc
import numpy.typing as npt

from serving.client import wire
from serving.client.answers import ClientError, Input, VersionStatus
from serving.client.requests import check_profile_names, profile
from serving.client.tls import channel_credentials

_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_TYPE_NAMES = {
    wire.DT_FLOAT: "float32",
    wire.DT_DOUBLE: "float64",
    wire.DT_INT32: "int32",
    wire.DT_INT64: "int64",
    wire.DT_STRING: "string",
    wire.DT_BOOL: "bool",
}
_Connection = TypeVar("_Connection", bound="Connection")
_SERVICE = "/tensorflow.serving."


class Connection:
    """What every question to a server needs. It may be used from several threads.

    Args:
      target: ``HOST:PORT``.
      model: name of the model.
      timeout: seconds for one call.
      max_message_bytes: largest reply that is accepted.
      tls: encrypt the connection, and check the server's certificate; so does any of the following.
      ca: file (PEM) of the authorities to check it against; those that gRPC comes with by default.
      certificate: file (PEM) of the client's own certificate, for a server that asks for one.
      key: file (PEM) of its key.
      label: of the version that is asked, such as ``canary``; None: the server's choice, the stable one.

    Raises:
      ValueError: one of the files cannot be read.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:8500",
        model: str = "polyrec",
        timeout: float = 10.0,
        max_message_bytes: int = 64 << 20,
        tls: bool = False,
        ca: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
        label: str | None = None,
    ) -> None:
        self._target, self._model, self._timeout = target, model, timeout
        self._spec = {"name": model} if label is None else {"name": model, "version_label": label}
        # A model server is reached directly: a proxy of the environment is meant for the web.
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", max_message_bytes)]
        if tls or ca or certificate or key:
            self._channel = grpc.secure_channel(target, channel_credentials(ca, certificate, key), options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        self._predict_rpc = self._method("PredictionService/Predict", wire.PredictResponse)
        self._metadata_rpc = self._method("PredictionService/GetModelMetadata", wire.GetModelMetadataResponse)
        self._status_rpc = self._method("ModelService/GetModelStatus", wire.GetModelStatusResponse)
        self._signatures: dict[str, dict[str, Input]] | None = None

    def status(self, label: str | None = None) -> list[VersionStatus]:
        """The versions of the model that the server knows, newest first.

        Args:
          label: only the version that it stands for.

        Raises:
          ClientError: the server does not know the model or the label, or did not answer.
        """
        spec = {"name": self._model} if label is None else {"name": self._model, "version_label": label}
        reply = self._call(self._status_rpc, wire.GetModelStatusRequest(model_spec=spec))
        return [
            VersionStatus(entry.version, _STATES.get(entry.state, "UNKNOWN"), entry.status.error_message)
            for entry in reply.model_version_status
        ]

    def inputs(self, signature: str = "recommend") -> dict[str, Input]:
        """The inputs of a signature, by name.

        Raises:
          ClientError: the server did not answer, or the model has no such signature.
        """
        signatures = self.signatures()
        if signature not in signatures:
            known = ", ".join(sorted(signatures))
            raise ClientError(
                "FAILED_PRECONDITION", f'Model {self._model} has no signature "{signature}", only {known}.'
            )
        return signatures[signature]

    def signatures(self) -> dict[str, dict[str, Input]]:
        """The signatures of the model and their inputs, by name.

        Raises:
          ClientError: the server did not answer.
        """
        if self._signatures is None:
            self._signatures = self._fetch_signatures()
        return self._signatures

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def __enter__(self: _Connection) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _method(self, name: str, reply: Any) -> Any:
        return self._channel.unary_unary(
            _SERVICE + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reply.FromString,
        )

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise self._in_words(error.code().name, error.details() or "") from error

    def _in_words(self, code: str, text: str) -> ClientError:
        if code == "UNAVAILABLE":
            return ClientError(
                code, f"No server answers at {self._target} ({text}). Start one: polyrec serve DIRECTORY."
            )
        if code == "DEADLINE_EXCEEDED":
            return ClientError(code, f"{self._target} did not answer within {self._timeout:g} s.")
        if code == "NOT_FOUND":
            return ClientError(
                code,
                f"{self._target} does not serve model {self._model} now ({text}). "
                "If it has just started, it is loading.",
            )
        return ClientError(code, text)

    def _fetch_signatures(self) -> dict[str, dict[str, Input]]:
        request = wire.GetModelMetadataRequest(model_spec=self._spec, metadata_field=["signature_def"])
        reply = self._call(self._metadata_rpc, request)
        signatures = wire.SignatureDefMap.FromString(reply.metadata["signature_def"].value)
        return {
            name: {alias: _as_input(info, alias in signature.defaults) for alias, info in signature.inputs.items()}
            for name, signature in signatures.signature_def.items()
            if signature.method_name
        }

    def _predict(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        user_features: Sequence[Mapping[str, Any]] | None,
        batch: int,
    ) -> dict[str, npt.NDArray[Any]]:
        """Sends what the served signature asks for; once more if that turns out to have changed meanwhile."""
        if user_features is not None and len(user_features) != batch:
            raise ValueError(f"user_features has {len(user_features)} entries for {batch} histories")
        for attempt in (1, 2):
            known = self._signatures
            try:
                request = self._request(signature, inputs, user_features, batch)
                reply = self._call(self._predict_rpc, request)
                break
            except ClientError as error:
                if attempt == 2 or known is None or error.code not in ("INVALID_ARGUMENT", "FAILED_PRECONDITION"):
                    raise
                self._signatures = None
        return {name: wire.array(tensor) for name, tensor in reply.outputs.items()}

    def _request(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        user_features: Sequence[Mapping[str, Any]] | None,
        batch: int,
    ) -> Any:
        expected = self.inputs(signature)
        # What the model does not ask for would be dropped without a word.
        if unused := sorted(set(inputs) - set(expected)):
            raise ClientError(
                "FAILED_PRECONDITION",
                f"The served model has no input {unused[0]} of {signature}: an earlier polyrec made it.",
            )
        request = wire.PredictRequest(model_spec={**self._spec, "signature_name": signature})
        for name, spec in expected.items():
            if name in inputs:
                request.inputs[name].CopyFrom(inputs[name])
            elif not spec.optional:
                request.inputs[name].CopyFrom(profile(name, spec, user_features, batch))
        check_profile_names(expected, user_features)
        return request


def _as_input(info: Any, optional: bool) -> Input:
    shape = tuple(None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim)
    return Input(_TYPE_NAMES.get(info.dtype, str(info.dtype)), shape, optional)
