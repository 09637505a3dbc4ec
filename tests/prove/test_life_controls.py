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
_ADDRESS = "tests/web/api/test_address.py"
_LINK = f"{_ADDRESS}::test_anywhere_else_the_link_wants_the_accounts_password"
_BACK = f"{_ADDRESS}::test_the_former_address_takes_the_account_back"
_SHUT = f"{_ADDRESS}::test_an_account_that_was_disabled_is_not_taken_back"
_CLOSING = "tests/web/api/test_closing.py"
_ERASED = f"{_CLOSING}::test_erasure_leaves_nothing_but_ids_in_the_audit_log"
_SPELLINGS = f"{_CLOSING}::test_erasure_finds_every_spelling_of_every_address_that_was_proved"
_NEVER_PROVED = (
    f"{_CLOSING}::test_erasing_what_was_never_proved_leaves_what_the_owner_of_the_mailbox_began"
)
_NAMED = f"{_CLOSING}::test_an_export_holds_what_named_the_proved_address_and_no_account"
_HERS = "tests/attacks/test_life.py"

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
        "accounts/resetting.py",
        "    await proofs.void_of_address(unit, Proof.RESET, address.key)\n",
        "",
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
CONTROLS |= {
    "whose click gives an address": Control(
        "accounts/address.py",
        "if caller is not None and caller.account.id == challenge.account_id:",
        "if caller is not None:",
        _LINK,
    ),
    "the password that a link wants": Control(
        "accounts/address.py", "    if not right:\n", "    if False:\n", _LINK
    ),
    "a password that comes along": Control(
        "accounts/address.py",
        "    if not password:\n        raise NotSignedIn\n",
        '    password = password or ""\n',
        _LINK,
    ),
    "wrong passwords at a link": Control(
        "accounts/address.py",
        "    await counters.take(unit, counted, whose=Whose(account_id=challenge.account_id))\n",
        "",
        f"{_ADDRESS}::test_ten_wrong_passwords_close_the_link",
    ),
    "wrong codes for an address": Control(
        "accounts/address.py",
        "    await counters.take(unit, counted, whose=Whose(account_id=account.id))\n",
        "",
        f"{_ADDRESS}::test_ten_wrong_codes_close_the_codes_and_never_the_link",
    ),
    "the code for an address": Control(
        "accounts/address.py",
        "challenge is None or not challenges.is_code(unit, challenge, code)",
        "challenge is None",
        f"{_ADDRESS}::test_the_link_is_good_for_a_day_and_the_code_for_half_an_hour",
    ),
    "changes that one account asks for": Control(
        "accounts/address.py",
        "    await counters.take(unit, (ADDRESS_CHANGES, str(caller.account.id)), whose=whose)\n",
        "",
        f"{_ADDRESS}::test_five_changes_an_hour_are_the_most",
    ),
    "letters that a new address gets": Control(
        "accounts/address.py",
        "may_write = await counters.admits(unit, LETTERS, address.key, whose=whose)",
        "may_write = True",
        f"{_ADDRESS}::test_an_address_that_got_too_many_letters_gets_no_more",
    ),
    "the session that asks for an address": Control(
        "accounts/address.py",
        "if not await holding.holds(unit, caller):",
        "if False:",
        f"{_ADDRESS}::test_a_session_that_ended_meanwhile_asks_for_nothing",
    ),
    "a recent log-in to change the address": Control(
        "web/api/address.py",
        "@requires(recent=True)",
        "@requires",
        f"{_ADDRESS}::test_a_change_wants_a_recent_log_in_and_an_address",
    ),
    "an earlier change": Control(
        "accounts/address.py",
        "    await proofs.void(unit, account.id, Proof.CHANGE)\n",
        "",
        f"{_ADDRESS}::test_a_newer_change_voids_the_older_one_of_the_account_alone",
    ),
    "the owner of a taken address": Control(
        "accounts/address.py",
        "if owner is not None and owner.id != account.id:",
        "if False:",
        f"{_ADDRESS}::test_a_taken_address_is_answered_alike_and_its_owner_is_told",
    ),
    "an account that may get an address": Control(
        "accounts/address.py",
        'held.state == "active"\n        and ',
        "",
        f"{_ADDRESS}::test_an_account_that_is_shut_gets_no_address",
    ),
    "the password that a change is bound to": Control(
        "accounts/address.py",
        "\n        and held.password_changed_at == proofs.at_moment(bound[_PASSWORD])",
        "",
        f"{_HERS}::test_a_change_that_was_asked_for_in_between_is_bound_to_the_password",
    ),
    "pending changes that end with the thief": Control(
        "accounts/ending.py",
        "_OPEN = (Proof.RESET, Proof.CHANGE)",
        "_OPEN = (Proof.RESET,)",
        f"{_HERS}::test_a_change_of_address_dies_with_whatever_shuts_the_thief_out",
    ),
    "letters that end with the address": Control(
        "accounts/address.py",
        "    await ending.void_open(unit, held.id)\n",
        "",
        f"{_HERS}::test_a_letter_is_dead_after_whatever_changes_the_account",
    ),
    "what was before a first proof": Control(
        "accounts/address.py",
        "    if first_proof:  # whoever opened it may have waited inside\n",
        "    if False:\n",
        f"{_ADDRESS}::test_whoever_has_no_address_may_get_one",
    ),
    "the word to the former address": Control(
        "accounts/address.py",
        '        await _tell_former(unit, held, "address_changed")\n',
        "        pass\n",
        _BACK,
    ),
    "the word to the present address": Control(
        "accounts/address.py",
        '    await _tell_former(unit, account, "address_change_asked")\n',
        "",
        f"{_HERS}::test_an_address_is_the_old_one_until_the_new_mailbox_says_so",
    ),
    "a former address that was proved": Control(
        "accounts/address.py",
        " or account.email_verified_at is None",
        "",
        f"{_ADDRESS}::test_an_address_that_was_never_proved_gets_no_way_back",
    ),
    "an account that may be taken back": Control(
        "accounts/undoing.py", ' or held.state == "disabled"', "", _SHUT
    ),
    "one way back": Control(
        "accounts/undoing.py",
        " or not await proofs.spend(unit, challenge)",
        "",
        f"{_HERS}::test_of_many_that_use_one_proof_of_an_address_at_once_one_succeeds",
    ),
    "a thief's way back": Control(
        "accounts/undoing.py",
        "    await proofs.void(unit, held.id, Proof.UNDO, since=challenge.created_at)\n",
        "",
        f"{_ADDRESS}::test_a_later_way_back_ends_with_an_earlier_one",
    ),
    "the older way back": Control(
        "accounts/undoing.py",
        ", since=challenge.created_at)",
        ")",
        f"{_ADDRESS}::test_the_oldest_address_has_the_last_word",
    ),
    "the thief's password": Control(
        "accounts/undoing.py", "        password_hash=None,\n", "", _BACK
    ),
    "the thief's sessions and keys": Control(
        "accounts/undoing.py",
        '    await ending.end_everything(unit, account.id, reason="address_undone")\n',
        "",
        _BACK,
    ),
}
CONTROLS |= {
    "a recent log-in to close the account": Control(
        "web/api/closing.py",
        "@requires(recent=True)\n@reading",
        "@requires\n@reading",
        f"{_CLOSING}::test_closing_wants_a_recent_log_in",
    ),
    "a recent log-in to take everything along": Control(
        "web/api/closing.py",
        "@requires(recent=True)\n@validate_response(ExportAnswer)",
        "@requires\n@validate_response(ExportAnswer)",
        f"{_CLOSING}::test_closing_wants_a_recent_log_in",
    ),
    "the session that closes": Control(
        "accounts/closing.py",
        "if not await holding.holds(unit, caller):",
        "if False:",
        f"{_CLOSING}::test_a_session_that_ended_meanwhile_closes_nothing",
    ),
    "what ends with the account": Control(
        "accounts/closing.py",
        '    await ending.end_everything(unit, account.id, reason="closing")\n',
        "",
        f"{_CLOSING}::test_the_way_back_brings_nothing_back_that_the_closing_ended",
    ),
    "an account that is closing": Control(
        "accounts/closing.py",
        '        or account.state != "closing"\n',
        "",
        f"{_CLOSING}::test_a_way_back_keeps_nothing_that_is_not_closing",
    ),
    "one way to keep it": Control(
        "accounts/closing.py",
        "        or not await proofs.spend(unit, challenge)\n",
        "",
        f"{_CLOSING}::test_a_way_back_is_spent_once",
    ),
    "when it is erased": Control(
        "accounts/closing.py",
        ", Account.closes_at <= unit.now)",
        ")",
        f"{_CLOSING}::test_the_grace_is_as_the_settings_say",
    ),
    "details of the audit log": Control(
        "accounts/closing.py",
        "        delete(Detail).where(Detail.entry_id.in_(about)),\n",
        "",
        _ERASED,
    ),
    "details that name an address": Control(
        "accounts/closing.py",
        "        delete(Detail).where(Detail.identifier.in_(theirs)),\n",
        "",
        _ERASED,
    ),
    "letters to an address": Control(
        "accounts/closing.py",
        "        delete(Letter).where(Letter.recipient_key.in_(theirs)),\n",
        "",
        _ERASED,
    ),
    "spellings in the audit log": Control(
        "audit/log.py", "_cut(folded(identifier))", "_cut(identifier)", _SPELLINGS
    ),
    "spellings of recipients": Control(
        "courier/outbox.py", "folded(draft.recipient)", "draft.recipient", _SPELLINGS
    ),
    "addresses that an account had": Control(
        "accounts/closing.py", "union(present, former)", "present", _SPELLINGS
    ),
    "addresses that are another's by now": Control(
        "accounts/closing.py",
        "known.difference((await unit.session.scalars(others)).all())",
        "known",
        f"{_CLOSING}::test_erasure_leaves_what_a_former_address_is_to_who_has_it_by_now",
    ),
    "addresses that were never proved": Control(
        "accounts/closing.py",
        "where(Account.id.in_(ids), proved)",
        "where(Account.id.in_(ids))",
        _NEVER_PROVED,
    ),
    "entries of a sign-up that opened an account": Control(
        "accounts/signup.py",
        "asked = partial(log.record, unit, account_id=account_id, identifier=address.typed)",
        "asked = partial(log.record, unit, identifier=address.typed)",
        _NEVER_PROVED,
    ),
    "the key of counts": Control(
        "throttle/counters.py",
        'unit.seals.mac("counter", key.encode()).hex()',
        "key",
        f"{_CLOSING}::test_counts_are_kept_under_a_key",
    ),
    "how many are erased at once": Control(
        "accounts/closing.py",
        "        .limit(most)\n",
        "",
        f"{_CLOSING}::test_many_are_erased_in_small_steps_and_nobody_else",
    ),
    "whose rows an export holds": Control(
        "accounts/export.py",
        "section.owner == account_id",
        "section.owner.is_not(None)",
        f"{_CLOSING}::test_an_export_holds_what_is_stored_and_no_secret",
    ),
    "to whom the letters of an export went": Control(
        "accounts/export.py",
        "and_(Letter.recipient_key == account.email_key, theirs)",
        "theirs",
        f"{_CLOSING}::test_an_export_tells_alike_of_a_wish_for_a_free_and_for_a_taken_address",
    ),
    "letters that bear no account": Control(
        "accounts/export.py",
        "or_(Letter.account_id == account.id, nobodys)",
        "Letter.account_id == account.id",
        _NAMED,
    ),
    "letters of who had the address before": Control(
        "accounts/export.py", ", Letter.created_at >= since)", ")", _NAMED
    ),
    "entries of who had the address before": Control(
        "accounts/export.py", "                Entry.at >= since,\n", "", _NAMED
    ),
    "entries that bear no account": Control(
        "accounts/export.py",
        "        found += await unit.session.execute(nobodys)\n",
        "",
        _NAMED,
    ),
    "an address that was never proved": Control(
        "accounts/export.py",
        "return None if proved is None else proved - ",
        "return (proved or unit.now) - ",
        f"{_CLOSING}::test_an_export_of_who_never_proved_an_address_tells_nothing_of_it",
    ),
    "whose entries an export holds": Control(
        "accounts/export.py",
        "        .where(Entry.account_id == account.id)\n",
        "",
        f"{_CLOSING}::test_an_export_holds_what_is_stored_and_no_secret",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
