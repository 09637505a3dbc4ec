"""Secrets in the caller's hand, digests in ours."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.kernel import opaque
from vestibule.kernel.opaque import Purpose


@pytest.mark.parametrize("purpose", Purpose)
def test_a_secret_says_what_it_is_for_and_is_found_by_its_digest(purpose: Purpose) -> None:
    secret, digest = opaque.issue(purpose)
    assert re.fullmatch(rf"{purpose}[A-Za-z0-9_-]{{43}}", secret)  # 256 bits
    assert opaque.digest(purpose, secret) == digest
    assert len(digest) == 32
    assert secret.encode() not in digest


def test_no_two_are_alike() -> None:
    assert len({opaque.issue(Purpose.SESSION) for _ in range(1000)}) == 1000


@pytest.mark.attack("A-016")
def test_one_made_for_another_purpose_is_never_found() -> None:
    body = opaque.issue(Purpose.LINK)[0].removeprefix(Purpose.LINK)
    digests = {opaque.digest(p, q + body) for p in Purpose for q in Purpose}
    assert len(digests) == len(Purpose) ** 2


def test_a_code_has_eight_signs_that_nobody_mistakes() -> None:
    codes = [opaque.code() for _ in range(2000)]
    assert all(re.fullmatch(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", code) for code in codes)
    assert len(set("".join(codes)) - {"-"}) == 32
    assert len(set(codes)) == len(codes)


@given(st.text(alphabet="\t\n -", max_size=3), st.text(alphabet="\t -", max_size=3))
def test_a_typed_code_may_be_written_as_people_write(before: str, between: str) -> None:
    code = opaque.code()
    typed = before + between.join(code.lower()) + before
    assert opaque.typed(typed) == opaque.typed(code) == code.replace("-", "")
