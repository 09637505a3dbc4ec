"""Closing one's account, keeping it after all, and taking along what is stored about one."""

from quart import Blueprint
from quart_schema import tag, validate_request, validate_response

from vestibule.accounts.closing import close, keep
from vestibule.accounts.export import everything_about
from vestibule.extension import current_vestibule
from vestibule.web import identity, reading
from vestibule.web.access import requires
from vestibule.web.api.closing_models import ClosingAnswer, ExportAnswer, KeepBody

blueprint = Blueprint("closing", __name__)


@blueprint.delete("/me")
@tag(["Accounts"])
@requires(recent=True)
@reading.takes_no_fields
@validate_response(ClosingAnswer)
async def close_account() -> ClosingAnswer:
    """Close the account

    Wants a recent log-in. Every session and API key ends. A letter tells how to keep the account;
    at `closes_at` it is erased with all that is stored about its owner.

    The last administrator cannot close theirs.
    """
    known = await identity.signed_in()
    closes_at = await current_vestibule().run(
        lambda unit: close(unit, caller=known), caller=identity.caller()
    )
    identity.sign_out()
    return ClosingAnswer(closes_at=closes_at)


@blueprint.post("/accounts/keep")
@tag(["Accounts"])
@validate_request(KeepBody)
async def keep_account(data: KeepBody) -> tuple[str, int]:
    """Keep an account that is closing

    With the `token` of the letter. It signs nobody in.
    """
    await current_vestibule().run(
        lambda unit: keep(unit, token=data.token), caller=identity.caller()
    )
    return "", 204


@blueprint.get("/me/export")
@tag(["Accounts"])
@requires(recent=True)
@validate_response(ExportAnswer)
async def export() -> ExportAnswer:
    """Take along everything that is stored about one

    Wants a recent log-in, for whoever finds a device open is not to have it all.
    """
    known = await identity.signed_in()
    told = await current_vestibule().run(
        lambda unit: everything_about(unit, caller=known), reading=True
    )
    return ExportAnswer(**told)
