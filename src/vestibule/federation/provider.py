"""What a provider is to us, whichever protocol it speaks."""

from dataclasses import dataclass
from typing import Protocol

from vestibule.kernel.means import Means


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody, as a provider vouches for them.

    Args:
        subject: never changes, and is nobody else's at this issuer. Everything else may change.
        vouched: the address is theirs: it is verified, and the provider is who may say so.
    """

    issuer: str
    subject: str
    email: str | None = None
    vouched: bool = False
    given_name: str | None = None
    family_name: str | None = None
    picture: str | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one sign-in asks a provider for; the secrets are its alone."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    login_hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What came back for a sign-in: the provider's code, and what it was asked with."""

    code: str
    redirect_uri: str
    verifier: str
    nonce: str | None


class Provider(Protocol):
    """One provider, as the settings have it.

    What asks it raises `ProviderFailed`: no answer, not in time, or one that must not be believed.
    """

    @property
    def name(self) -> str:
        """As it stands in our paths."""

    @property
    def title(self) -> str:
        """As people know it."""

    @property
    def issuer(self) -> str:
        """Whose people they are."""

    @property
    def has_id_tokens(self) -> bool:
        """Whether a nonce can be looked for."""

    async def way_there(self, means: Means, asked: Asked) -> str:
        """Return the URL at which somebody agrees to sign in."""

    async def tells_issuer(self, means: Means) -> bool:
        """Whether it says that each of its answers names it."""

    async def check_issuer(self, means: Means, told: str | None) -> None:
        """Refuse an answer that says it is another's (RFC 9207), before anything else of it."""

    async def redeem(self, means: Means, brought: Brought) -> Person:
        """Exchange a code for who it is."""

    async def read(self, means: Means, id_token: str, nonce: str) -> Person:
        """Return who an ID token speaks of that a client of ours was given directly."""
