"""The client: ids in, ids out. It needs neither TensorFlow nor the trainer.

with Client("127.0.0.1:8500") as client:
    for item in client.recommend([["242", "302"]], k=10)[0].items:
        print(item.item_id, item.score, item.because)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from serving import wire
from serving.answers import ClientError, Input, Recommendations, TagProfile, TagScores, VersionStatus
from serving.reply_tensors import profiles, recommendations, tag_scores
from serving.request_tensors import check_profile_names, exclusions, history_inputs, profile

_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_TYPE_NAMES = {
    wire.DT_FLOAT: "float32",
    wire.DT_DOUBLE: "float64",
    wire.DT_INT32: "int32",
    wire.DT_INT64: "int64",
    wire.DT_STRING: "string",
    wire.DT_BOOL: "bool",
}
_SERVICE = "/tensorflow.serving."


class Client:
    """Asks a server. It may be used from several threads.

    Args:
      target: ``HOST:PORT``.
      model: name of the model.
      timeout: seconds for one call.
      max_message_bytes: largest reply that is accepted.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:8500",
        model: str = "polyrec",
        timeout: float = 10.0,
        max_message_bytes: int = 64 << 20,
    ) -> None:
        self._target, self._model, self._timeout = target, model, timeout
        # A model server is reached directly: a proxy of the environment is meant for the web.
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", max_message_bytes)]
        self._channel = grpc.insecure_channel(target, options)
        self._predict_rpc = self._method("PredictionService/Predict", wire.PredictResponse)
        self._metadata_rpc = self._method("PredictionService/GetModelMetadata", wire.GetModelMetadataResponse)
        self._status_rpc = self._method("ModelService/GetModelStatus", wire.GetModelStatusResponse)
        self._signatures: dict[str, dict[str, Input]] | None = None

    def recommend(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 20,
        exclude: Sequence[str] | Sequence[Sequence[str]] | None = None,
        exclude_history: bool = False,
        diversity: float = 0.0,
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Recommendations]:
        """Recommends items to users.

        Args:
          histories: B lists of item ids, oldest first; an unknown id is ignored by the model.
          k: items a user.
          exclude: ids not to recommend: one list for all users, or B lists.
          exclude_history: do not recommend what is in the history.
          diversity: 0 for the best scores; the larger, the more categories.
          times: B lists of seconds, aligned with ``histories``; 0 is unknown.
          user_features: B mappings from profile feature to a value or a list of values; what is left out is missing.

        Returns:
          one answer a user.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = history_inputs(histories, times)
        inputs["exclude"] = wire.matrix(exclusions(exclude, len(histories)), wire.DT_STRING, "")
        inputs["exclude_history"] = wire.scalar(exclude_history, wire.DT_BOOL)
        inputs["k"] = wire.scalar(_k(k), wire.DT_INT32)
        inputs["diversity"] = wire.scalar(diversity, wire.DT_FLOAT)
        if not histories:
            return []
        outputs = self._predict("recommend", inputs, user_features, len(histories))
        return recommendations(outputs)

    def user_interests(
        self,
        histories: Sequence[Sequence[str]],
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[np.ndarray]:
        """The interest vectors of users.

        Args:
          histories: as in :meth:`recommend`.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          for each user float32 [k, D], of the interests that are active.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = history_inputs(histories, times)
        if not histories:
            return []
        outputs = self._predict("user_interests", inputs, user_features, len(histories))
        return [vectors[mask] for vectors, mask in zip(outputs["interests"], outputs["interest_mask"], strict=True)]

    def tag_profile(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 20,
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[TagProfile]:
        """The tags that users like best, for each task of a model of profiles.

        Args:
          histories: as in :meth:`recommend`.
          k: tags a user and task.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          one profile a user.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        inputs = {**history_inputs(histories, times), "k": wire.scalar(_k(k), wire.DT_INT32)}
        if not histories:
            return []
        return profiles(self._predict("tag_profile", inputs, user_features, len(histories)))

    def tag_scores(
        self,
        histories: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
        times: Sequence[Sequence[int]] | None = None,
        user_features: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[TagScores]:
        """What users think of given tags, for each task of a model of profiles.

        Args:
          histories: B lists, as in :meth:`recommend`.
          tags: B lists of tags.
          times: as in :meth:`recommend`.
          user_features: as in :meth:`recommend`.

        Returns:
          one answer a user.

        Raises:
          ClientError: the server refused or did not answer.
          ValueError: the arguments do not fit each other.
        """
        if len(tags) != len(histories):
            raise ValueError(f"tags has {len(tags)} entries for {len(histories)} histories")
        inputs = {**history_inputs(histories, times), "tags": wire.matrix(tags, wire.DT_STRING, "")}
        if not histories:
            return []
        return tag_scores(self._predict("tag_scores", inputs, user_features, len(histories)), [*map(len, tags)])

    def status(self) -> list[VersionStatus]:
        """The versions of the model that the server knows, newest first.

        Raises:
          ClientError: the server does not know the model or did not answer.
        """
        reply = self._call(self._status_rpc, wire.GetModelStatusRequest(model_spec={"name": self._model}))
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

    def __enter__(self) -> "Client":
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
                code, f"No server answers at {self._target} ({text}). Start one: polyrec serve DIRECTORY"
            )
        if code == "DEADLINE_EXCEEDED":
            return ClientError(code, f"{self._target} did not answer within {self._timeout:g} s.")
        if code == "NOT_FOUND":
            return ClientError(code, f"{self._target} does not serve model {self._model} now ({text}).")
        return ClientError(code, text)

    def _fetch_signatures(self) -> dict[str, dict[str, Input]]:
        request = wire.GetModelMetadataRequest(model_spec={"name": self._model}, metadata_field=["signature_def"])
        reply = self._call(self._metadata_rpc, request)
        signatures = wire.SignatureDefMap.FromString(reply.metadata["signature_def"].value)
        return {
            name: {alias: _as_input(info) for alias, info in signature.inputs.items()}
            for name, signature in signatures.signature_def.items()
            if signature.method_name
        }

    def _predict(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        user_features: Sequence[Mapping[str, Any]] | None,
        batch: int,
    ) -> dict[str, np.ndarray]:
        """Sends what the served signature asks for; once more if that turns out to have changed meanwhile."""
        if user_features is not None and len(user_features) != batch:
            raise ValueError(f"user_features has {len(user_features)} entries for {batch} histories")
        for attempt in (1, 2):
            known = self._signatures
            expected = self.inputs(signature)
            request = wire.PredictRequest(model_spec={"name": self._model, "signature_name": signature})
            for name, spec in expected.items():
                tensor = inputs[name] if name in inputs else profile(name, spec, user_features, batch)
                request.inputs[name].CopyFrom(tensor)
            check_profile_names(expected, user_features)
            try:
                reply = self._call(self._predict_rpc, request)
                break
            except ClientError as error:
                if attempt == 2 or known is None or error.code not in ("INVALID_ARGUMENT", "FAILED_PRECONDITION"):
                    raise
                self._signatures = None
        return {name: wire.array(tensor) for name, tensor in reply.outputs.items()}


def _k(value: int) -> int:
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"k is a 32-bit number. Received: {value}")
    return value


def _as_input(info: Any) -> Input:
    shape = tuple(None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim)
    return Input(_TYPE_NAMES.get(info.dtype, str(info.dtype)), shape)
