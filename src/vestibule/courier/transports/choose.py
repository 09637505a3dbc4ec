from vestibule.courier.transports import Transport
from vestibule.courier.transports.console import Console
from vestibule.courier.transports.mailgun import Mailgun
from vestibule.courier.transports.smtp import Smtp
from vestibule.kernel.clock import Clock
from vestibule.kernel.settings import Settings


def choose(settings: Settings, *, clock: Clock | None = None) -> Transport:
    """Make the transport that the settings name; letters of the console are in `data_dir`/mail."""
    match settings.mail_transport:
        case "smtp":
            return Smtp(settings, clock=clock)
        case "mailgun":
            return Mailgun(settings, clock=clock)
        case "console" | None:
            return Console(settings.data_dir / "mail", clock=clock)
