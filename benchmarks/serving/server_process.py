"""The server in a process of its own, on a folder of versions that is filled while it runs."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 300


class ServerProcess:
    """``python -m serving.server`` as a context manager.

    Attributes:
      target: HOST:PORT.

    Args:
      directory: of models; emptied first.
      model: name of the one to serve.
      options: of the command line.
    """

    def __init__(self, directory: Path, model: str, options: list[str]) -> None:
        self._base, self._model, self._options = directory / model, model, options
        self.target = ""

    def __enter__(self) -> "ServerProcess":
        shutil.rmtree(self._base, ignore_errors=True)
        self._base.mkdir(parents=True)
        self.log = open(self._base.parent / "server.log", "w+")
        command = [sys.executable, "-m", "serving.server", "--directory", str(self._base.parent), "--port", "0"]
        self._process = subprocess.Popen(
            [*command, "--model-name", self._model, *self._options],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"the server did not start: see {self.log.name}")
        self.target = said.split()[-1]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self.log.close()

    def push(self, bundle: Path, number: int = 1, changed: str | None = None, without: str | None = None) -> None:
        """Makes a version folder of hard links to the bundle's files, whole at once.

        Args:
          bundle: whose files are linked.
          number: of the version.
          changed: a file that gets another content.
          without: a file that is left out.
        """
        hidden = self._base / f".{number}"
        shutil.copytree(bundle, hidden, copy_function=os.link)
        if changed:
            (hidden / changed).unlink()
            (hidden / changed).write_bytes(b"broken")
        if without:
            (hidden / without).unlink()
        hidden.rename(self._base / str(number))

    def remove(self, number: int) -> None:
        """Removes a version folder."""
        shutil.rmtree(self._base / str(number))

    def statuses(self) -> dict[int, tuple[str, str]]:
        """Version -> its state and why it was refused."""
        name = get_model_status_pb2.ModelVersionStatus.State.Name
        with grpc.insecure_channel(self.target, [("grpc.enable_http_proxy", 0)]) as channel:
            request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": self._model})
            try:
                reply = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=30)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return {}
                raise
        return {v.version: (name(v.state), v.status.error_message) for v in reply.model_version_status}

    def wait_until_available(self, number: int = 1) -> None:
        """Until that version answers.

        Raises:
          RuntimeError: it was refused.
        """
        state, reason = self.wait_until_decided(number)
        if state != "AVAILABLE":
            raise RuntimeError(f"version {number} is not available: {reason}")

    def wait_until_decided(self, number: int) -> tuple[str, str]:
        """Until that version answers or was refused; its state, and why it was refused."""
        end = time.monotonic() + _START_SECONDS
        while True:
            state, reason = self.statuses().get(number, ("", ""))
            if state == "AVAILABLE" or reason:
                return state, reason
            if time.monotonic() > end:
                raise TimeoutError(f"version {number} is still neither available nor refused: see {self.log.name}")
            time.sleep(0.1)

    def cpu_seconds(self) -> float:
        """User and system time of all threads since the start."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mib(self) -> float:
        """Memory that is in RAM."""
        return self._memory_mib("VmRSS")

    def peak_mib(self) -> float:
        """The most that ever was."""
        return self._memory_mib("VmHWM")

    def _memory_mib(self, field: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition(f"{field}:")[2].split()[0]) / 2**10
