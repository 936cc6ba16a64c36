"""Settings of the server process (serving/server/server.py)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from serving.limits import Limits
from serving.logs import LogFormat
from trainer.settings import Settings

File = Annotated[str, Field(json_schema_extra={"format": "file"})]


class ServerSettings(Settings):
    """What is served, where, and within which limits: the options of the server's command line."""

    directory: str | None = Field(
        None, description="Serve the models of this folder (DIRECTORY/MODEL/VERSION), or one model (DIRECTORY/VERSION)."
    )
    model_config_file: File | None = Field(
        None, description="Serve the models of this models.config instead of a folder."
    )
    model_config_poll_seconds: float = Field(
        1.0, ge=0, description="Check models.config for changes every so many seconds; 0 reads it once, at startup."
    )
    allow_version_labels_for_unavailable_models: bool = Field(
        False, description="Let ReloadConfig assign an unused label to a version that is not loaded."
    )
    model_name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]+$", description="Serve only this model; by default, every model found."
    )
    host: str = Field("127.0.0.1", description="Listen for gRPC on this address; only mutual TLS identifies clients.")
    port: int = Field(8500, ge=0, le=65535, description="Listen for gRPC on this port; 0 picks a free one.")
    tls_certificate: File | None = Field(None, description="Encrypt gRPC and REST with this certificate (PEM).")
    tls_key: File | None = Field(None, description="Use this private key of the certificate (PEM).")
    tls_client_ca: File | None = Field(
        None, description="Mutual TLS: require client certificates signed by one of these authorities (PEM)."
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Serve Prometheus metrics over HTTP on this port, off by default; 0 picks a free one.",
    )
    metrics_host: str = Field("127.0.0.1", description="Listen for metrics requests on this address.")
    rest_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Serve TensorFlow Serving's REST API on this port, off by default; 0 picks a free one.",
    )
    rest_host: str = Field("127.0.0.1", description="Listen for REST on this address.")
    rest_timeout_seconds: float = Field(
        30.0, gt=0, description="Answer a REST request with 504 after so many seconds; gRPC clients set deadlines."
    )
    poll_seconds: float = Field(1.0, gt=0, description="Look for new versions every so many seconds.")
    require_manifest: bool = Field(
        True,
        description="Refuse versions without polyrec's manifest, or serve plain SavedModels too.",
        json_schema_extra={"opposite": "plain_models"},
    )
    keep_last_version: bool = Field(
        False, description="Keep serving after all version folders are gone; TensorFlow Serving unloads the model."
    )
    threads: int = Field(
        16, ge=1, description="Run graphs, and parse large or REST requests, on this many threads each."
    )
    max_concurrent: int = Field(
        512,
        ge=1,
        description="Reject requests on a port above this many in flight (RESOURCE_EXHAUSTED; REST: 429).",
    )
    batch_rows: int = Field(
        32, ge=1, description="Answer up to this many users of concurrent requests in one run; 1 turns batching off."
    )
    batch_wait_ms: float = Field(
        0.0, ge=0, description="Hold a request up to this many milliseconds for others to join its batch."
    )
    batch_runs: int = Field(
        1, ge=1, description="Run up to this many batches of one kind at once; others collect meanwhile."
    )
    max_message_bytes: int = Field(
        16 << 20, ge=1024, le=2**31 - 1, description="Limit requests, replies and REST bodies to this many bytes."
    )
    max_tensor_bytes: int = Field(
        Limits().tensor_bytes,
        ge=1024,
        description="Limit the array of each input to this many bytes; a string counts 64 bytes and its content.",
    )
    max_batch: int = Field(Limits().batch, ge=1, description="Limit a request to this many rows (users).")
    max_list_length: int = Field(
        Limits().list_length,
        ge=1,
        description="Limit a row to this many values: items of a history, excluded items, tags and the like.",
    )
    grace_seconds: float = Field(
        30.0, ge=0, description="On SIGTERM, give in-flight requests this many seconds to finish."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Log messages of this level and above."
    )
    log_format: LogFormat = Field("text", description="Log lines of text, or JSON with one object per line.")

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
