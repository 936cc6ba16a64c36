"""Settings of the server process (serving/server.py)."""

from typing import Literal

from pydantic import Field, model_validator

from serving.limits import Limits
from serving.logs import LogFormat
from trainer.settings import Settings


class ServerSettings(Settings):
    """What is served, where, and within which limits."""

    directory: str | None = Field(None, description="DIRECTORY/MODEL/VERSION, or the folder of one model's versions.")
    model_config_file: str | None = Field(None, description="Instead: a models.config, with base paths of its own.")
    model_config_poll_seconds: float = Field(
        1.0, ge=0, description="Between two looks at models.config; 0: read at the start only."
    )
    allow_version_labels_for_unavailable_models: bool = Field(
        False, description="ReloadConfig may give a label that is not in use to a version that is not loaded."
    )
    model_name: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]+$", description="Unset: every model found.")
    host: str = Field("127.0.0.1", description="Address to listen on; only mutual TLS tells clients apart.")
    port: int = Field(8500, ge=0, le=65535, description="0: any free one.")
    tls_certificate: str | None = Field(None, description="File (PEM); unset: connections are not encrypted.")
    tls_key: str | None = Field(None, description="File (PEM) of the certificate's key.")
    tls_client_ca: str | None = Field(None, description="Mutual TLS: clients show a certificate signed by these (PEM).")
    metrics_port: int | None = Field(None, ge=0, le=65535, description="Prometheus metrics by HTTP; 0: any free one.")
    metrics_host: str = Field("127.0.0.1", description="Address for metrics to listen on.")
    rest_port: int | None = Field(None, ge=0, le=65535, description="TensorFlow Serving's REST; 0: any free one.")
    rest_host: str = Field("127.0.0.1", description="Address for REST to listen on.")
    rest_timeout_seconds: float = Field(30.0, gt=0, description="After that a REST request is answered with 504.")
    poll_seconds: float = Field(1.0, gt=0, description="Between two looks for new versions.")
    require_manifest: bool = Field(True, description="False: plain SavedModels are served, too.")
    keep_last_version: bool = Field(
        False, description="Keep serving when all version folders are gone; TensorFlow Serving unloads."
    )
    threads: int = Field(16, ge=1, description="Graphs run at the same time, and large or REST requests read.")
    max_concurrent: int = Field(512, ge=1, description="Requests under way on a port; more: RESOURCE_EXHAUSTED.")
    batch_rows: int = Field(
        32, ge=1, description="Users answered by one run: requests that arrive together are joined; 1: never."
    )
    batch_wait_ms: float = Field(0.0, ge=0, description="The oldest request of a batch waits so long for others.")
    batch_runs: int = Field(1, ge=1, description="Batches of one kind at the same time; meanwhile others collect.")
    max_message_bytes: int = Field(16 << 20, ge=1024, le=2**31 - 1, description="Largest request and reply.")
    max_tensor_bytes: int = Field(
        Limits().tensor_bytes, ge=1024, description="Largest array that one input may become."
    )
    max_batch: int = Field(Limits().batch, ge=1, description="Rows (users) of a request.")
    max_list_length: int = Field(
        Limits().list_length, ge=1, description="Values of a row: items of a history, or excluded ones."
    )
    grace_seconds: float = Field(30.0, ge=0, description="For requests under way, when the server is told to stop.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: LogFormat = Field("text", description="text, or json: one object a line.")

    @model_validator(mode="after")
    def _one_place_says_what_is_served(self) -> "ServerSettings":
        if (self.directory is None) == (self.model_config_file is None):
            raise ValueError("Give a directory of models or a model_config_file: one of the two.")
        return self

    @property
    def limits(self) -> Limits:
        """Those that a single request has to keep."""
        return Limits(self.max_tensor_bytes, self.max_batch, self.max_list_length)

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> "ServerSettings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: give both, or neither.")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca asks clients for certificates, which needs tls_certificate and tls_key.")
        return self
