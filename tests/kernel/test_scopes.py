"""The notation that says which scopes there are, and whose they are."""

import pytest

from vestibule import Settings
from vestibule.kernel import scopes
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.scopes import Scope


def test_scopes_are_named_with_the_roles_that_give_them() -> None:
    read = scopes.read(" notes:read=user , notes:write = editor | admin,")
    assert read == (Scope("notes:read", ("user",)), Scope("notes:write", ("editor", "admin")))
    assert scopes.given_by(["user"], read) == {"notes:read"}
    assert scopes.given_by(["admin", "user"], read) == {"notes:read", "notes:write"}
    assert scopes.given_by([], read) == frozenset()


@pytest.mark.parametrize(
    "text, words",
    [
        ("notes:read", "part 1 must be such as notes:write=editor|admin"),
        ("a=user, =user", "part 2 must be such as notes:write=editor|admin"),
        ("a=", "part 1 must be such as notes:write=editor|admin"),
        ("a=user|", "part 1 must be such as notes:write=editor|admin"),
        ("Notes=user", "part 1 must be such as notes:write=editor|admin"),
        ("a b=user", "part 1 must be such as notes:write=editor|admin"),
        ("a=user admin", "part 1 must be such as notes:write=editor|admin"),
        (f"{'a' * 41}=user", "part 1 must be such as notes:write=editor|admin"),
        ("a=user, a=admin", "part 2 names a scope that stands before it"),
    ],
)
def test_a_slip_is_told_by_its_place_before_anything_is_served(text: str, words: str) -> None:
    with pytest.raises(CannotStart, match=r"^VESTIBULE_SCOPES: ") as refused:
        Settings.load(scopes=text)
    assert words in str(refused.value)
