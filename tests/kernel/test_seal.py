"""What is sealed opens only here, for its purpose and row, as it was sealed."""

from secrets import token_hex

import pytest

from vestibule.kernel.seal import Seals, Unsealable

OLD, NEW = token_hex(32), token_hex(32)
ROW = b"row"


def test_what_was_sealed_opens() -> None:
    sealed = Seals([OLD]).seal("letter", b"content", row=ROW)
    assert Seals([OLD]).open("letter", sealed, row=ROW) == b"content"
    assert b"content" not in sealed


def test_the_same_content_is_never_sealed_alike() -> None:
    seals = Seals([OLD])
    assert len({seals.seal("letter", b"content", row=ROW) for _ in range(100)}) == 100


def test_a_rotation_opens_what_the_older_secret_sealed_and_seals_with_the_newer() -> None:
    rotating = Seals([NEW, OLD])
    before = Seals([OLD]).seal("letter", b"before", row=ROW)
    during = rotating.seal("letter", b"during", row=ROW)
    assert rotating.open("letter", before, row=ROW) == b"before"
    assert rotating.open("letter", during, row=ROW) == b"during"
    assert Seals([NEW]).open("letter", during, row=ROW) == b"during"
    with pytest.raises(Unsealable):
        Seals([OLD]).open("letter", during, row=ROW)


def test_a_dropped_secret_opens_nothing() -> None:
    sealed = Seals([OLD]).seal("letter", b"content", row=ROW)
    with pytest.raises(Unsealable):
        Seals([NEW]).open("letter", sealed, row=ROW)


def test_another_purpose_or_row_opens_nothing() -> None:
    seals = Seals([OLD])
    sealed = seals.seal("letter", b"content", row=ROW)
    for purpose, row in (("challenge", ROW), ("letter", b"another"), ("letter", b"")):
        with pytest.raises(Unsealable):
            seals.open(purpose, sealed, row=row)


def test_bytes_that_were_edited_open_nothing() -> None:
    seals = Seals([OLD])
    sealed = seals.seal("letter", b"content", row=ROW)
    for at in range(len(sealed)):
        edited = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Unsealable):
            seals.open("letter", edited, row=ROW)
    for cut in range(len(sealed)):
        with pytest.raises(Unsealable):
            seals.open("letter", sealed[:cut], row=ROW)


def test_a_mac_is_right_for_its_message_alone() -> None:
    seals = Seals([OLD])
    mac = seals.mac("code", b"message")
    assert seals.verify("code", b"message", mac)
    assert not seals.verify("code", b"another", mac)
    assert not seals.verify("letter", b"message", mac)
    assert not seals.verify("code", b"message", b"")
    assert not seals.verify("code", b"message", mac[:4])
    for at in range(len(mac)):
        edited = mac[:at] + bytes([mac[at] ^ 1]) + mac[at + 1 :]
        assert not seals.verify("code", b"message", edited)


def test_a_mac_outlives_a_rotation_until_its_secret_is_dropped() -> None:
    mac = Seals([OLD]).mac("code", b"message")
    assert Seals([NEW, OLD]).verify("code", b"message", mac)
    assert not Seals([NEW]).verify("code", b"message", mac)
    assert Seals([NEW]).verify("code", b"message", Seals([NEW, OLD]).mac("code", b"message"))
