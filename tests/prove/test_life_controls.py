"""What keeps an account its owner's, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_PASSWORDS = "tests/web/api/test_passwords.py"
_RESET = f"{_PASSWORDS}::test_a_forgotten_password_is_replaced_by_the_link"
_CHANGE = f"{_PASSWORDS}::test_a_change_ends_every_session_and_hands_out_a_new_one"
_WANTS = f"{_PASSWORDS}::test_a_change_wants_a_recent_log_in_and_the_password"
_NEWER = f"{_PASSWORDS}::test_a_newer_letter_voids_the_older_one"
_CODES = f"{_PASSWORDS}::test_ten_wrong_codes_close_the_codes_and_never_the_link"
_TIME = f"{_PASSWORDS}::test_the_link_is_good_for_an_hour_and_the_code_for_half_of_it"
_FIRST = f"{_PASSWORDS}::test_a_reset_that_proves_the_address_drops_all_that_was_there_before"
_WEAK = f"{_PASSWORDS}::test_a_weak_password_is_told_and_spends_nothing"
_TWINS = f"{_PASSWORDS}::test_of_many_changes_at_once_one_is_made"

CONTROLS = {
    "sessions that end with the password": Control(
        "accounts/ending.py",
        "    await store.end_all(unit, account_id, reason=reason, but=but)\n",
        "",
        _RESET,
    ),
    "API keys that end with the password": Control(
        "accounts/ending.py", "    if api_keys:\n", "    if False:\n", _CHANGE
    ),
    "keys from before a first proof": Control(
        "accounts/resetting.py",
        "api_keys=first_proof or unit.settings.password_ends_api_keys,",
        "api_keys=unit.settings.password_ends_api_keys,",
        _FIRST,
    ),
    "letters that end with the password": Control(
        "accounts/ending.py",
        "    await void_open(unit, account_id)\n"
        "    await store.end_all(unit, account_id, reason=reason",
        "    await store.end_all(unit, account_id, reason=reason",
        "tests/attacks/test_life.py::test_a_letter_is_dead_after_whatever_changes_the_account",
    ),
    "letters that end with all sessions": Control(
        "accounts/ending.py",
        "    await void_open(unit, account_id)\n"
        '    await store.end_all(unit, account_id, reason="logout',
        '    await store.end_all(unit, account_id, reason="logout',
        f"{_PASSWORDS}::test_logging_out_everywhere_voids_the_letter",
    ),
    "letters that end with the account": Control(
        "accounts/state.py",
        "    await ending.void_open(unit, account_id)\n",
        "",
        f"{_PASSWORDS}::test_shutting_and_opening_the_account_voids_the_letter",
    ),
    "the password that a letter is to replace": Control(
        "accounts/resetting.py",
        "        asked_for,\n",
        "",
        f"{_PASSWORDS}::test_what_is_bound_to_another_password_changes_nothing",
    ),
    "a letter's one use": Control(
        "accounts/proofs.py",
        "            Challenge.id == challenge.id,\n            Challenge.used_at.is_(None),\n",
        "            Challenge.id == challenge.id,\n",
        f"{_PASSWORDS}::test_of_two_that_hold_a_letter_one_spends_it",
    ),
    "an older letter": Control(
        "accounts/proofs.py",
        "Challenge.email_key == address.key,\n            Challenge.used_at.is_(None),\n",
        "Challenge.email_key == address.key,\n            Challenge.id.is_(None),\n",
        _NEWER,
    ),
    "how long the link works": Control(
        "accounts/challenges.py",
        '"expires_at": unit.now + lifetime,',
        '"expires_at": unit.now + lifetime * 2,',
        _TIME,
    ),
    "wrong codes for a new password": Control(
        "accounts/resetting.py",
        "    await counters.take(unit, counted, whose=Whose(identifier=address.typed))\n",
        "",
        _CODES,
    ),
    "the code for a new password": Control(
        "accounts/resetting.py",
        "challenge is None or not challenges.is_code(unit, challenge, code)",
        "challenge is None",
        _CODES,
    ),
    "clients that forget": Control(
        "accounts/resetting.py",
        "    await counters.take(unit, *([] if network is None else [(FORGOT_CLIENT, network)]))\n",
        "",
        f"{_PASSWORDS}::test_one_client_forgets_so_many_passwords_an_hour",
    ),
    "letters that an address gets": Control(
        "accounts/resetting.py",
        "may_write = await counters.admits(unit, LETTERS, address.key, whose=whose)",
        "may_write = True",
        f"{_PASSWORDS}::test_five_letters_an_hour_and_the_last_one_goes_on_working",
    ),
    "an account that is open": Control(
        "accounts/passwords.py",
        '.where(Account.id == account_id, Account.state == "active", *unchanged)',
        ".where(Account.id == account_id, *unchanged)",
        f"{_PASSWORDS}::test_who_cannot_log_in_gets_no_new_password",
    ),
    "the current password": Control(
        "accounts/passwords.py",
        "if not await attempts.judge(unit, attempt, right=right):",
        "if False:",
        _WANTS,
    ),
    "a recent log-in to change the password": Control(
        "web/api/passwords.py", "@requires(recent=True)", "@requires", _WANTS
    ),
    "the password that was checked": Control(
        "accounts/passwords.py",
        "Account.password_hash.is_not_distinct_from(account.password_hash)",
        "Account.id == account.id",
        f"{_PASSWORDS}::test_a_password_that_changed_meanwhile_is_not_changed",
    ),
    "the session that asked": Control(
        "accounts/passwords.py",
        "if not await holding.holds(unit, caller):",
        "if False:",
        f"{_PASSWORDS}::test_a_session_that_ended_meanwhile_changes_nothing",
    ),
    "guesses at the current password": Control(
        "accounts/passwords.py",
        "attempt = await attempts.begin(unit, identifier, account, session.id)",
        "attempt = attempts.Attempt(None, [], attempts.Whose())",
        f"{_PASSWORDS}::test_guesses_at_a_change_count_like_wrong_log_ins",
    ),
    "what a new password may be": Control(
        "accounts/passwords.py",
        "    policy.check(password, personal=(*known, unit.settings.service_name))\n",
        "",
        _WEAK,
    ),
    "what is personal": Control(
        "accounts/resetting.py",
        "    passwords.check(unit, password, *passwords.personal(account))\n",
        "",
        _WEAK,
    ),
    "the device that a new password leaves": Control(
        "web/api/passwords.py",
        '    device.leave(done.device)\n    return "", 204',
        '    return "", 204',
        f"{_PASSWORDS}::test_a_spent_letter_leaves_the_device_known_until_the_password_changes",
    ),
    "the owner who is told": Control(
        "accounts/resetting.py",
        "    await passwords.tell_owner(unit, changed)\n",
        "",
        _RESET,
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
