"""What an operator sees of it at work."""

from importlib.util import find_spec
from typing import ClassVar, Literal

from pydantic import SecretStr

from vestibule.kernel.settings.group import Group
from vestibule.kernel.settings.values import Problems

_SHORTEST_TOKEN = 16


class Telemetry(Group):
    title: ClassVar = "Logs, metrics and traces"

    log_format: Literal["console", "json"] | None = None
    """How `serve` and `courier run` write log lines: `console` for people, `json` for programs, one
    object a line. Default: `console` in development, `json` in production."""

    log_addresses: bool = False
    """Write the client's address into the log line of each request. Addresses are personal data:
    say how long logs are kept before switching it on."""

    metrics_token: SecretStr | None = None
    """Serve `/metrics` in production, to whoever sends it as `Authorization: Bearer`; at least 16
    characters. Without it the route does not exist there. Development serves it to this machine
    without a token, unless one is set."""

    otel: bool = False
    """Trace requests with OpenTelemetry and export them by OTLP over http; needs the extra `otel`.
    Where to is said by OpenTelemetry's own variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`.
    Spans hold routes, never paths, queries or addresses."""

    def problems(self) -> Problems:
        if self.metrics_token and len(self.metrics_token.get_secret_value()) < _SHORTEST_TOKEN:
            yield "metrics_token", f"must be at least {_SHORTEST_TOKEN} characters"
        if self.otel and not _traces_can_be_made():
            yield "otel", "needs what is not installed: pip install 'vestibule[otel]'"

    @property
    def shows_metrics(self) -> bool:
        return self.in_development or self.metrics_token is not None

    @property
    def logs_json(self) -> bool:
        return (self.log_format or ("console" if self.in_development else "json")) == "json"


def _traces_can_be_made() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter") is not None
    except ImportError:  # not even what it stands in
        return False
