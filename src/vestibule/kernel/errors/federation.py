"""Signing in with a provider, and why that does not work."""

from vestibule.kernel.errors.roots import Refusal, VestibuleError


class ProviderUnknown(VestibuleError):
    """Nobody can sign in with a provider of that name here."""

    code = "provider_unknown"


class StateRefused(VestibuleError):
    """The sign-in was begun in another browser, too long ago, or is finished already."""

    code = "state_refused"


class ProviderRefused(VestibuleError):
    """The provider did not sign the person in: they did not agree, or may not."""

    code = "provider_refused"


class ProviderFailed(VestibuleError):
    """The provider cannot be reached, or what it answers cannot be believed.

    Its message is for the log: it never holds what the provider sent.
    """

    code = "provider_failed"


class NoAccount(Refusal):
    """Somebody the provider knows, and no account that they may enter."""

    code = "no_account"


class IdentityUnknown(VestibuleError):
    """No identity of this account is of that provider."""

    code = "identity_unknown"


class IdentityTaken(VestibuleError):
    """The identity opens another account."""

    code = "identity_taken"


class LastWayIn(VestibuleError):
    """Without this identity nobody could sign in to the account any more."""

    code = "last_way_in"
