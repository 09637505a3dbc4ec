"""What keeps people to what they may, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_ROLES = "tests/embedding/test_roles.py"
_LET_IN = f"{_ROLES}::test_who_has_the_role_is_let_in_and_nobody_else"
_MISTAKES = f"{_ROLES}::test_a_guard_that_names_what_there_is_not_stops_the_start"
_CONFIRM = "tests/web/api/test_confirmation.py"
_TWINS = f"{_CONFIRM}::test_of_two_that_confirm_at_once_with_one_cookie_one_replaces_it"

CONTROLS = {
    "the role that a route is for": Control(
        "web/conditions.py", "            raise RoleRequired", "            pass", _LET_IN
    ),
    "the scope that a route is for": Control(
        "web/conditions.py", "            raise ScopeRequired", "            pass", _LET_IN
    ),
    "the recent log-in that a route is for": Control(
        "web/conditions.py",
        "            raise ReauthenticationRequired",
        "            pass",
        f"{_ROLES}::test_nothing_but_a_proof_makes_a_session_recent_and_only_that_session",
    ),
    "which roles give a scope": Control(
        "kernel/scopes.py",
        " if not set(roles).isdisjoint(scope.roles)",
        "",
        _LET_IN,
    ),
    "roles that there are": Control(
        "web/mistakes.py", "set(each.any_of).difference(roles)", "set()", _MISTAKES
    ),
    "scopes that there are": Control(
        "web/mistakes.py",
        "each.scope is not None and each.scope not in scopes",
        "False",
        _MISTAKES,
    ),
    "guards below guards": Control(
        "web/access.py", "(*getattr(view, GUARD, ()), conditions)", "(conditions,)", _MISTAKES
    ),
    "the cookie that is replaced": Control(
        "sessions/confirming.py",
        "auth_time=unit.now, secret_digest=digest",
        "auth_time=unit.now",
        f"{_CONFIRM}::test_a_cookie_is_replaced_and_the_session_stays_the_same",
    ),
    "the cookie that was shown": Control(
        "sessions/confirming.py",
        "            Session.secret_digest.is_not_distinct_from(session.secret_digest),\n",
        "",
        _TWINS,
    ),
    "the session that a code is for": Control(
        "accounts/confirmation.py",
        "return session.id.bytes",
        "return session.account_id.bytes",
        f"{_CONFIRM}::test_a_code_is_good_for_the_session_that_asked_and_for_no_other",
    ),
    "the code's time": Control(
        "accounts/confirmation.py",
        "            Challenge.code_expires_at > unit.now,\n",
        "",
        f"{_CONFIRM}::test_a_code_is_good_for_ten_minutes",
    ),
    "the code's use": Control(
        "accounts/confirmation.py",
        "            Challenge.used_at.is_(None),\n",
        "",
        f"{_CONFIRM}::test_whoever_has_no_password_confirms_by_a_code",
    ),
    "wrong codes": Control(
        "accounts/confirmation.py",
        "    await counters.take(unit, counted, whose=Whose(account_id=account.id))\n",
        "",
        f"{_CONFIRM}::test_ten_wrong_codes_are_the_most_a_day_and_a_new_letter_refills_nothing",
    ),
    "letters with codes": Control(
        "accounts/confirmation.py",
        "    await counters.take(unit, (CONFIRMATION_LETTERS, str(account.id)), whose=whose)\n",
        "",
        f"{_CONFIRM}::test_five_letters_an_hour_leave_for_one_account",
    ),
    "who may have a code": Control(
        "accounts/confirmation.py",
        "account.password_hash is not None or has_no_way",
        "account.email is None",
        f"{_CONFIRM}::test_a_code_is_for_accounts_with_a_proved_address_and_no_password",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
