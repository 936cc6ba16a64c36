"""A client of TensorFlow Serving's published stubs and messages, with nothing of this project in it."""

import grpc
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class StockClient:
    def __init__(self, port):
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def predict(self, inputs, outputs=(), **spec):
        request = predict_pb2.PredictRequest(model_spec=_spec(spec), output_filter=outputs)
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(value)
        return self._prediction.Predict(request, timeout=60)

    def version(self, name, **spec):
        """The version that answers."""
        reply = self.predict({"examples": tf.make_tensor_proto(["abc"])}, name=name, **spec)
        assert list(reply.outputs["length"].int_val) == [3]
        assert reply.model_spec.name == name
        return reply.model_spec.version.value

    def metadata(self, **spec):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=_spec(spec), metadata_field=["signature_def"]
        )
        return self._prediction.GetModelMetadata(request, timeout=60)

    def status(self, **spec):
        """Version -> name of its state."""
        state = get_model_status_pb2.ModelVersionStatus.State.Name
        return {entry.version: state(entry.state) for entry in self.statuses(**spec)}

    def statuses(self, **spec):
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=_spec(spec))
        return self._models.GetModelStatus(request, timeout=60).model_version_status

    def reload(self, config):
        """Asks for other models: a ModelServerConfig in text form."""
        request = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(config, request.config)
        return self._models.HandleReloadConfigRequest(request, timeout=60)

    def error(self, call, *args, **kwargs):
        """Code and text of a call that has to fail."""
        try:
            reply = call(*args, **kwargs)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        raise AssertionError(f"it did not fail: {reply}")


def model(name, base_path, more=""):
    """The text form of one model's configuration."""
    return f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {more} }}'


def models(*configs):
    return f"model_config_list {{ {' '.join(configs)} }}"


def labels(**versions):
    return " ".join(f'version_labels {{ key: "{label}" value: {number} }}' for label, number in versions.items())


def specific(*versions):
    return f"model_version_policy {{ specific {{ {' '.join(f'versions: {number}' for number in versions)} }} }}"


ALL = "model_version_policy { all {} }"


def _spec(spec):
    version = spec.pop("version", None)
    return {**spec, "version": {"value": version}} if version is not None else spec
