"""Entering without a log-in: by what a letter brought, or by signing up.

For surfaces whose front ends expect to be signed in by these.
"""

from vestibule.accounts import login, names, policy, queries, resetting, signup
from vestibule.accounts.challenges import Click
from vestibule.accounts.login import LoggedIn
from vestibule.accounts.models import Account
from vestibule.accounts.policy import Rule
from vestibule.accounts.queries import SignedIn
from vestibule.accounts.signup import Person
from vestibule.accounts.verification import prove_by_click
from vestibule.kernel.errors import ProofRefused
from vestibule.kernel.unit import Unit
from vestibule.sessions.terms import Terms


async def by_click(
    unit: Unit,
    *,
    token: str,
    terms: Terms,
    twice: bool = False,
    instead_of: SignedIn | None = None,
) -> LoggedIn:
    """Prove the address of a sign-up by its letter's link alone, and log in.

    Args:
        twice: as `prove_by_click`.
        instead_of: who the same browser was signed in as; that session ends.

    Raises:
        ProofRefused: as `prove_by_click`; or the account was disabled.
    """
    account = await prove_by_click(unit, token=token, surface=terms.audience, twice=twice)
    return await _enter(unit, account, terms, instead_of)


async def by_reset(unit: Unit, *, token: str, password: str, terms: Terms) -> LoggedIn:
    """Set a new password by a letter's link, and log in with it.

    Raises:
        As `resetting.reset_by_link`.
    """
    reset = await resetting.reset_by_link(unit, token=token, password=password)
    return await _enter(unit, reset.account, terms)


async def by_opening(
    unit: Unit,
    person: Person,
    *,
    terms: Terms,
    click: Click | None = None,
    rule: Rule = policy.OURS,
    instead_of: SignedIn | None = None,
) -> LoggedIn | None:
    """Open an account before its address is proved, post the letter, and log in.

    Args:
        click: as `sign_up`.
        rule: as `sign_up`.
        instead_of: who the same browser was signed in as; that session ends.

    Returns:
        None: the address is taken; its owner gets a letter.

    Raises:
        InvalidAddress, InvalidUsername, UsernameTaken, WeakPassword, TooManyAttempts, Busy: as
            `sign_up`.
    """
    opened = await signup.sign_up(unit, person, open_now=True, click=click, rule=rule)
    if opened.account is None:
        return None
    return await _enter(unit, opened.account, terms, instead_of)


async def by_signing_up(
    unit: Unit, *, username: str, password: str, terms: Terms, device: str | None = None
) -> LoggedIn:
    """Open an account without an address and log in; or log in, where the name is taken.

    Args:
        device: what an earlier log-in left on the device.

    Raises:
        BadCredentials: it is taken, and this is not its password.
        UsernameTaken: just now, by who sent the same at once; ask again.
        InvalidUsername, WeakPassword, TooManyAttempts, Busy: as `sign_up` and `log_in`.
    """
    key = names.username(username)
    async with unit.glance() as glance:
        taken = await queries.by_username_key(glance, key)
    if taken is not None:
        return await login.log_in(
            unit, identifier=username, password=password, device=device, terms=terms
        )
    opened = await signup.sign_up(unit, Person(username=username, password=password))
    assert opened.account is not None, "without an address it opens at once"
    return await _enter(unit, opened.account, terms)


async def _enter(
    unit: Unit, account: Account, terms: Terms, instead_of: SignedIn | None = None
) -> LoggedIn:
    entered = await login.enter(
        unit, account, seen=account.password_hash, terms=terms, instead_of=instead_of
    )
    if entered is None:
        raise ProofRefused
    return entered
