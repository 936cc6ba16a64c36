"""Requests of the toy bundle's users as REST has them, and the same over gRPC."""

import grpc
import numpy as np

from serving.runtime.protos import prediction_service_pb2_grpc, tf
from tests.serving.running_server import DIRECT
from tests.serving.versions_on_disk import request

USERS = {
    "history": [["item-3", "é, last", "item-5"], ["item-17", "", ""], ["", "", ""]],
    "history_time": [[1, 2, 3], [4, 0, 0], [0, 0, 0]],
}
RECOMMEND = USERS | {
    "exclude": [["item-1"], ["item-2"], [""]],
    "exclude_history": True,
    "k": 5,
    "diversity": 0.5,
}
EXPLAIN = USERS | {"items": [["item-1", "item-9"], ["nothing", ""], ["item-4", "item-4"]]}
DTYPES = {
    **{"history_time": np.int64, "k": np.int32, "diversity": np.float32, "exclude_history": np.bool_},
    **dict.fromkeys(("history", "exclude", "items"), object),
}


def by_grpc(server, signature, inputs, model="toy"):
    tensors = {name: tf.make_tensor_proto(np.array(value, DTYPES[name])) for name, value in inputs.items()}
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        reply = stub.Predict(request(signature, tensors, model), timeout=60)
    return {name: tf.make_ndarray(tensor) for name, tensor in reply.outputs.items()}
