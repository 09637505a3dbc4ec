"""What keeps people to what they may, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_ROLES = "tests/embedding/test_roles.py"
_LET_IN = f"{_ROLES}::test_who_has_the_role_is_let_in_and_nobody_else"
_MISTAKES = f"{_ROLES}::test_a_guard_that_names_what_there_is_not_stops_the_start"
_CONFIRM = "tests/web/api/test_confirmation.py"
_KEYS = "tests/web/api/test_api_keys.py"
_NOT_FOR_KEYS = "tests/attacks/test_api_keys.py::test_a_key_opens_nothing_that_is_for_people"
_NO_KEY = "tests/attacks/test_api_keys.py::test_what_is_no_key_of_ours_is_nobodys"
_NO_MORE = f"{_KEYS}::test_a_key_does_no_more_than_its_owner_may_now"
_RECENT = f"{_KEYS}::test_making_and_removing_want_a_recent_log_in_and_looking_does_not"
_LAST_USE = f"{_KEYS}::test_the_last_use_is_written_coarsely_and_never_backwards"
_MEANWHILE = f"{_CONFIRM}::test_what_changed_since_it_was_read_confirms_nothing"
_TWINS = f"{_CONFIRM}::test_of_two_that_confirm_at_once_with_one_cookie_one_replaces_it"

CONTROLS = {
    "the role that a route is for": Control(
        "web/conditions.py", "            raise RoleRequired", "            pass", _LET_IN
    ),
    "the scope that a route is for": Control(
        "web/conditions.py",
        "self.scope is not None and self.scope not in scopes.given_by(roles, settings.scopes)",
        "False",
        _LET_IN,
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
    "roles that scopes name": Control(
        "web/mistakes.py",
        "set(scope.roles).difference(roles)",
        "set()",
        f"{_ROLES}::test_a_scope_that_names_no_role_stops_the_start",
    ),
    "roles that are granted": Control(
        "roles/grants.py",
        "    if role not in known:\n        raise RoleUnknown(known)\n",
        "",
        "tests/test_cli.py::test_a_role_that_there_is_not_is_told_with_those_that_there_are",
    ),
    "guesses of one session": Control(
        "accounts/confirmation.py",
        "account, caller.session.id)",
        "account, None)",
        f"{_CONFIRM}::test_wrong_passwords_count_like_wrong_log_ins",
    ),
    "a password that changed meanwhile": Control(
        "accounts/confirmation.py",
        "        Account.password_hash.is_not_distinct_from(seen),\n",
        "",
        _MEANWHILE,
    ),
    "an account that was shut meanwhile": Control(
        "accounts/confirmation.py", '        Account.state == "active",\n', "", _MEANWHILE
    ),
    "a session that ended meanwhile": Control(
        "sessions/confirming.py", "            Session.ended_at.is_(None),\n", "", _MEANWHILE
    ),
    "what is for people": Control(
        "web/conditions.py",
        "            raise SessionRequired",
        "            return",
        _NOT_FOR_KEYS,
    ),
    "the scope that a key is for": Control(
        "web/conditions.py",
        "if self.scope not in program.scopes:",
        "if False:",
        "tests/embedding/test_programs.py::"
        "test_a_key_without_scopes_says_who_its_owner_is_and_opens_nothing",
    ),
    "scopes that are its owner's at the making": Control(
        "accounts/programs.py", "if not may.issuperset(wanted):", "if False:", _NO_MORE
    ),
    "scopes that are its owner's at the use": Control(
        "accounts/programs.py", "given.intersection(key.scopes)", "frozenset(key.scopes)", _NO_MORE
    ),
    "scopes that are the key's": Control(
        "accounts/programs.py",
        "given.intersection(key.scopes)",
        "given",
        "tests/embedding/test_programs.py::"
        "test_a_key_without_scopes_says_who_its_owner_is_and_opens_nothing",
    ),
    "roles that are not the key's": Control(
        "accounts/programs.py",
        "account.copy(roles=False, own=False)",
        "account",
        _NOT_FOR_KEYS,
    ),
    "the owner's state at the use": Control(
        "accounts/programs.py",
        ', Account.state == "active")\n)',
        ")\n)",
        f"{_KEYS}::test_a_key_of_an_account_that_is_shut_opens_nothing",
    ),
    "the end of a key": Control(
        "accounts/programs.py",
        "if not keys.is_live(key, now=means.clock.now()):",
        "if False:",
        f"{_KEYS}::test_a_key_expires_and_is_listed_for_a_while",
    ),
    "holding the owner while a key is made": Control(
        "accounts/holding.py",
        "for held in (active, live):",
        "for held in ():",
        "tests/races/test_api_keys.py::test_no_key_is_made_once_its_owner_is_disabled",
    ),
    "how many keys are made": Control(
        "accounts/programs.py",
        "    await counters.take(unit, counted, whose=Whose(account_id=account.id))\n",
        "",
        f"{_KEYS}::test_an_account_makes_so_many_keys_an_hour",
    ),
    "how many keys there are": Control(
        "api_keys/keys.py",
        "row.where(theirs.scalar_subquery() < _MOST)",
        "row",
        "tests/races/test_api_keys.py::"
        "test_of_many_that_make_a_key_at_once_no_more_than_fifty_get_one",
    ),
    "whose key is removed": Control(
        "api_keys/keys.py",
        "_remove_and_tell(unit, theirs, ApiKey.id == key_id)",
        "_remove_and_tell(unit, ApiKey.id == key_id)",
        "tests/attacks/test_api_keys.py::test_keys_of_others_do_not_exist",
    ),
    "a last use once a minute, and never backwards": Control(
        "api_keys/keys.py",
        "or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < unit.now - _COARSE)",
        "ApiKey.id.is_not(None)",
        _LAST_USE,
    ),
    "the checksum of a key": Control(
        "api_keys/secret.py", " and _check(secret[:-_CHECK]) == secret[-_CHECK:]", "", _NO_KEY
    ),
    "one key a request": Control(
        "web/identity.py", 'keys[0] if len(keys) == 1 else ""', "keys[0]", _NO_KEY
    ),
    "a key before a cookie": Control(
        "web/identity.py",
        "if keys := request.headers.getlist(_KEY_HEADER):",
        "if (keys := request.headers.getlist(_KEY_HEADER)) and not self.load_cookie():",
        "tests/attacks/test_api_keys.py::"
        "test_a_key_beside_a_cookie_is_what_counts_and_needs_no_origin",
    ),
    "a recent log-in to make a key": Control(
        "web/api/api_keys.py",
        "@requires(recent=True)\n@validate_request",
        "@signed_in\n@validate_request",
        _RECENT,
    ),
    "a recent log-in to remove a key": Control(
        "web/api/api_keys.py",
        "@requires(recent=True)\n@reading",
        "@signed_in\n@reading",
        _RECENT,
    ),
    "keys from before the proof": Control(
        "accounts/verification.py",
        "    await keys.remove_all(unit, account.id)\n",
        "",
        f"{_KEYS}::test_a_first_proof_of_an_address_ends_keys_made_before",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
