"""grpc.health.v1: whether the server can answer, and a stop that open watches do not hold up."""

from collections.abc import Mapping
from typing import Any

from grpc_health.v1 import health, health_pb2

SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
"""What a health check may name beside a model; all of them serve when every model can answer."""


class Health(health.HealthServicer):
    """The library's servicer, which a watch would otherwise keep busy until the end of the grace."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[Any] = set()
        self._models: set[str] = set()
        self.tell({})

    def tell(self, serving: Mapping[str, bool]) -> None:
        """Sets the state of all services; without effect after :meth:`leave`.

        Args:
          serving: model name -> whether it can answer; one that is no longer named cannot.
        """
        states = health_pb2.HealthCheckResponse
        told = {**dict.fromkeys(self._models, False), **serving}
        told |= dict.fromkeys(SERVICES, bool(serving) and all(serving.values()))
        self._models |= serving.keys()
        for service, healthy in told.items():
            self.set(service, states.SERVING if healthy else states.NOT_SERVING)

    @property
    def serving(self) -> bool:
        """Whether every model can answer, and the server has not been told to stop."""
        answer = self.Check(health_pb2.HealthCheckRequest(), None)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def leave(self) -> None:
        """Reports NOT_SERVING for good, and ends the watches when they have been told."""
        self.enter_graceful_shutdown()
        for respond in list(self._watches):
            respond(None)

    def Watch(self, request: Any, context: Any, send_response_callback: Any = None) -> Any:
        """Streams the state of a service, now and whenever it changes."""
        if send_response_callback is not None:
            self._watches.add(send_response_callback)
            context.add_callback(lambda: self._watches.discard(send_response_callback))
        return super().Watch(request, context, send_response_callback)
