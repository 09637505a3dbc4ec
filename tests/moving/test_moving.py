"""Moving in with other software's accounts, and out again, at the prompt."""

import asyncio
import csv
import json
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar  # Any: rows of another system

import pytest
from sqlalchemy import select, update

from tests.moving.hashes import SALT, made_from, made_twice_from
from tests.processes import outside
from tests.test_cli import Shell
from tests.world import NEW_PASSWORD, PASSWORD, World
from vestibule.accounts import disguise
from vestibule.accounts.models import Account
from vestibule.audit.log import Entry
from vestibule.kernel import foreign
from vestibule.kernel.foreign import decoy
from vestibule.kernel.passwords import STANDARD
from vestibule.roles.models import Grant

T = TypeVar("T")
HASHES = made_from(PASSWORD)
TWICE = made_twice_from(PASSWORD)


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(VESTIBULE_DATABASE_URL=database_url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))


@pytest.fixture
def visit(database_url: str, tmp_path: Path) -> Callable[..., Any]:
    """Do something with the running service."""

    def run(act: Callable[[World], Coroutine[Any, Any, T]], **settings: Any) -> T:
        async def visiting() -> T:
            async with World.running(database_url, tmp_path, **settings) as world:
                return await act(world)

        return asyncio.run(visiting())

    return run


def lines(path: Path, people: Iterable[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in people))
    return str(path)


def of_flask(path: Path) -> str:
    """The database of a Flask app: people, roles, and a table between them."""
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT, username TEXT, password TEXT,
                first_name TEXT, active BOOLEAN, confirmed_at DATETIME, create_datetime DATETIME);
            CREATE TABLE role (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE roles_users (user_id INTEGER, role_id INTEGER);
            INSERT INTO role VALUES (1, 'admin'), (2, 'author'), (3, 'sailor');
            """
        )
        for number, (kind, hashed) in enumerate(HASHES.items(), 1):
            database.execute(
                "INSERT INTO user VALUES (?, ?, ?, ?, ?, 1, '2020-01-02 03:04:05', '2019-05-06')",
                (number, f"P{number}@Example.org", f"person{number}", hashed, kind),
            )
        database.executemany("INSERT INTO roles_users VALUES (?, ?)", [(1, 1), (2, 2), (2, 3)])
    return f"sqlite:///{path}"


FLASK = (
    "--table",
    "user",
    "--roles-from",
    "roles_users(user_id,role_id),role(id,name)",
    "--role",
    "author=editor",
    "--column",
    "created_at=create_datetime",
)


async def accounts(world: World) -> dict[str | None, Account]:
    found = await world.rows(select(Account).order_by(Account.id))
    return {account.external_id: account for (account,) in found}


def test_people_come_from_a_database_with_roles_and_log_in_as_before(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    source = of_flask(tmp_path / "flask.db")
    for words in ((*FLASK, "--dry-run"), FLASK, FLASK):
        said = shell.works("accounts", "import", source, *words)
        dry, again = "--dry-run" in words, said
        assert f"{len(HASHES)} read" in said
        assert "nobody is made sailor" in again
        if dry:
            assert f"{len(HASHES)} would come" in said
            assert "scrypt:256:8:1" in said
            assert visit(accounts) == {}
    assert f"0 came\n{len(HASHES)} were here already\n0 were left out" in said

    async def log_in(world: World) -> None:
        assert len(await accounts(world)) == len(HASHES)
        for number in range(1, len(HASHES) + 1):
            for name in (f"p{number}@example.org", f"person{number}"):
                person = world.client()
                assert (await person.log_in(name, "not that")).status_code == 401
                assert (await person.log_in(name)).status_code == 200, name
            me = (await person.get("/v1/me")).json()
            given = {1: ["admin", "user"], 2: ["editor", "user"]}.get(number, ["user"])
            assert me["roles"] == given
            assert me["created_at"].startswith("2019-05-06")
            assert me["email_verified"]
        for external_id, account in (await accounts(world)).items():
            assert account.external_id == external_id
            assert not foreign.is_foreign(account.password_hash or "~"), "hashed anew"
        moved = await world.rows(select(Entry.account_id).where(Entry.event == "account.moved_in"))
        assert len(set(moved)) == len(moved) == len(HASHES)

    visit(log_in)


def test_people_of_flask_security_come_with_its_salt_alone(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    people = [
        {"id": number, "username": f"person{number}", "password": hashed, "roles": "user,editor"}
        for number, hashed in enumerate(TWICE.values())
    ]
    source = lines(tmp_path / "people.jsonl", people)
    command = ("accounts", "import", source, "--double-hash")
    assert "VESTIBULE_DOUBLE_HASH_SALT" in shell.fails(*command)
    shell.works(*command, VESTIBULE_DOUBLE_HASH_SALT=SALT)
    assert "hmac+bcrypt:4" in shell.works("accounts", "formats")

    async def knock(world: World) -> list[int]:
        names = [str(each["username"]) for each in people]
        return [(await world.client().log_in(name)).status_code for name in names]

    assert set(visit(knock)) == {401}
    assert set(visit(knock, double_hash_salt=SALT)) == {200}
    assert "every password is hashed as we do it" in shell.works("accounts", "formats")


def test_people_come_from_csv(shell: Shell, visit: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["nr", "E-Mail", "password_hash", "first_name", "is_active", "roles"])
        writer.writerow(["7", "ada@example.org", HASHES["bcrypt"], "Adä", "yes", "admin, editor"])
        writer.writerow(["8", "bob@example.org", HASHES["bcrypt"], "", "no", ""])
    line = shell.fails("accounts", "import", str(path))
    assert "--column id=" in line
    shell.works(
        *("accounts", "import", str(path), "--column", "id=nr", "--column", "email=E-Mail"),
        *("--verified", "all"),
    )

    async def look(world: World) -> None:
        ada = world.client()
        assert (await ada.log_in()).status_code == 200
        me = (await ada.get("/v1/me")).json()
        assert (me["given_name"], me["roles"]) == ("Adä", ["admin", "editor", "user"])
        assert (await world.client().log_in("bob@example.org")).status_code == 401
        assert (await accounts(world))["8"].state == "disabled"

    visit(look)


def test_who_cannot_come_is_told_beforehand_and_left_out(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    bcrypt = HASHES["bcrypt"]
    people: list[dict[str, Any]] = [
        {"id": 1, "email": "ada@example.org", "username": "ada", "password": bcrypt},
        {"id": 2, "email": " ADA@EXAMPLE.ORG", "password": bcrypt},
        {"id": 3, "email": "ada@", "password": bcrypt},
        {"id": 4, "username": "Ada", "password": bcrypt},
        {"id": 5, "username": "bob", "password": "md5:secretive"},
        {"id": 6, "email": "cyd@example.org", "username": "c d", "password": bcrypt},
        {"id": 1, "email": "dora@example.org", "password": bcrypt},
        {"email": "eve@example.org"},
        {"id": 8, "username": "fay\u0000"},
        {"id": 9},
        {"id": 10, "username": "gus", "given_name": "\ud800"},
        {"id": 11, "email": "taken@example.org", "password": bcrypt},
        {"id": 12, "username": "hal", "password": "!unusable"},
        {"id": 13, "email": "ida@example.org", "username": "ida@example.org"},
    ]
    shell.works(
        *("accounts", "create", "--email", "taken@example.org", "--password-stdin"),
        answers=f"{PASSWORD}\n",
    )
    source = lines(tmp_path / "people.jsonl", people)
    listed = tmp_path / "problems.jsonl"
    foreseen = shell.works("accounts", "import", source, "--dry-run", "--problems", str(listed))
    said = shell.works("accounts", "import", source)
    assert "14 read\n6 would come\n0 are here already\n8 would be left out" in foreseen
    assert "14 read\n6 came\n0 were here already\n8 were left out" in said
    assert "line 2 (id 2): email is the same as that of line 1, as we compare them" in foreseen
    assert "line 12 (id 11): email is another account's" in foreseen
    assert "md5" not in foreseen
    assert "secretive" not in listed.read_text()
    found = [json.loads(each) for each in listed.read_text().splitlines()]
    assert [each["place"] for each in found if each["left_out"]] == [
        f"line {number}" for number in (2, 3, 4, 7, 8, 9, 10, 12)
    ]
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    assert "is there already" in shell.fails(
        "accounts", "import", source, "--problems", str(listed)
    )

    async def look(world: World) -> None:
        here = await accounts(world)
        assert {each for each in here if each} == {"1", "5", "6", "10", "12", "13"}
        assert here["5"].password_hash is None
        assert here["12"].password_hash is None
        assert here["6"].username is None
        assert (await world.client().log_in("ada")).status_code == 401, "not proved"

    visit(look)


STATES: Mapping[str, Any] = {
    "yes": [True, 1, "1", "t", "TRUE", " Yes ", "on", "active", "enabled"],
    "no": [False, 0, "0", "f", "no", "off", "disabled", "inactive", None, ""],
    "told": ["banned", "suspended", "locked", "pending", 2, -1, "ja", ["active"], {"active": True}],
}
PROOFS: Mapping[str, Any] = {
    "yes": [
        True,
        1,
        "y",
        "verified",
        "confirmed",
        1583107445,
        "1583107445",
        1.5,
        "2020-01-02",
        "2020-01-02T03:04:05Z",
        "2020-01-02 03:04:05",
    ],
    "no": [False, 0, "0", "false", None, "", -1, "0001-01-01 00:00:00", "1970-01-01"],
    "told": ["pending", "unverified", "0000-00-00 00:00:00", "0001-01-01T00:00:00+05:00", "nan"],
}


def test_only_a_word_for_yes_lets_anybody_in(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    people, wanted, unsure = [], {}, 0
    for of, said in (("state", STATES), ("verified", PROOFS)):
        for kind, values in said.items():
            for number, value in enumerate(values):
                name = f"{of}{kind}{number}"
                person = {"id": name, "email": f"{name}@example.org", "state": "active"}
                people.append(person | {"verified": True} | {of: value})
                wanted[name] = kind == "yes"
                unsure += kind == "told"
    listed = tmp_path / "problems.jsonl"
    source = lines(tmp_path / "people.jsonl", people)
    shell.works("accounts", "import", source, "--problems", str(listed))
    told = [json.loads(each) for each in listed.read_text().splitlines()]
    assert len(told) == unsure
    assert all("told" in each["external_id"] and not each["left_out"] for each in told)
    here = visit(accounts)
    assert {
        name: each.state == "active" and each.email_verified_at is not None
        for name, each in here.items()
    } == wanted


def test_no_cell_of_csv_is_a_formula_and_all_come_in_again_as_they_were(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    said = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''-1", "'quoted", "O'Hara", "plain"]
    people = [
        {"id": str(each), "username": f"person{each}", "given_name": name, "family_name": name}
        for each, name in enumerate(said)
    ]
    shell.works("accounts", "import", lines(tmp_path / "people.jsonl", people))
    shell.works("accounts", "export", str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(said)
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r")]
    elsewhere = Shell(VESTIBULE_DATA_DIR=str(tmp_path / "elsewhere"))
    elsewhere.works(
        *("accounts", "import", str(tmp_path / "out.csv"), "--column", "id=external_id")
    )
    again = elsewhere.works("accounts", "export", "-")
    kept = {each["external_id"]: each for each in map(json.loads, again.splitlines())}
    assert [kept[str(number)]["given_name"] for number in range(len(said))] == said


def test_where_problems_cannot_be_listed_nobody_moves_in(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    source = lines(tmp_path / "people.jsonl", [{"id": 1, "username": "ada"}])
    (tmp_path / "there").write_text("mine")
    for name, why in (("nowhere/problems", "No such file"), ("there", "is there already")):
        command = ("accounts", "import", source, "--problems", str(tmp_path / name))
        assert why in shell.fails(*command)
    assert visit(accounts) == {}
    assert (tmp_path / "there").read_text() == "mine"


def test_a_column_that_only_a_late_line_has_counts(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    people: list[dict[str, Any]] = [{"id": each, "username": f"p{each}"} for each in range(501)]
    people[500]["is_active"] = False
    shell.works("accounts", "import", lines(tmp_path / "people.jsonl", people))
    assert visit(accounts)["500"].state == "disabled"


def test_what_nobody_could_choose_is_left_out_and_told(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    wrong: dict[str, list[str]] = {
        "given_name": ["a\u0000b", "a\u001bb", "a\u0085b", "\ud800", "x" * 101],
        "picture": [
            "javascript:alert(1)",
            "https://a.test/')",
            "https://a@b.test/",
            "/a.png",
            "https://a.test/\ud800",
            "https://a.test/" + "x" * 2000,
        ],
    }
    wrong["family_name"] = wrong["given_name"]
    people = [
        {"id": f"{of} {number}", "username": f"{of}{number}", of: value}
        for of, values in wrong.items()
        for number, value in enumerate(values)
    ]
    right = {"given_name": "x" * 100, "family_name": "Ü", "picture": "https://a.test/a.png?b#c"}
    people.append({"id": "right", "username": "right", **right})
    said = shell.works("accounts", "import", lines(tmp_path / "people.jsonl", people))
    assert f"{len(people)} came" in said
    assert said.count("is none that somebody could choose here; without it") == len(people) - 1
    for name, account in visit(accounts).items():
        kept = {of: getattr(account, of) for of in right}
        assert kept == (right if name == "right" else dict.fromkeys(right))


def test_an_id_that_is_somebody_elses_moves_nobody_in(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    first = lines(tmp_path / "1.jsonl", [{"id": 1, "username": "ada"}])
    second = lines(tmp_path / "2.jsonl", [{"id": 1, "username": "bob"}])
    shell.works("accounts", "import", first)
    said = shell.works("accounts", "import", second)
    assert "0 came" in said
    assert "id is another account's already" in said
    assert {each.username for each in visit(accounts).values()} == {"ada"}


@pytest.mark.parametrize(
    "source, words, why",
    [
        ("nowhere.csv", (), "there is no file"),
        ("people.txt", (), "the source is"),
        ("nonsense://", (), "the source"),
        ("sqlite:///nowhere.db", (), "there is no such SQLite file"),
        ("sqlite:///flask.db", (), "there is no table users"),
        ("sqlite:///flask.db", ("--table", "role"), "--column id="),
        ("sqlite:///flask.db", ("--table", "user", "--column", "email=x"), "no column x"),
        ("sqlite:///flask.db", ("--table", "user", "--roles-from", "x"), "TABLE(PERSON,ROLE)"),
        (
            "sqlite:///flask.db",
            ("--table", "user", "--roles-from", "roles_users(user_id,x),role(id,name)"),
            "no column x",
        ),
        ("broken.jsonl", (), "line 2 is no JSON object"),
        ("broken.csv", (), "no text of the kind"),
    ],
)
def test_a_source_that_is_none_is_one_line(
    tmp_path: Path, source: str, words: tuple[str, ...], why: str
) -> None:
    of_flask(tmp_path / "flask.db")
    (tmp_path / "broken.jsonl").write_text('{"id": 1, "username": "ada"}\n[1]\n')
    (tmp_path / "broken.csv").write_bytes(b"id,username\n1,\xff\n")
    assert why in Shell().fails("accounts", "import", source, *words)


def test_what_was_written_out_moves_in_elsewhere(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    people = [
        {"id": 1, "username": "ada", "password": HASHES["bcrypt"], "roles": ["admin"]},
        {"id": 2, "email": "bob@example.org", "password": HASHES["Werkzeug scrypt"]},
    ]
    shell.works("accounts", "import", lines(tmp_path / "a.jsonl", people), "--verified", "all")
    assert visit(lambda world: world.client().log_in("ada"), hasher=STANDARD).status_code == 200
    for name in ("out.csv", "out.jsonl"):
        shell.works("accounts", "export", str(tmp_path / name))
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert "is there already" in shell.fails("accounts", "export", str(tmp_path / name))
        elsewhere = Shell(VESTIBULE_DATA_DIR=str(tmp_path / f"data for {name}"))
        said = elsewhere.works("accounts", "import", str(tmp_path / name))
        assert "2 came" in said
        assert "admin" in elsewhere.works("accounts", "show", "ada")
        again = elsewhere.works("accounts", "export", "-")
        written = {each["external_id"]: each for each in map(json.loads, again.splitlines())}
        kept = {str(each.id): each.password_hash for each in visit(accounts).values()}
        assert {of: each["password_hash"] for of, each in written.items()} == kept
        assert "password_hash" not in elsewhere.works(
            "accounts", "export", "-", "--without-passwords"
        )
    assert shell.type("accounts", "export", "out.txt").exit_code == 2


MANY = [pytest.param(6_000, id="6k"), pytest.param(20_000, id="20k", marks=pytest.mark.prove)]


@pytest.mark.timeout(300)
@pytest.mark.fault("F-03")
@pytest.mark.parametrize("many", MANY)
def test_an_import_that_is_killed_half_way_and_started_again_misses_and_doubles_nobody(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path, many: int
) -> None:
    kinds = list(HASHES.values())
    people = (
        {
            "id": number,
            "email": f"p{number}@example.org",
            "password": kinds[number % len(kinds)],
            "verified": True,
            "roles": "editor" if number % 2 else "",
        }
        for number in range(many)
    )
    source = lines(tmp_path / "people.jsonl", people)
    command = [sys.executable, "-m", "vestibule", "accounts", "import", source]

    async def half_way(world: World) -> int:
        begun = await asyncio.create_subprocess_exec(
            *command,
            env=outside() | shell.variables,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        came = 0
        while came == 0 and begun.returncode is None:
            came = len(await world.rows(select(Account.id)))
        begun.kill()
        assert await begun.wait() == -9, "it was killed before its end"
        return came

    assert 0 < visit(half_way) < many
    start = time.perf_counter()
    said = shell.works("accounts", "import", source)
    lasted = time.perf_counter() - start
    print(f"{many} accounts, the rest of an import: {many / lasted:.0f} a second")  # noqa: T201

    async def look(world: World) -> None:
        names = await world.rows(select(Account.external_id))
        assert sorted(int(name) for (name,) in names) == list(range(many))
        granted = Counter(role for (role,) in await world.rows(select(Grant.role)))
        assert granted == {"user": many, "editor": many // 2}
        told = await world.rows(select(Entry.id).where(Entry.event == "account.moved_in"))
        assert len(told) == many
        for number in range(len(kinds)):
            assert (await world.client().log_in(f"p{number}@example.org")).status_code == 200

    visit(look)
    assert f"{many} read" in said


@pytest.mark.attack("A-048")
def test_a_name_that_nobody_has_costs_what_one_of_the_hashes_would_always_the_same(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    kinds = ["Werkzeug scrypt", "bcrypt", "bcrypt", "bcrypt"]
    people = [
        {"id": number, "username": f"person{number}", "password": HASHES[kind]}
        for number, kind in enumerate(kinds)
    ]
    shell.works("accounts", "import", lines(tmp_path / "people.jsonl", people))

    async def look(world: World) -> dict[str, str | None]:
        async with world.vestibule.unit() as unit:
            await world.vestibule.start()
            return {
                name: disguise.for_identifier(unit, name, None)
                for name in (f"nobody{number}" for number in range(400))
            }

    before = visit(look, secrets=(SECRET,))
    shares = Counter(before.values())
    assert set(shares) == {decoy("scrypt:256:8:1"), decoy("bcrypt:4")}
    assert 50 < shares[decoy("scrypt:256:8:1")] < 150, "a quarter"
    assert visit(look, secrets=(SECRET,)) == before
    assert visit(look, secrets=(OTHER, SECRET)) != before, "nobody else can tell which"

    async def enter(world: World) -> None:
        for number in (1, 2):
            assert (await world.client().log_in(f"person{number}")).status_code == 200

    visit(enter, secrets=(SECRET,))
    after = visit(look, secrets=(SECRET,))
    assert set(after.values()) == {decoy("scrypt:256:8:1"), decoy("bcrypt:4"), None}
    assert 150 < sum(like is None for like in after.values()) < 250, "half are ours"
    assert sum(after[name] == like for name, like in before.items()) > 150, "few change"


SECRET, OTHER = bytes(range(32)).hex(), bytes(range(32, 64)).hex()


@pytest.mark.attack("A-048")
def test_an_account_that_lets_nobody_in_costs_what_it_did_before(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    source = lines(
        tmp_path / "a.jsonl", [{"id": 1, "username": "ada", "password": HASHES["bcrypt"]}]
    )
    shell.works("accounts", "import", source)
    shell.works("accounts", "disable", "ada")

    async def look(world: World) -> None:
        [account] = (await accounts(world)).values()
        async with world.vestibule.unit() as unit:
            assert disguise.for_identifier(unit, "ada", account) == account.password_hash
        assert (await world.client().log_in("ada")).status_code == 401
        assert (await world.client().log_in("ada", NEW_PASSWORD)).status_code == 401

    visit(look)


@pytest.mark.attack("A-048")
def test_a_hash_that_is_none_is_a_wrong_password_whoever_asks(
    shell: Shell, visit: Callable[..., Any], tmp_path: Path
) -> None:
    """It may stand there since it came in by another way than ours."""
    broken = ["~scrypt:sha1:16384:8:1~c2FsdA~" + "A" * 86, "~", "~pbkdf2~~", "~x:1~~", "$argon2id$"]
    people = [{"id": each, "username": f"person{each}"} for each in range(len(broken))]
    shell.works("accounts", "import", lines(tmp_path / "people.jsonl", people))

    async def breaking(world: World) -> None:
        async with world.vestibule.unit() as unit:
            for number, hashed in enumerate(broken):
                theirs = update(Account).where(Account.external_id == str(number))
                await unit.session.execute(theirs.values(password_hash=hashed))

    async def knock(world: World) -> list[int]:
        names = [f"{who}{number}" for who in ("person", "nobody") for number in range(len(broken))]
        return [(await world.client().log_in(name)).status_code for name in names]

    visit(breaking)
    assert visit(knock) == [401] * 2 * len(broken)
    assert "pbkdf2" in shell.works("accounts", "formats")
