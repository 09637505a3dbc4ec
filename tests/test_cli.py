"""Every command, as somebody types it: what it does, what it says, and its exit code."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar  # Any: what a coroutine is sent

import click
import httpx
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, text, update

from tests.postgres import Server
from tests.processes import outside
from vestibule import Settings, Vestibule
from vestibule.accounts import queries
from vestibule.accounts.models import Account
from vestibule.api_keys import keys as api_keys
from vestibule.api_keys.models import ApiKey
from vestibule.audit.events import Event
from vestibule.audit.log import Entry
from vestibule.cli import main
from vestibule.courier import letters, outbox
from vestibule.courier.models import Letter, State
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.sessions import store
from vestibule.sessions.models import Kind, Session

T = TypeVar("T")

PASSWORD = "correct horse battery staple"
PRODUCTION = {
    "VESTIBULE_MODE": "production",
    "VESTIBULE_BASE_URL": "https://auth.example.test",
    "VESTIBULE_SECRETS": bytes(range(32)).hex(),
    "VESTIBULE_MAIL_TRANSPORT": "smtp",
    "VESTIBULE_MAIL_FROM": "no-reply@example.test",
    "VESTIBULE_SMTP_HOST": "127.0.0.1",
    "VESTIBULE_SMTP_SECURITY": "none",
}


class Shell:
    """Somebody at a prompt, with variables that every command sees."""

    def __init__(self, **variables: str) -> None:
        self.variables = variables

    def type(self, *words: str, answers: str = "", **variables: str) -> Result:
        return CliRunner().invoke(main, words, input=answers, env=self.variables | variables)

    def works(self, *words: str, answers: str = "", **variables: str) -> str:
        result = self.type(*words, answers=answers, **variables)
        assert result.exit_code == 0, result.output
        return result.stdout

    def fails(self, *words: str, answers: str = "", **variables: str) -> str:
        """Return the one line that says why."""
        result = self.type(*words, answers=answers, **variables)
        assert result.exit_code == 1, result.output
        [line] = result.stderr.splitlines()
        assert line.startswith("Error: ")
        return line

    def vestibule(self, **given: Any) -> Vestibule:  # Any: whatever the fields take
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            return Vestibule(Settings.load(**given))


@pytest.fixture
def shell() -> Shell:
    """In an empty folder, in development."""
    return Shell()


@pytest.fixture
def on_each(database_url: str) -> Shell:
    """In development, on each database, which has the schema already."""
    return Shell(VESTIBULE_DATABASE_URL=database_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    postgres: Server = request.getfixturevalue("postgres")
    name = f"empty_{os.getpid()}_{tmp_path.name[-40:].lower()}"
    postgres.create(name)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_PATIENCE", 0.3)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


# --- all of them ---


def _commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    yield before
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *before, name)
        else:
            yield (*before, name)


@pytest.mark.parametrize("words", list(_commands(main)), ids=" ".join)
def test_every_command_explains_itself_with_an_example_that_parses(
    shell: Shell, words: tuple[str, ...]
) -> None:
    said = shell.works(*words, "--help")
    example = re.search(r"Example: (?:\w+=\S+ )*vestibule (.*)", said)
    assert example, said
    typed = example[1].split()
    assert typed[: len(words)] == list(words)
    command: click.Command = main
    with click.Context(main) as context:
        while isinstance(command, click.Group):
            name, found, typed = command.resolve_command(context, typed)
            assert found is not None, name
            command = found
        command.make_context(command.name, typed)


def test_a_command_that_is_none_is_told(shell: Shell) -> None:
    result = shell.type("dance")
    assert result.exit_code == 2
    assert "No such command 'dance'" in result.stderr


def test_the_version_is_told(shell: Shell) -> None:
    assert re.search(r"\d+\.\d+", shell.works("--version"))


def test_the_module_is_the_command_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vestibule", "db", "check"],
        cwd=tmp_path,
        env=outside(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.endswith("Run: vestibule db upgrade")


COMMANDS_OF_THE_DATABASE = [
    ("serve", "--port", "0"),
    ("db", "upgrade"),
    ("db", "downgrade", "base"),
    ("db", "current"),
    ("db", "check"),
    ("accounts", "show", "ada"),
    ("accounts", "create", "--username", "ada", "--password-stdin"),
    ("accounts", "list"),
    ("accounts", "disable", "ada"),
    ("accounts", "enable", "ada"),
    ("accounts", "formats"),
    ("accounts", "export", "-"),
    ("sessions", "end", "--all", "--yes"),
    ("sessions", "end", "--account", "ada", "--yes"),
    ("keys", "list"),
    ("keys", "rotate"),
    ("keys", "retire", "x"),
    ("keys", "reseal"),
    ("courier", "run"),
    ("courier", "status"),
    ("courier", "retry"),
    ("prune",),
]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("words", COMMANDS_OF_THE_DATABASE, ids=" ".join)
def test_a_database_that_is_not_there_is_one_line_without_its_password(
    shell: Shell, words: tuple[str, ...]
) -> None:
    line = shell.fails(
        *words,
        answers=f"{PASSWORD}\n",
        VESTIBULE_DATABASE_URL="postgresql://ada:hunter2@127.0.0.1:1/vestibule",
    )
    assert line.startswith(
        "Error: VESTIBULE_DATABASE_URL: the database cannot be reached at 127.0.0.1:1 ("
    )
    assert "hunter2" not in line
    assert "ada" not in line


@pytest.mark.parametrize("words", COMMANDS_OF_THE_DATABASE, ids=" ".join)
def test_bad_settings_are_told_before_anything_is_done(
    shell: Shell, words: tuple[str, ...], tmp_path: Path
) -> None:
    result = shell.type(*words, answers=f"{PASSWORD}\n", VESTIBULE_MODE="production")
    assert result.exit_code == 1
    assert {line.split(": ")[1] for line in result.stderr.splitlines()} == {
        "VESTIBULE_BASE_URL",
        "VESTIBULE_DATABASE_URL",
        "VESTIBULE_MAIL_FROM",
        "VESTIBULE_MAIL_TRANSPORT",
        "VESTIBULE_SECRETS",
    }
    assert not list(tmp_path.iterdir())


def test_what_nobody_thought_of_is_one_line_that_says_where(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(migrations, "reached", fails)
    line = shell.fails("db", "current")
    assert re.fullmatch(
        r"Error: this should not happen: ZeroDivisionError \(test_cli\.py, line \d+\)", line
    )


# --- db ---


def test_a_schema_comes_and_goes(empty_url: str) -> None:
    shell = Shell(VESTIBULE_DATABASE_URL=empty_url)
    assert shell.works("db", "current") == "none\n"
    assert "vestibule db upgrade" in shell.fails("db", "check")
    assert migrations.head() in shell.works("db", "upgrade")
    assert shell.works("db", "current") == f"{migrations.head()}\n"
    assert "up to date" in shell.works("db", "check")
    assert migrations.head() in shell.works("db", "upgrade"), "twice does no harm"
    assert "schema none" in shell.works("db", "downgrade", "base")
    assert shell.works("db", "current") == "none\n"
    assert migrations.head() in shell.works("db", "upgrade")
    assert "up to date" in shell.works("db", "check")


def test_one_step_back_is_minus_one(on_each: Shell) -> None:
    on_each.works("db", "downgrade", "-1")
    assert "vestibule db upgrade" in on_each.fails("db", "check")
    on_each.works("db", "upgrade")
    on_each.works("db", "check")


@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
def test_a_revision_that_there_is_not_is_one_line(on_each: Shell, way: str) -> None:
    assert "nowhere" in on_each.fails("db", way, "nowhere")
    on_each.works("db", "check")


def test_what_a_downgrade_meets_in_its_way_is_one_line_without_values(postgres_url: str) -> None:
    shell = Shell(VESTIBULE_DATABASE_URL=postgres_url)

    async def stand_in_the_way() -> None:
        database = Database(postgres_url)
        async with database.engine.begin() as connection:
            await connection.execute(text("CREATE VIEW held AS SELECT id FROM accounts"))
        await database.close()

    run(stand_in_the_way())
    line = shell.fails("db", "downgrade", "base")
    assert line.startswith("Error: the database refuses: ")
    shell.works("db", "check")


def test_upgrades_at_once_all_succeed(empty_url: str, tmp_path: Path) -> None:
    upgrades = [
        subprocess.Popen(
            [sys.executable, "-m", "vestibule", "db", "upgrade"],
            cwd=tmp_path,
            env=outside(VESTIBULE_DATABASE_URL=empty_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    said = [each.communicate(timeout=60)[0] for each in upgrades]
    assert [each.returncode for each in upgrades] == [0, 0, 0], said
    Shell(VESTIBULE_DATABASE_URL=empty_url).works("db", "check")


def test_a_newer_schema_is_left_alone(on_each: Shell) -> None:
    vestibule = on_each.vestibule()

    async def age() -> None:
        async with vestibule.unit() as unit:
            await unit.session.execute(text("UPDATE vestibule_version SET version_num = '9999'"))
        await vestibule.stop()

    run(age())
    for words in (("db", "check"), ("accounts", "show", "ada"), ("courier", "status")):
        assert "schema 9999, which is newer" in on_each.fails(*words)


@pytest.mark.parametrize("words", COMMANDS_OF_THE_DATABASE[5:], ids=" ".join)
def test_production_says_the_command_that_makes_the_schema(
    empty_url: str, words: tuple[str, ...]
) -> None:
    shell = Shell(
        **PRODUCTION, VESTIBULE_DATABASE_URL=empty_url, VESTIBULE_SQLITE_IN_PRODUCTION="true"
    )
    line = shell.fails(*words, answers=f"{PASSWORD}\n")
    assert line.endswith("Run: vestibule db upgrade")


# --- accounts ---


def test_an_account_opens_and_is_shown_under_each_of_its_names(on_each: Shell) -> None:
    created = on_each.works(
        *("accounts", "create", "--email", "Ada@Example.org", "--username", "ada"),
        *("--given-name", "Ada", "--family-name", "Lovelace"),
        answers=f"{PASSWORD}\n{PASSWORD}\n",
    )
    assert PASSWORD not in created
    found = re.search(r"^id +(\S+)$", created, re.MULTILINE)
    assert found
    for name in ("ada@example.org", "ADA", found[1]):
        shown = on_each.works("accounts", "show", name)
        lines = dict(re.findall(r"^([a-z-]+(?: [a-z-]+)*)  +(.*)$", shown, re.MULTILINE))
        assert lines["id"] == found[1]
        assert lines["email"] == "Ada@Example.org"
        assert lines["username"] == "ada"
        assert lines["name"] == "Ada Lovelace"
        assert lines["state"] == "active"
        assert lines["roles"] == "user"
        assert lines["last log-in"] == "-"


def test_an_account_that_was_opened_so_can_log_in_and_leaves_a_trace(on_each: Shell) -> None:
    on_each.works(
        *("accounts", "create", "--email", "ada@example.org", "--password-stdin"),
        answers=f"{PASSWORD}\n",
    )
    vestibule = on_each.vestibule(courier=False)

    async def log_in() -> tuple[int, list[str]]:
        from vestibule import create_app  # noqa: PLC0415

        app = create_app(vestibule)
        await app.startup()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),  # type: ignore[arg-type]
            base_url=vestibule.settings.base_url,
        ) as client:
            answer = await client.post(
                "/v1/login", json={"identifier": "ada@example.org", "password": PASSWORD}
            )
        async with vestibule.unit() as unit:
            rows = await unit.session.execute(text("SELECT event FROM audit_entries"))
            events = [row[0] for row in rows]
        await app.shutdown()
        return answer.status_code, events

    status, events = run(log_in())
    assert status == 200
    assert Event.ACCOUNT_OPENED in events


def test_an_account_without_an_address_has_nothing_to_prove(shell: Shell) -> None:
    created = shell.works(
        "accounts", "create", "--username", "ada", "--password-stdin", answers=f"{PASSWORD}\n"
    )
    assert re.search(r"^email +-$", created, re.MULTILINE)


@pytest.mark.parametrize(
    "options, password, words",
    [
        (("--email", "ada@example.org"), "short", "at least 8"),
        (("--email", "ada@example.org"), "password1", "tried first"),
        (("--email", "ada@example.org"), "ada@example.org", "no password"),
        (("--email", "not an address"), PASSWORD, "e-mail address"),
        (("--username", "a b"), PASSWORD, "letters, digits"),
        (("--username", "ada"), "", "empty"),
    ],
)
def test_what_nobody_may_sign_up_with_is_refused_here_too(
    shell: Shell, options: tuple[str, ...], password: str, words: str
) -> None:
    create = ("accounts", "create", *options, "--password-stdin")
    assert words in shell.fails(*create, answers=f"{password}\n")
    assert "no account" in shell.fails("accounts", "show", "ada@example.org")


def test_a_refused_password_tells_the_way_around_and_nothing_else_does(shell: Shell) -> None:
    create = ("accounts", "create", "--password-stdin", "--username", "ada")
    assert "--any-password takes it anyway" in shell.fails(*create, answers="short\n")
    assert "--any-password" not in shell.fails(*create, answers="\n")


def test_without_a_terminal_the_way_without_one_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vestibule", "accounts", "create", "--username", "ada"],
        cwd=tmp_path,
        env=outside(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # without the terminal of whoever runs the tests
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: no terminal: use --password-stdin"


def test_any_password_is_taken_when_told_so(shell: Shell) -> None:
    shell.works(
        *("accounts", "create", "--email", "a@example.org", "--any-password", "--password-stdin"),
        answers="demo\n",
    )


def test_names_that_are_taken_are_told(on_each: Shell) -> None:
    def create(*options: str) -> tuple[str, ...]:
        return ("accounts", "create", *options, "--password-stdin")

    on_each.works(*create("--email", "a@example.org", "--username", "ada"), answers=PASSWORD)
    assert "address" in on_each.fails(*create("--email", "A@example.org"), answers=PASSWORD)
    assert "username" in on_each.fails(*create("--username", "ADA"), answers=PASSWORD)


def test_an_account_needs_a_name(shell: Shell) -> None:
    result = shell.type("accounts", "create")
    assert result.exit_code == 2
    assert "--email" in result.stderr


def test_nobody_is_asked_for_a_password_that_cannot_be_used(tmp_path: Path) -> None:
    shell = Shell(
        **PRODUCTION,
        VESTIBULE_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db",
        VESTIBULE_SQLITE_IN_PRODUCTION="true",
    )
    result = shell.type("accounts", "create", "--username", "ada")
    assert "Password" not in result.output
    assert "Run: vestibule db upgrade" in result.stderr


def test_leaving_a_prompt_ends_without_a_trace(shell: Shell) -> None:
    result = shell.type("accounts", "create", "--username", "ada", answers="")
    assert result.exit_code == 1
    assert result.stderr.strip() == "Aborted!"
    assert "no account" in shell.fails("accounts", "show", "ada")


@pytest.mark.parametrize("name", ["nobody", "no@example.org", "", "0199" * 8])
def test_an_account_that_there_is_not_is_one_line(shell: Shell, name: str) -> None:
    assert "no account" in shell.fails("accounts", "show", name)


def _open(shell: Shell, *usernames: str) -> None:
    for name in usernames:
        create = ("accounts", "create", "--username", name, "--password-stdin")
        shell.works(*create, answers=f"{PASSWORD}\n")


def _listed(shell: Shell, *options: str) -> list[str]:
    lines = shell.works("accounts", "list", *options).splitlines()
    return [line.split()[-1] for line in lines]


def test_accounts_are_listed_in_pages_newest_first(on_each: Shell) -> None:
    nobody = on_each.type("accounts", "list")
    assert (nobody.exit_code, nobody.stdout, nobody.stderr) == (0, "", "no accounts\n")
    _open(on_each, "ada", "bob", "cleo", "dora", "emil")
    assert _listed(on_each) == ["emil", "dora", "cleo", "bob", "ada"]

    page = on_each.type("accounts", "list", "--limit", "2")
    assert [line.split()[-1] for line in page.stdout.splitlines()] == ["emil", "dora"]
    found = re.fullmatch(r"There are more: (--before) (\S+)\n", page.stderr)
    assert found
    rest = on_each.type("accounts", "list", "--limit", "3", *found.groups())
    assert [line.split()[-1] for line in rest.stdout.splitlines()] == ["cleo", "bob", "ada"]
    assert rest.stderr == ""

    on_each.works("accounts", "disable", "bob")
    assert _listed(on_each, "--state", "disabled") == ["bob"]
    assert _listed(on_each, "--state", "active") == ["emil", "dora", "cleo", "ada"]
    assert on_each.works("accounts", "list", "--state", "closing") == ""
    for wrong in (("--state", "gone"), ("--limit", "0"), ("--limit", "x"), ("--before", "x")):
        assert on_each.type("accounts", "list", *wrong).exit_code == 2


def test_a_listed_account_is_a_line_with_all_its_names(shell: Shell) -> None:
    create = ("accounts", "create", "--email", "Ada@example.org", "--username", "ada")
    shell.works(*create, "--password-stdin", answers=f"{PASSWORD}\n")
    line = shell.works("accounts", "list")
    assert re.fullmatch(r"[0-9a-f-]{36}  active    \d{4}-\d\d-\d\d  Ada@example.org  ada\n", line)


def test_an_account_is_shut_and_opened_again_and_twice_does_no_harm(on_each: Shell) -> None:
    _open(on_each, "ada")
    assert on_each.works("accounts", "enable", "ada") == "ada is active already\n"
    assert on_each.works("accounts", "disable", "ADA") == "ADA is disabled\n"
    assert on_each.works("accounts", "disable", "ada") == "ada is disabled already\n"
    assert "disabled" in on_each.works("accounts", "show", "ada")
    assert on_each.works("accounts", "enable", "ada") == "ada is active\n"
    for name in ("nobody", "no@example.org", "", "0199" * 8):
        assert "no account" in on_each.fails("accounts", "disable", name)
        assert "no account" in on_each.fails("accounts", "enable", name)


def test_a_role_is_given_and_taken_and_both_are_kept_in_the_audit_log(on_each: Shell) -> None:
    _open(on_each, "ada")
    assert "roles        user\n" in on_each.works("accounts", "show", "ada")
    for said in ("ada is admin\n", "ada is admin already\n"):
        assert on_each.works("accounts", "grant", "ada", "admin") == said
    assert "roles        admin, user\n" in on_each.works("accounts", "show", "ada")
    for said in ("ada is admin no more\n", "ada was not admin\n"):
        assert on_each.works("accounts", "revoke", "ada", "admin") == said
    assert "roles        user\n" in on_each.works("accounts", "show", "ada")
    assert _events(on_each)[-2:] == ["role.granted", "role.revoked"]


@pytest.mark.parametrize("act", ["grant", "revoke"])
def test_a_role_that_there_is_not_is_told_with_those_that_there_are(shell: Shell, act: str) -> None:
    _open(shell, "ada")
    said = shell.fails("accounts", act, "ada", "admn")
    assert said == "Error: there is no role admn, but admin, editor, user"


def test_an_account_that_its_owner_closes_is_opened_again_or_disabled(on_each: Shell) -> None:
    _open(on_each, "ada")

    async def close() -> None:
        vestibule = on_each.vestibule()
        async with vestibule.unit() as unit:
            await unit.session.execute(update(Account).values(state="closing"))
        await vestibule.stop()

    run(close())
    assert "closing" in on_each.works("accounts", "show", "ada")
    assert on_each.works("accounts", "enable", "ada") == "ada is active\n"
    assert "closing" not in on_each.works("accounts", "show", "ada")
    run(close())
    assert on_each.works("accounts", "disable", "ada") == "ada is disabled\n"
    assert on_each.works("accounts", "disable", "ada") == "ada is disabled already\n"


# --- courier ---


def _post(shell: Shell, to: str = "ada@example.org", *, state: State = State.QUEUED) -> str:
    vestibule = shell.vestibule()

    async def post() -> str:
        async with vestibule.unit() as unit:
            draft = letters.already_registered(to=to, now=unit.now, caller=unit.caller)
            letter = await outbox.post(unit, draft)
            await unit.session.execute(
                update(Letter)
                .where(Letter.id == letter)
                .values(state=state, last_error="550 nobody here", attempts=3)
            )
        await vestibule.stop()
        return str(letter)

    return run(post())


def _states(shell: Shell) -> list[str]:
    vestibule = shell.vestibule()

    async def look() -> list[str]:
        async with vestibule.unit(reading=True) as unit:
            found = list(await unit.session.scalars(select(Letter.state).order_by(Letter.id)))
        await vestibule.stop()
        return found

    return run(look())


def test_an_outbox_with_nothing_in_it_says_so(shell: Shell) -> None:
    assert shell.works("courier", "status") == "no letters\n"
    assert shell.works("courier", "retry") == "0 queued again\n"


def test_failed_letters_are_listed_and_tried_again(on_each: Shell) -> None:
    first, second = (_post(on_each, state=State.FAILED) for _ in range(2))
    third = _post(on_each)
    status = on_each.works("courier", "status")
    assert re.search(
        rf"^{third} .*tried 3 times, next at [0-9 :-]+ UTC: 550 nobody here$", status, re.MULTILINE
    )
    assert re.search(r"^failed +2$", status, re.MULTILINE)
    assert re.search(r"^queued +1$", status, re.MULTILINE)
    assert re.search(rf"^{first} .*tried 3 times: 550 nobody here$", status, re.MULTILINE)
    assert "ada@example.org" not in status

    assert on_each.works("courier", "retry", first) == "1 queued again\n"
    assert sorted(_states(on_each)) == ["failed", "queued", "queued"]
    assert on_each.works("courier", "retry") == "1 queued again\n"
    assert "no letter" in on_each.fails("courier", "retry", second)
    assert on_each.type("courier", "retry", "not-an-id").exit_code == 2


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_courier_of_its_own_sends_and_stops_when_told(
    database_url: str, tmp_path: Path, told: signal.Signals
) -> None:
    shell = Shell(VESTIBULE_DATABASE_URL=database_url)
    _post(shell)
    with subprocess.Popen(
        [sys.executable, "-m", "vestibule", "courier", "run"],
        cwd=tmp_path,
        env=outside(VESTIBULE_DATABASE_URL=database_url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as courier:
        assert courier.stdout is not None
        assert courier.stdout.readline().startswith("Sending letters")
        while _states(shell) != ["sent"]:
            assert courier.poll() is None
        courier.send_signal(told)
        _, errors = courier.communicate(timeout=20)
        assert courier.returncode == 0
        assert "Traceback" not in errors
    assert len(list((tmp_path / "data" / "mail").glob("*.json"))) == 1


# --- sessions and keys ---


def _sessions(shell: Shell, *usernames: str) -> list[str | None]:
    """Open sessions for accounts; return what ended every session that there is by now."""
    vestibule = shell.vestibule()

    async def look() -> list[str | None]:
        async with vestibule.unit() as unit:
            for name in usernames:
                account = await queries.by_identifier(unit, name)
                assert account is not None
                for kind in Kind:
                    await store.open_for(unit, account.id, remember=False, kind=kind)
        async with vestibule.unit(reading=True) as unit:
            found = list(
                await unit.session.scalars(select(Session.end_reason).order_by(Session.id))
            )
        await vestibule.stop()
        return found

    return run(look())


def test_everybody_is_signed_out_after_being_asked_for(
    on_each: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("vestibule.cli.sessions"), "_BATCH", 2)
    _open(on_each, "ada", "bob", "cleo")
    _sessions(on_each, "ada", "bob", "cleo")
    refused = on_each.type("sessions", "end", "--all", answers="n\n")
    assert refused.exit_code == 1
    assert _sessions(on_each) == [None] * 6
    assert on_each.works("sessions", "end", "--all", answers="y\n") == "6 ended\n"
    assert _sessions(on_each) == ["operator"] * 6
    assert on_each.works("sessions", "end", "--all", "--yes") == "0 ended\n"
    assert _events(on_each).count("sessions.ended") == 3


def test_one_account_is_signed_out(on_each: Shell) -> None:
    _open(on_each, "ada", "bob")
    _sessions(on_each, "ada", "bob")
    assert on_each.works("sessions", "end", "--account", "ADA", "--yes") == "2 ended\n"
    assert _sessions(on_each) == ["operator", "operator", None, None]
    assert "no account" in on_each.fails("sessions", "end", "--account", "nobody", "--yes")
    for words in ((), ("--all", "--account", "ada")):
        assert on_each.type("sessions", "end", "--yes", *words).exit_code == 2


def _api_keys(shell: Shell, *usernames: str) -> int:
    """Make two API keys for each account; return how many there are by now."""
    vestibule = shell.vestibule()

    async def look() -> int:
        async with vestibule.unit() as unit:
            for name in usernames:
                account = await queries.by_identifier(unit, name)
                assert account is not None
                for each in ("nightly", "weekly"):
                    await api_keys.add(unit, account.id, name=each, scopes=[], expires_at=None)
        async with vestibule.unit(reading=True) as unit:
            found = await unit.session.scalar(select(func.count()).select_from(ApiKey))
        await vestibule.stop()
        return found or 0

    return run(look())


def test_api_keys_stay_unless_they_are_named_too(
    on_each: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("vestibule.cli.sessions"), "_BATCH", 3)
    _open(on_each, "ada", "bob", "cleo")
    assert _api_keys(on_each, "ada", "bob", "cleo") == 6
    assert on_each.works("sessions", "end", "--all", "--yes") == "0 ended\n"
    assert _api_keys(on_each) == 6
    end = ("sessions", "end", "--api-keys")
    told = on_each.works(*end, "--account", "ada", "--yes")
    assert told == "0 ended\n2 API keys removed\n"
    assert on_each.type(*end, "--all", answers="n\n").exit_code == 1
    assert _api_keys(on_each) == 4
    assert on_each.works(*end, "--all", answers="y\n") == "0 ended\n4 API keys removed\n"
    assert _api_keys(on_each) == 0
    assert _events(on_each).count("api_key.removed") == 6


def _keys(shell: Shell) -> dict[str, str]:
    return {line.split()[0]: line.split()[2] for line in shell.works("keys", "list").splitlines()}


def test_keys_are_listed_rotated_and_retired(on_each: Shell) -> None:
    nothing = on_each.type("keys", "list")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    first = on_each.works("keys", "rotate").split()[0]
    assert sorted(_keys(on_each).values()) == ["active", "next"]
    [following] = [kid for kid, state in _keys(on_each).items() if state == "next"]
    assert on_each.works("keys", "rotate") == f"{following} signs from now on\n"
    assert sorted(_keys(on_each).values()) == ["active", "next", "verifying"]
    assert _keys(on_each)[first] == "verifying"
    assert on_each.works("keys", "retire", first) == f"{first} is retired\n"
    assert _keys(on_each)[first] == "retired"
    assert "No signing key" in on_each.fails("keys", "retire", first)
    assert "No signing key" in on_each.fails("keys", "retire", "x")
    assert "No signing key" in on_each.fails("keys", "retire", "-Nx_"), "ids may begin so"
    on_each.works("keys", "retire", following)
    assert sorted(_keys(on_each).values()) == ["active", "next", "retired", "retired"]
    events = _events(on_each)
    assert events.count("signing_key.rotated") == 3
    assert events.count("signing_key.retired") == 2


def _events(shell: Shell) -> list[str]:
    vestibule = shell.vestibule()

    async def look() -> list[str]:
        async with vestibule.unit(reading=True) as unit:
            found = list(await unit.session.scalars(select(Entry.event).order_by(Entry.id)))
        await vestibule.stop()
        return found

    return run(look())


# --- prune ---


def test_what_is_out_of_date_is_removed_and_told(on_each: Shell) -> None:
    said = (
        "accounts      0 removed\nsessions      0 removed\nchallenges    0 removed\n"
        "letters       {} removed\ncounters      0 removed\nsigning_keys  0 removed\n"
        "api_keys      0 removed\nspent         0 removed\naudit_entries 0 removed\n"
    )
    _post(on_each, state=State.SENT)
    _post(on_each)
    assert on_each.works("prune") == said.format(0)
    on_each.variables["VESTIBULE_KEEP_FINISHED"] = "1"

    async def expire() -> None:
        vestibule = on_each.vestibule()
        async with vestibule.unit() as unit:
            await unit.session.execute(
                update(Letter).values(expires_at=unit.now - timedelta(minutes=1))
            )
        await vestibule.stop()

    run(expire())
    assert on_each.works("prune") == said.format(1)
    assert on_each.works("prune") == said.format(0)
    assert _states(on_each) == ["queued"]


# --- doctor ---


def _verdicts(result: Result) -> list[tuple[str, str]]:
    return re.findall(r"^(good|note|wrong) +([^:]+): ", result.stdout, re.MULTILINE)


def test_the_doctor_finds_a_fresh_folder_well_and_leaves_it_so(
    shell: Shell, tmp_path: Path
) -> None:
    result = shell.type("doctor")
    assert result.exit_code == 0
    assert _verdicts(result) == [("good", "settings"), ("note", "database"), ("good", "mail")]
    assert not list(tmp_path.iterdir())


def test_the_doctor_finds_what_runs_well(on_each: Shell) -> None:
    result = on_each.type("doctor")
    assert result.exit_code == 0
    assert _verdicts(result) == [
        ("good", "settings"),
        ("good", "database"),
        ("good", "schema"),
        ("good", "mail"),
    ]


def test_the_doctor_shows_the_settings_and_no_secret(on_each: Shell) -> None:
    secrets = {
        "VESTIBULE_SECRETS": bytes(range(32)).hex(),
        "VESTIBULE_SMTP_PASSWORD": "hunter2",
        "VESTIBULE_MAILGUN_API_KEY": "hunter2",
    }
    result = on_each.type("doctor", VESTIBULE_SERVICE_NAME="Ada's", **secrets)
    assert "VESTIBULE_SERVICE_NAME = Ada's" in result.output
    assert "VESTIBULE_SMTP_HOST = (not set)\n" in result.output
    assert "VESTIBULE_HASH_THREADS = (not set)\n" in result.output
    assert "VESTIBULE_SESSION_IDLE = PT24H\n" in result.output
    assert "VESTIBULE_SESSION_LIFETIME = P7D\n" in result.output
    assert "VESTIBULE_COURIER = true\n" in result.output
    shown, findings = result.stdout.split("\n\n")
    assert " = " not in findings
    assert "good " not in shown
    assert "VESTIBULE_SECRETS = *" in result.output
    assert "hunter2" not in result.output
    assert bytes(range(32)).hex() not in result.output


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2@127.0.0.1:1/vestibule",
        "postgresql://127.0.0.1:1/vestibule?user=ada&password=hunter2",
        "postgresql://ada:hunter2@[/vestibule",
    ],
)
def test_the_doctor_hides_the_databases_password(shell: Shell, url: str) -> None:
    result = shell.type("doctor", VESTIBULE_DATABASE_URL=url)
    assert result.exit_code == 1
    assert "VESTIBULE_DATABASE_URL = " in result.output
    assert "hunter2" not in result.output


@pytest.mark.usefixtures("hurried")
def test_the_doctor_goes_on_after_what_is_wrong(shell: Shell) -> None:
    variables: Mapping[str, str] = PRODUCTION | {
        "VESTIBULE_BASE_URL": "http://auth.example.test",
        "VESTIBULE_SESSION_IDLE": "never",
        "VESTIBULE_SMTP_PORT": "1",
        "VESTIBULE_DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:1/vestibule",
        "VESTIBULE_MALE_FROM": "typo@example.test",
    }
    result = shell.type("doctor", **variables)
    assert result.exit_code == 1
    assert sorted(_verdicts(result)) == [
        ("note", "VESTIBULE_TRUSTED_PROXIES"),
        ("note", "environment"),
        ("wrong", "VESTIBULE_BASE_URL"),
        ("wrong", "VESTIBULE_SESSION_IDLE"),
        ("wrong", "database"),
        ("wrong", "mail"),
    ]
    assert "did you mean VESTIBULE_MAIL_FROM" in result.stdout
    listed = shell.type("doctor", **variables, VESTIBULE_TRUSTED_PROXIES="10.0.0.0/8")
    assert ("note", "VESTIBULE_TRUSTED_PROXIES") not in _verdicts(listed)


def test_the_doctor_tells_that_the_schema_is_old(empty_url: str) -> None:
    in_development = Shell(VESTIBULE_DATABASE_URL=empty_url).type("doctor")
    assert in_development.exit_code == 0
    assert ("note", "schema") in _verdicts(in_development)
    assert "has no schema yet" in in_development.stdout
    in_production = Shell(
        **PRODUCTION, VESTIBULE_DATABASE_URL=empty_url, VESTIBULE_SQLITE_IN_PRODUCTION="true"
    ).type("doctor")
    assert in_production.exit_code == 1
    assert "Run: vestibule db upgrade" in in_production.stdout
    assert ("wrong", "schema") in _verdicts(in_production)
    assert "has no schema yet" in in_production.stdout


def test_the_doctor_asks_nobody_whose_address_is_wrong(shell: Shell) -> None:
    variables = PRODUCTION | {"VESTIBULE_SMTP_HOST": "", "VESTIBULE_DATABASE_URL": "mysql://x/y"}
    result = shell.type("doctor", **variables)
    assert result.exit_code == 1
    assert ("note", "database") in _verdicts(result)
    assert ("note", "mail") in _verdicts(result)


def test_the_doctor_tells_of_a_file_that_cannot_be_opened(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = shell.type("doctor", VESTIBULE_DATABASE_URL=f"sqlite:///{tmp_path}/file/x.db")
    assert result.exit_code == 1
    assert ("wrong", "database") in _verdicts(result)
