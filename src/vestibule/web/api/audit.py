"""What happened to one's own account."""

from quart import Blueprint
from quart_schema import tag, validate_querystring, validate_response

from vestibule.audit import reading as audit
from vestibule.extension import current_vestibule
from vestibule.web import identity
from vestibule.web.access import signed_in
from vestibule.web.api import cursors
from vestibule.web.api.audit_models import HappenedAnswer, HistoryAnswer
from vestibule.web.api.models import PageQuery

blueprint = Blueprint("audit", __name__)


@blueprint.get("/me/audit")
@tag(["Accounts"])
@signed_in
@validate_querystring(PageQuery)
@validate_response(HistoryAnswer)
async def list_history(query_args: PageQuery) -> HistoryAnswer:
    """List what happened to one's account

    Newest first: log-ins and refused ones, changes, and from where they came; `next` is the cursor
    of the next page. What somebody tried with a name that nobody has is in nobody's.
    """
    known = await identity.signed_in()
    before, most = cursors.read(query_args.cursor), query_args.limit + 1
    found = await current_vestibule().run(
        lambda unit: audit.page(unit, account_id=known.account.id, before=before, most=most),
        reading=True,
    )
    shown, next_ = cursors.cut(found, query_args.limit)
    return HistoryAnswer(entries=[HappenedAnswer.of(each) for each in shown], next=next_)
