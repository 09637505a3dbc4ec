"""What administrators look at: letters on their way, and what happened."""

from uuid import UUID

from quart import Blueprint
from quart_schema import tag, validate_querystring, validate_response

from vestibule.accounts import administration
from vestibule.audit import reading as audit
from vestibule.courier import outbox
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import LetterUnknown
from vestibule.web import identity, reading
from vestibule.web.administrators import administers
from vestibule.web.api import cursors
from vestibule.web.api.administration_models import LetterOnItsWay, LettersAnswer, LettersQuery
from vestibule.web.api.audit_models import AuditAnswer, AuditQuery, EntryAnswer

blueprint = Blueprint("oversight", __name__, url_prefix="/admin")


@blueprint.get("/letters")
@tag(["Administration"])
@administers(all_of_it=True)
@validate_querystring(LettersQuery)
@validate_response(LettersAnswer)
async def list_letters(query_args: LettersQuery) -> LettersAnswer:
    """List letters, without what they say

    Newest first; `next` is the cursor of the next page.
    """
    before, most = cursors.read(query_args.cursor), query_args.limit + 1
    found = await current_vestibule().run(
        lambda unit: outbox.page(unit, state=query_args.state, before=before, most=most),
        reading=True,
    )
    shown, next_ = cursors.cut(found, query_args.limit)
    return LettersAnswer(letters=[LetterOnItsWay.of(each) for each in shown], next=next_)


@blueprint.post("/letters/<letter_id>/retry")
@tag(["Administration"])
@administers(all_of_it=True)
@reading.takes_no_fields
async def retry_letter(letter_id: str) -> tuple[str, int]:
    """Send a letter again that was given up

    While it is not out of date.
    """
    try:
        named = UUID(letter_id)
    except ValueError:
        raise LetterUnknown from None
    by = (await identity.signed_in()).account.id
    await current_vestibule().run(
        lambda unit: administration.retry_letter(unit, by, named), caller=identity.caller()
    )
    return "", 204


@blueprint.get("/audit")
@tag(["Administration"])
@administers(all_of_it=True)
@validate_querystring(AuditQuery)
@validate_response(AuditAnswer)
async def list_audit(query_args: AuditQuery) -> AuditAnswer:
    """List what happened

    Newest first; `account` and `event` narrow it. What is known of people may have been erased.
    """
    asked, before = query_args, cursors.read(query_args.cursor)
    found = await current_vestibule().run(
        lambda unit: audit.page(
            unit, account_id=asked.account, event=asked.event, before=before, most=asked.limit + 1
        ),
        reading=True,
    )
    shown, next_ = cursors.cut(found, asked.limit)
    return AuditAnswer(entries=[EntryAnswer.of(each) for each in shown], next=next_)
