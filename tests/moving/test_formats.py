"""Hashes of other software: read, judged, and refused where they are none or cost too much."""

import asyncio
import time
from base64 import urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.moving.hashes import SALT, made_from, made_twice_from
from tests.world import CHEAP, PASSWORD
from vestibule.kernel import foreign
from vestibule.kernel.foreign import Unreadable
from vestibule.kernel.passwords import STANDARD, Passwords
from vestibule.moving.formats import label_of, recognise

PLAIN, TWICE = made_from(PASSWORD), made_twice_from(PASSWORD)
LONG = "x" * 71 + "ü"  # 73 bytes, which bcrypt never saw whole


def passwords(salt: str | None = SALT) -> Passwords:
    return Passwords(threads=1, hasher=CHEAP, double_hash_salt=salt)


@pytest.mark.parametrize("kind", PLAIN)
async def test_a_hash_is_right_for_its_password_alone(kind: str) -> None:
    kept = recognise(PLAIN[kind])
    for salt in (None, SALT):
        assert await passwords(salt).matches(PASSWORD, kept)
        assert not await passwords(salt).matches(PASSWORD + "x", kept)
    assert recognise(kept) == kept, "what was exported comes in again"


@pytest.mark.parametrize("kind", TWICE)
async def test_a_double_hash_is_right_with_its_salt_alone(kind: str) -> None:
    kept = recognise(TWICE[kind], double_hash=True)
    assert label_of(kept).startswith("hmac+")
    assert await passwords().matches(PASSWORD, kept)
    assert not await passwords().matches(PASSWORD + "x", kept)
    for other in (None, "", "another"):
        assert not await passwords(other).matches(PASSWORD, kept)


async def test_a_double_hash_is_right_however_the_password_was_composed() -> None:
    decomposed = made_twice_from("u\u0308ber allen gipfeln")["double bcrypt"]
    kept = recognise(decomposed, double_hash=True)
    assert await passwords().matches("\u00fcber allen gipfeln", kept)


async def test_what_flask_security_takes_from_django_is_not_hashed_twice() -> None:
    kept = recognise(PLAIN["Django pbkdf2"], double_hash=True)
    assert await passwords().matches(PASSWORD, kept)


@pytest.mark.parametrize("kind", ["bcrypt", "Django bcrypt"])
async def test_a_password_longer_than_bcrypt_takes_is_right_as_it_was(kind: str) -> None:
    kept = recognise(made_from(LONG)[kind])
    assert await passwords().matches(LONG, kept)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_hash_from_elsewhere_is_outdated(kind: str) -> None:
    assert passwords().outdated(recognise(PLAIN[kind]))


def test_a_hash_as_we_make_them_stays_as_it_is() -> None:
    ours = STANDARD.hash(PASSWORD)
    assert recognise(ours) == recognise(f"argon2{ours}") == ours
    assert label_of(ours) == "ours"


def _labelled(label: str, digest: str) -> str:
    return f"~{label}~~{urlsafe_b64encode(digest.encode()).decode().rstrip('=')}"


_BCRYPT = f"$2b$04${'.' * 53}"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "sha256$salt$ab",
        "plain$password",
        "pbkdf2:sha256$salt$ab",
        "pbkdf2:md5:1000$salt$" + "ab" * 16,
        "pbkdf2:sha256:1000$salt$" + "ab" * 31,
        "pbkdf2:sha256:1000$salt$" + "ab" * 31 + "x",
        "pbkdf2:sha256:5000001$salt$" + "ab" * 32,
        "scrypt:1000:8:1$salt$" + "ab" * 64,
        "scrypt:1048576:8:1$salt$" + "ab" * 64,
        "scrypt:32768:8:9999$salt$" + "ab" * 64,
        "scrypt:32768:8:1$salt$ab",
        "$2b$16$" + "." * 53,
        "$2b$03$" + "." * 53,
        "$2b$12$" + "." * 52,
        "$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=17,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$nonsense",
        "$pbkdf2-sha256$100$c2FsdA$ü",
        "pbkdf2_sha256$100$salt$!!!!",
        "~",
        "~a~b",
        "~pbkdf2:sha256:0~c2FsdA~" + "A" * 43,
        "~pbkdf2:sha256:x~c2FsdA~" + "A" * 43,
        "~md5+pbkdf2:sha256:9~c2FsdA~" + "A" * 43,
        "x~pbkdf2:sha256:9~c2FsdA~" + "A" * 43,
        "~sha256:1~~",
        "~scrypt:sha1:16384:8:1~c2FsdA~" + "A" * 86,
        "~scrypt:16384:8:1:1~c2FsdA~" + "A" * 86,
        "~scrypt:16384:8~c2FsdA~" + "A" * 86,
        "~scrypt:2:1:4194304~c2FsdA~" + "A" * 86,
        "~scrypt:65536:1:1~c2FsdA~" + "A" * 86,
        "~pbkdf2:90:sha256~c2FsdA~" + "A" * 43,
        "~pbkdf2:sha256:sha256:90~c2FsdA~" + "A" * 43,
        "~pbkdf2:sha256:9_0~c2FsdA~" + "A" * 43,
        "~pbkdf2:sha256:\u0669~c2FsdA~" + "A" * 43,
        "~pbkdf2:sha256~c2FsdA~" + "A" * 43,
        *(_labelled("bcrypt:4", f"$2b$31${'.' * 53}"), _labelled("bcrypt:4:4", _BCRYPT)),
        *(_labelled("bcrypt:04", _BCRYPT), _labelled("bcrypt:4", f"{_BCRYPT[:-1]}!")),
        _labelled(
            "argon2id:8:1:1", "$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAA"
        ),
        _labelled("argon2id:8:1:1", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAA"),
        _labelled("argon2id:8:1:1", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ"),
        "$argon2id$v=19$m=262144,t=1,p=17$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=1,p=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
async def test_what_is_none_or_costs_too_much_is_unreadable_and_nobodys(text: str) -> None:
    with pytest.raises(Unreadable) as refused:
        recognise(text)
    assert text[-8:] not in str(refused.value)
    assert not await passwords().matches(PASSWORD, text)


@pytest.mark.parametrize("kind", [*PLAIN, *TWICE])
async def test_a_hash_made_up_costs_the_same_and_is_nobodys(kind: str) -> None:
    kept = recognise({**PLAIN, **TWICE}[kind], double_hash=kind in TWICE)
    label = label_of(kept)
    decoy = foreign.decoy(label)
    assert label_of(decoy) == label
    assert not await passwords().matches(PASSWORD, decoy)
    assert not await passwords().matches(PASSWORD, None, like=kept), "nor is another's"


KEPT = [*(recognise(each) for each in PLAIN.values())]
KEPT += [recognise(each, double_hash=True) for each in TWICE.values()]
PARTS = [
    "sha1",
    "sha256",
    "hmac+",
    "0",
    "1",
    "2",
    "8",
    "16",
    "64",
    "90",
    "99999999999",
    "-1",
    "1_0",
]


@settings(max_examples=150, deadline=None)
@example(kept=next(each for each in KEPT if "~bcrypt:" in each), costs=None, place=8, sign="\ud800")
@example(kept=next(each for each in KEPT if "~argon2" in each), costs=None, place=10, sign="\ud800")
@given(
    kept=st.sampled_from(KEPT),
    costs=st.none() | st.lists(st.sampled_from([*PARTS, "", " 8", "\u0669"]), max_size=4),
    place=st.integers(0, 200),
    sign=st.sampled_from(["", "~", "$", "=", "A", "9", "\0", "ü", "\ud800"]),
)
def test_a_hash_that_was_changed_is_a_wrong_password_and_nothing_worse(
    kept: str, costs: list[str] | None, place: int, sign: str
) -> None:
    """Whatever stands in the column: each kind, with another label and a sign in place of one."""
    if costs is not None:
        _, label, salt, digest = kept.split("~")
        kept = "~".join(("", ":".join((label.partition(":")[0], *costs)), salt, digest))
    place = min(place, len(kept) - 1)
    changed = kept[:place] + sign + kept[place + 1 :]
    began = time.monotonic()
    asyncio.run(passwords().matches("something else", changed))
    with suppress(Unreadable):
        recognise(changed)
    with suppress(Unreadable):
        label = changed.split("~")[1] if changed.count("~") else changed
        assert label_of(foreign.decoy(label)) == label
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["argon2id", "bcrypt", "Werkzeug scrypt"])
async def test_what_cannot_be_checked_costs_what_ours_do(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []
    checked = passwords()
    honest = checked._verify

    def counting(password: str, hashed: str) -> bool:
        spent.append(hashed)
        return honest(password, hashed)

    monkeypatch.setattr(checked, "_verify", counting)
    cut = recognise(PLAIN[kind])[:-9]
    assert not await checked.matches(PASSWORD, cut)
    assert spent == [checked._decoy]
