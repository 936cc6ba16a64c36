"""grpc.health.v1: readiness of the server and its models; a shutdown that open watches do not delay."""

from collections.abc import Callable, Mapping
from typing import Any

from grpc_health.v1 import health, health_pb2

SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
"""What a health check may name beside a model; all of them serve when every model can answer."""


Respond = Callable[[health_pb2.HealthCheckResponse | None], None]


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

    def watch(
        self, request: health_pb2.HealthCheckRequest, respond: Callable[[health_pb2.HealthCheckResponse | None], None]
    ) -> Callable[[], None]:
        """Has the state of a service told, now and whenever it changes, and None at the end.

        Args:
          request: names the service.
          respond: is told; called from any thread.

        Returns:
          ends it.
        """
        watch = _Watch()
        self._watches.add(respond)
        super().Watch(request, watch, respond)

        def forget() -> None:
            self._watches.discard(respond)
            watch.end()

        return forget


class _Watch:
    """What the library's servicer asks of the call of a watch: to be told of its end."""

    def __init__(self) -> None:
        self.end: Callable[[], None] = lambda: None

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Keeps what is to be called at the end."""
        self.end = callback
        return True
