"""A small app with accounts: everybody keeps notes, and who proved an address may publish them."""

from html import escape
from uuid import UUID

from quart import Blueprint, Quart, abort, redirect, request
from quart.typing import ResponseReturnValue
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from vestibule import (
    Account,
    NotSignedIn,
    Settings,
    Vestibule,
    current_account,
    requires,
    signed_in,
)
from vestibule.kernel.unit import Unit
from vestibule.web.api import surface as api
from vestibule.web.pages import landing

LONGEST = 1000  # characters


class Base(DeclarativeBase):
    """The app's own tables, beside Vestibule's in the same database."""


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    text: Mapped[str]
    public: Mapped[bool] = mapped_column(default=False)


app = Quart(__name__)
vestibule = Vestibule(Settings.load())
vestibule.init_app(app)
app.register_blueprint(api.blueprint(), url_prefix="/auth")  # /auth/accounts, /auth/login, …
app.register_blueprint(landing.blueprint())  # /verify-email, where the links in letters lead


@app.before_serving
async def create_tables() -> None:
    """Create ours; Vestibule's are there by now, because `init_app` came first."""
    async with vestibule.unit() as unit:
        connection = await unit.session.connection()
        await connection.run_sync(Base.metadata.create_all)


@vestibule.signals.account_opened.connect
async def welcome(sender: Vestibule, *, account_id: UUID, **_: object) -> None:
    """Leave a first note in every new account."""
    async with sender.unit() as unit:
        unit.session.add(Note(owner_id=account_id, text="Welcome! This is your first note."))


@app.get("/notes")
@signed_in
async def list_notes() -> ResponseReturnValue:
    return [{"id": note.id, "text": note.text} for note in await own_notes()]


@app.post("/notes")
@signed_in
async def write_note() -> ResponseReturnValue:
    said = await request.get_json(silent=True)
    text = said.get("text") if isinstance(said, dict) else None
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST or "\0" in text:
        abort(422)
    async with vestibule.unit() as unit:
        note = Note(owner_id=await me(), text=text)
        unit.session.add(note)
        await unit.session.flush()
        return {"id": note.id, "text": note.text}, 201


@app.post("/notes/<int:note_id>/publication")
@requires(verified=True)
async def publish(note_id: int) -> ResponseReturnValue:
    async with vestibule.unit() as unit:
        note = await own_note(unit, note_id)
        note.public = True
        return {"id": note.id, "public": True}


pages = Blueprint("pages", __name__)


@pages.errorhandler(NotSignedIn)
async def send_to_log_in(_error: NotSignedIn) -> ResponseReturnValue:
    """Where a program gets 401, a browser gets a page."""
    return redirect("/log-in", 303)


@pages.get("/")
@signed_in
async def notebook() -> str:
    notes = "".join(f"<li>{escape(note.text)}</li>" for note in await own_notes())
    return f"<!doctype html><title>Notes</title><h1>Your notes</h1><ul>{notes}</ul>"


@pages.get("/log-in")
async def log_in() -> str:
    return (
        "<!doctype html><title>Log in</title><h1>Log in</h1><form>"
        '<label>Name <input name="identifier"></label> '
        '<label>Password <input name="password" type="password"></label> <button>Log in</button>'
        "</form><script>document.forms[0].onsubmit = async event => {"
        "event.preventDefault();"
        'const headers = {"Content-Type": "application/json"};'
        "const body = JSON.stringify(Object.fromEntries(new FormData(event.target)));"
        'const answer = await fetch("/auth/login", {method: "POST", headers, body});'
        'answer.ok ? location.assign("/") : alert((await answer.json()).detail)'
        "}</script>"
    )


app.register_blueprint(pages)


async def me() -> UUID:
    account = await current_account()
    assert account is not None  # every route that calls this is behind a decorator
    return account.id


async def own_notes() -> list[Note]:
    async with vestibule.unit(reading=True) as unit:
        mine = select(Note).where(Note.owner_id == await me()).order_by(Note.id)
        return list(await unit.session.scalars(mine))


async def own_note(unit: Unit, note_id: int) -> Note:
    note = await unit.session.get(Note, note_id)
    if note is None or note.owner_id != await me():
        abort(404)
    return note
