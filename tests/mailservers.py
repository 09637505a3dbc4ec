"""Mail servers on loopback that answer what they are told to, and keep what they got.

Each takes a list of answers, one a letter; once they are used up it takes every letter.
"""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import parse_qs

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANG = "hang"  # says nothing, for ever
DROP = "drop"  # cuts the connection
DRIP = "drip"  # a byte now and then, for ever (Mailgun)


class _Stub:
    """What both have in common: a free port, answers, and waiting for letters."""

    def __init__(self, answers: Iterable[Any] = ()) -> None:  # Any: each has answers of its own
        self.answers = list(answers)
        self.tries = 0
        self.port = 0
        self._server: asyncio.Server
        self._transports: set[asyncio.BaseTransport] = set()
        self._arrived = asyncio.Event()

    @property
    def received(self) -> Sequence[object]:
        raise NotImplementedError

    async def start(self) -> asyncio.Server:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await self.start()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for transport in self._transports:
            transport.close()
        await self._server.wait_closed()

    async def wait_for(self, letters: int, *, within: float = 5) -> None:
        """Return once so many letters arrived."""
        async with asyncio.timeout(within):
            while len(self.received) < letters:
                self._arrived.clear()
                await self._arrived.wait()

    def arrived(self) -> None:
        self._arrived.set()

    def next_answer(self) -> Any:  # Any: as above
        self.tries += 1
        return self.answers.pop(0) if self.answers else None


# --- SMTP ---


class At(NamedTuple):
    """Answer one step of one letter, `At("RCPT", "550 no such person")`; or HANG, or DROP."""

    step: Literal["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
    says: str


@dataclass(frozen=True)
class Delivered:
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    options: tuple[str, ...]
    encrypted: bool
    username: str | None

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class SmtpStub(_Stub):
    """An SMTP server that offers, as Vestibule's settings say, `starttls`, `tls` or `none`."""

    def __init__(
        self,
        answers: Iterable[At | None] = (),
        *,
        security: Literal["starttls", "tls", "none"] = "none",
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        smtputf8: bool = True,
    ) -> None:
        super().__init__(answers)
        self.letters: list[Delivered] = []
        self.logins: list[tuple[str, str]] = []
        self.greeted_by: list[str] = []
        self.security, self.tls, self.login, self.smtputf8 = security, tls, login, smtputf8

    @property
    def received(self) -> Sequence[object]:
        return self.letters

    async def start(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        tls = self.tls if self.security == "tls" else None
        return await loop.create_server(self._connection, "127.0.0.1", 0, ssl=tls)

    def _connection(self) -> asyncio.Protocol:
        answer = self.next_answer()
        if answer is not None and answer.step == "CONNECT":
            return _Doorman(self, answer.says)
        return _Conversation(self, answer)

    def entered(self, transport: asyncio.BaseTransport) -> None:
        self._transports.add(transport)

    def check(self, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        attempt = (given.login.decode(), given.password.decode())
        self.logins.append(attempt)
        return AuthResult(success=attempt == self.login, handled=False)


class _Doorman(asyncio.Protocol):
    """Meets whoever must not come in."""

    def __init__(self, stub: SmtpStub, says: str) -> None:
        self._stub, self._says = stub, says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._stub.entered(transport)
        if self._says == DROP:
            transport.abort()
        elif self._says != HANG:
            transport.write(f"{self._says}\r\n".encode())
            transport.close()


class _Conversation(SMTP):
    def __init__(self, stub: SmtpStub, answer: At | None) -> None:
        self._stub, self._answer = stub, answer
        super().__init__(
            self,  # its own handler, too
            hostname="stub.test",
            ident="stub",
            enable_SMTPUTF8=stub.smtputf8,
            tls_context=stub.tls if stub.security == "starttls" else None,
            auth_require_tls=False,
            auth_exclude_mechanism=() if stub.login else ("LOGIN", "PLAIN"),
            authenticator=lambda *given: stub.check(given[-1]),
            loop=asyncio.get_running_loop(),
        )
        for step in ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "QUIT"):
            self._smtp_methods[step] = self._scripted(step, self._smtp_methods[step])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stub.entered(transport)
        super().connection_made(transport)

    def _scripted(self, step: str, usual: Callable[[str], Any]) -> Callable[[str], Any]:
        async def answer(argument: str) -> None:
            if step == "EHLO":
                self._stub.greeted_by.append(argument)
            if self._answer is None or self._answer.step != step:
                await usual(argument)
            elif said := await self._say():
                await self.push(said)

        return answer

    async def _say(self) -> str:
        assert self._answer is not None
        if self._answer.says == HANG:
            await asyncio.Event().wait()
        if self._answer.says == DROP:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()
            return ""
        return self._answer.says

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self._answer is not None and self._answer.step == "DATA":
            return await self._say()
        assert envelope.mail_from is not None
        assert envelope.original_content is not None
        self._stub.letters.append(
            Delivered(
                sender=envelope.mail_from,
                recipients=tuple(envelope.rcpt_tos),
                raw=envelope.original_content,
                options=tuple(envelope.mail_options),
                encrypted=session.ssl is not None or self._stub.security == "tls",
                username=self._stub.logins[-1][0] if session.authenticated else None,
            )
        )
        self._stub.arrived()
        return "250 OK"


# --- Mailgun ---


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    body: str | bytes = '{"id": "<1@stub.test>", "message": "Queued. Thank you."}'
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Posted:
    """A request as it came; `fields` keeps every value of a field that stands twice."""

    path: str
    credentials: str
    headers: Mapping[str, str]
    fields: Mapping[str, Sequence[str]]


class MailgunStub(_Stub):
    """Mailgun's HTTP API. `posted` is every request, `letters` those that were answered 200."""

    def __init__(self, answers: Iterable[Answer | str | None] = ()) -> None:
        super().__init__(answers)
        self.posted: list[Posted] = []
        self.letters: list[Posted] = []

    @property
    def received(self) -> Sequence[object]:
        return self.letters

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._converse, "127.0.0.1", 0)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.add(writer.transport)
        try:
            posted = await _read(reader)
        except (asyncio.IncompleteReadError, ConnectionError):  # who asked was killed meanwhile
            writer.close()
            return
        self.posted.append(posted)
        answer = self.next_answer() or Answer()
        if answer == HANG:
            await reader.read()  # until the other end gives up
        elif answer == DROP:
            writer.transport.abort()
        elif answer == DRIP:
            with suppress(ConnectionError):
                await _drip(writer)
        else:
            if answer.status == Answer.status:
                self.letters.append(posted)
                self.arrived()
            body = answer.body if isinstance(answer.body, bytes) else answer.body.encode()
            headers = {"content-length": str(len(body)), "connection": "close", **answer.headers}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {answer.status} Said\r\n{lines}\r\n".encode() + body)
        writer.close()


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _read(reader: asyncio.StreamReader) -> Posted:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
    request, *lines = head.split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    _, path, _ = request.split()
    _, _, token = headers.get("authorization", "").partition(" ")
    return Posted(
        path=path,
        credentials=b64decode(token).decode(),
        headers=headers,
        fields=parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True),
    )


# --- TLS ---


class Certificate(NamedTuple):
    server: ssl.SSLContext
    client: ssl.SSLContext  # trusts this certificate and no other


def certificate(folder: Path, *, host: str = "127.0.0.1") -> Certificate:
    """Make a certificate that nobody else vouches for, and keep it in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stub.test")])
    now = datetime.now(UTC)
    called: x509.GeneralName = x509.DNSName(host)
    with suppress(ValueError):
        called = x509.IPAddress(ip_address(host))
    alternative = x509.SubjectAlternativeName([called])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{host}.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return Certificate(server, ssl.create_default_context(cafile=str(pem)))
