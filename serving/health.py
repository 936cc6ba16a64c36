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
        self._known: set[str] = set()
        self._answered: set[str] = set()
        self._ready = False
        self.tell({})

    def tell(self, serving: Mapping[str, bool]) -> None:
        """Sets the state of all services; without effect after :meth:`leave`.

        The server as a whole serves when every model can answer. Once it does, a model that is added later counts from
        its first answer on: a bad one must not take those away that answer.

        Args:
          serving: model name -> whether it can answer; one that is no longer named cannot.
        """
        self._known |= serving.keys()
        self._answered |= {name for name, healthy in serving.items() if healthy}
        counted = [healthy for name, healthy in serving.items() if not self._ready or name in self._answered]
        whole = bool(counted) and all(counted)
        self._ready = self._ready or whole
        states = health_pb2.HealthCheckResponse
        told = {**dict.fromkeys(self._known, False), **serving, **dict.fromkeys(SERVICES, whole)}
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
