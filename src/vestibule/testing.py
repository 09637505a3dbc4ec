"""For the tests of a host's app: somebody who is signed in, without letters and forms."""

from collections.abc import Iterable
from secrets import token_urlsafe

from vestibule.accounts import names, queries
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.signup import open_account
from vestibule.extension import Vestibule
from vestibule.kernel.settings import origin_of
from vestibule.roles import grants
from vestibule.sessions import store
from vestibule.web.identity import cookie_name


async def sign_in(
    vestibule: Vestibule,
    email: str = "ada@example.org",
    *,
    verified: bool = True,
    roles: Iterable[str] = (),
) -> dict[str, str]:
    """Return the headers of a browser in which the account of `email` is signed in.

    An account that is not there is opened; signing in again is another device of the same account.
    The headers go with every request, whichever client the test uses.

    Args:
        verified: whether the address of a new account counts as proved.
        roles: what is granted to the account beside what it has.

    Raises:
        InvalidAddress: `email` is none.
        RoleUnknown: there is no such role.
        ValueError: the account is shut.
    """
    async with vestibule.unit() as unit:
        account = await queries.by_identifier(unit, email)
        if account is None:
            unused = Wanted(password_hash=await unit.passwords.hash(token_urlsafe()))
            address = names.address(email)
            account = await open_account(unit, unused, address=address, proved=verified)
        seen = account.password_hash
        if seen is None or await queries.enter(unit, account.id, seen=seen, fresh=None) is None:
            raise ValueError(f"the account of {email} is shut")
        for role in roles:
            await grants.grant(unit, account.id, role)
        opened = await store.open_for(unit, account.id, remember=False)
    settings = vestibule.settings
    return {
        "Cookie": f"{cookie_name(settings)}={opened.secret}",
        "Origin": origin_of(settings.base_url),
    }
