"""Each control taken out once, in a copy: the test that guards it must fail.

A test that passes without its control is no test.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Control:
    """`before` stands once in `file`; with `after` in its place, `test` fails."""

    file: str
    before: str
    after: str
    test: str


CONTROLS = {
    "the decoy": Control(
        "kernel/passwords.py",
        "right = await self._run(lambda: self._verify(password, checked))",
        "right = bool(hashed) and await self._run(lambda: self._verify(password, checked))",
        "tests/attacks/test_accounts.py::test_known_and_unknown_cost_the_same_work",
    ),
    "the commit on a refusal": Control(
        "kernel/unit.py",
        "            except Refusal:\n                await _finish(unit, reading=reading)\n",
        "            except Refusal:\n",
        "tests/web/api/test_sessions.py::test_a_refused_log_in_is_kept_in_the_audit_log",
    ),
    "the end of a lease": Control(
        "courier/outbox.py",
        "Letter.state.in_((State.QUEUED, State.SENDING)), Letter.next_try_at",
        "Letter.state.in_((State.QUEUED,)), Letter.next_try_at",
        "tests/courier/test_worker.py::"
        "test_a_killed_workers_letter_is_claimed_again_when_its_lease_ends",
    ),
    "the length of a lease": Control(
        "courier/outbox.py",
        "next_try_at=unit.now + lease",
        "next_try_at=unit.now",
        "tests/courier/test_worker.py::test_of_many_workers_at_once_each_letter_has_one",
    ),
    "who holds the lease": Control(
        "courier/outbox.py",
        "            Letter.state == State.SENDING,\n"
        "            Letter.attempts == letter.attempts,\n",
        "",
        "tests/courier/test_worker.py::"
        "test_a_killed_workers_letter_is_claimed_again_when_its_lease_ends",
    ),
    "BEGIN IMMEDIATE": Control(
        "kernel/database.py",
        'begin="BEGIN IMMEDIATE"',
        'begin="BEGIN"',
        "tests/kernel/test_database.py",
    ),
    "the end of a lock whose client hung up": Control(
        "kernel/database.py",
        "driver._tx.put_nowait((None, driver._conn.rollback))",
        "pass",
        "tests/faults/test_load.py::"
        "test_clients_that_hang_up_leave_nothing_held_and_nothing_half_done",
    ),
    "the cross-site rule": Control(
        "web/guard.py",
        "    blueprint.before_request(refuse_cross_site)\n",
        "",
        "tests/attacks/test_cookies.py",
    ),
    "a proof is spent once": Control(
        "accounts/challenges.py",
        "            Challenge.used_at.is_(None),\n            still_open,\n",
        "",
        "tests/attacks/test_proofs.py::test_of_twenty_that_spend_one_challenge_one_succeeds",
    ),
    "the bound of the hash queue": Control(
        "kernel/passwords.py",
        "if self._taken >= self._bound:",
        "if False:",
        "tests/faults/test_load.py::"
        "test_more_hashing_than_two_seconds_of_work_is_refused_and_nobody_else_waits",
    ),
    "the pause before hashing": Control(
        "accounts/login.py",
        "    await unit.pause()  # nobody waits",
        "    # nobody waits",
        "tests/faults/test_load.py::test_no_connection_is_held_while_hashing",
    ),
    "the second look after the pause": Control(
        "accounts/queries.py",
        '            Account.state == "active",\n'
        "            Account.password_hash.is_not_distinct_from(seen),\n",
        "",
        "tests/races/test_accounts.py::test_a_log_in_against_disabling_leaves_no_live_session",
    ),
    "the lock of the second look": Control(
        "accounts/queries.py",
        "        .with_for_update(key_share=True)\n",
        "",
        "tests/races/test_accounts.py::test_a_log_in_against_disabling_leaves_no_live_session",
    ),
    "the cap on codes": Control(
        "throttle/counters.py",
        "where=or_(rested, Counter.count < limit.most),",
        "where=or_(rested, Counter.count < 10**6),",
        "tests/attacks/test_proofs.py::"
        "test_the_eleventh_code_is_not_looked_at_and_nothing_refills_the_ten",
    ),
    "the password at the link": Control(
        "accounts/verification.py",
        "if not await unit.passwords.matches(password, chosen):",
        "if not (await unit.passwords.matches(password, chosen) or True):",
        "tests/web/api/test_walk.py::test_proving_by_the_link_takes_the_password",
    ),
    "the wait for the proof": Control(
        "accounts/login.py",
        "(proved or unit.settings.login_before_proof)",
        "True",
        "tests/web/api/test_accounts.py::"
        "test_an_account_that_is_not_proved_waits_where_the_setting_is_taken_back",
    ),
    "the sessions of an account that is shut": Control(
        "accounts/state.py",
        '    await store.end_all(unit, account_id, reason="disabled")\n',
        "",
        "tests/races/test_accounts.py::test_a_log_in_against_disabling_leaves_no_live_session",
    ),
    "the account before its sessions": Control(
        "accounts/state.py",
        '    if not await _turn(unit, account_id, "active", "disabled"):\n'
        "        return False\n"
        "    await log.record(unit, Event.ACCOUNT_DISABLED, account_id=account_id)\n"
        '    await store.end_all(unit, account_id, reason="disabled")\n'
        "    return True\n",
        '    await store.end_all(unit, account_id, reason="disabled")\n'
        '    return await _turn(unit, account_id, "active", "disabled")\n',
        "tests/races/test_accounts.py::test_a_log_in_against_disabling_leaves_no_live_session",
    ),
    "the size of a batch": Control(
        "kernel/removal.py",
        "        .limit(most)\n",
        "",
        "tests/faults/test_pruning.py::test_it_goes_in_small_steps",
    ),
    "the lock before a removal": Control(
        "kernel/removal.py",
        "        .with_for_update(skip_locked=True)\n",
        "",
        "tests/faults/test_pruning.py::test_a_count_that_is_taken_while_it_would_go_is_kept",
    ),
    "waiting for nobody": Control(
        "kernel/removal.py",
        "with_for_update(skip_locked=True)",
        "with_for_update()",
        "tests/faults/test_pruning.py::test_what_somebody_holds_is_left_for_the_next_time",
    ),
    "the letters that wait": Control(
        "courier/outbox.py",
        "Letter.expires_at, finished, until=until",
        "Letter.expires_at, until=until",
        "tests/faults/test_pruning.py::"
        "test_letters_go_a_month_after_nobody_wants_them_and_never_while_they_wait",
    ),
    "how long sessions are kept": Control(
        "sessions/store.py",
        "until = unit.now - unit.settings.keep_finished",
        "until = unit.now",
        "tests/faults/test_pruning.py::test_sessions_go_a_month_after_they_ended",
    ),
    "the username that is fixed": Control(
        "accounts/profile.py",
        'if "username" in changes and not unit.settings.username_change:',
        "if False:",
        "tests/web/api/test_profile.py::test_a_username_stays_where_nothing_else_is_said",
    ),
    "the last name to log in by": Control(
        "accounts/profile.py",
        "            statement = statement.where(Account.email_key.is_not(None))\n",
        "            pass\n",
        "tests/web/api/test_profile.py::test_the_last_name_to_log_in_by_stays",
    ),
    "the state at a change": Control(
        "accounts/profile.py",
        ', Account.state == "active")',
        ")",
        "tests/web/api/test_profile.py::test_whoever_is_shut_out_meanwhile_changes_nothing",
    ),
    "the key of a new username": Control(
        "accounts/profile.py",
        "None if username is None else names.username(username)",
        "username",
        "tests/web/api/test_profile.py::test_of_two_that_want_one_username_one_has_it",
    ),
    "the size of a profile": Control(
        "accounts/profile.py",
        "return len(written) <= _PROFILE_MOST",
        "return True",
        "tests/web/api/test_profile.py::test_a_profile_has_a_size",
    ),
    "the form of a picture": Control(
        "accounts/profile.py",
        'return whole and origin_of(url) != "" and "@" not in urlsplit(url).netloc',
        "return whole",
        "tests/web/api/test_profile.py::test_a_picture_is_a_plain_url",
    ),
    "the fields that are one's own": Control(
        "web/api/models.py",
        'model_config = ConfigDict(extra="forbid", strict=True)',
        'model_config = ConfigDict(extra="ignore", strict=True)',
        "tests/web/api/test_profile.py::test_nobody_changes_more_than_what_is_theirs_to_say",
    ),
    "the purpose of a secret": Control(
        "kernel/opaque.py",
        'sha256(f"{purpose}\\n{secret}".encode())',
        "sha256(secret.encode())",
        "tests/kernel/test_opaque.py",
    ),
    "the limit on log-ins by name": Control(
        "accounts/attempts.py",
        "    await counters.take(unit, LOG_IN_IDENTIFIER, key)\n",
        "",
        "tests/attacks/test_limits.py::test_the_eleventh_wrong_password_is_refused_known_or_not",
    ),
    "the limit on log-ins by client address": Control(
        "accounts/attempts.py",
        "        await counters.take(unit, LOG_IN_CLIENT, unit.caller.network)\n",
        "",
        "tests/attacks/test_limits.py::test_one_client_address_has_its_share_whomever_it_names",
    ),
    "the cap of an account": Control(
        "accounts/login.py",
        "    right = await attempts.may_count(unit, attempt) and right\n",
        "",
        "tests/attacks/test_limits.py::test_over_the_accounts_cap_every_password_is_a_wrong_one",
    ),
    "the limit on sign-ups": Control(
        "accounts/signup.py",
        "        await counters.take(unit, SIGN_UP_CLIENT, unit.caller.network)\n",
        "        pass\n",
        "tests/attacks/test_limits.py::test_one_client_address_signs_up_so_often",
    ),
    "the limit on a sign-up's letters": Control(
        "accounts/signup.py",
        "may_write = await counters.admits(unit, LETTERS, address.key)",
        "may_write = True",
        "tests/attacks/test_limits.py::test_letters_asked_for_at_once_are_five",
    ),
    "the limit on letters sent again": Control(
        "accounts/signup.py",
        "if not await counters.admits(unit, LETTERS, challenge.email_key):",
        "if False:",
        "tests/attacks/test_limits.py::test_a_letter_that_is_withheld_leaves_the_last_one_working",
    ),
    "one name for all its spellings": Control(
        "accounts/names.py",
        'return " ".join(key_of(identifier) or ("nobody", identifier.strip().casefold()))',
        "return identifier",
        "tests/attacks/test_limits.py::test_no_spelling_and_no_path_refills_the_log_ins",
    ),
    "the trust in proxies": Control(
        "web/network.py",
        "while hops and _is_in(peer, trusted) and",
        "while hops and",
        "tests/attacks/test_limits.py::test_no_header_moves_an_address_that_is_not_behind_our_proxy",
    ),
    "the subscriber's network": Control(
        "web/network.py",
        "    if isinstance(read, IPv6Address):\n        return",
        "    if isinstance(read, str):\n        return",
        "tests/attacks/test_limits.py::test_a_subscribers_ipv6_addresses_are_one",
    ),
    "the device that is known": Control(
        "accounts/attempts.py",
        "    if device is not None and await",
        "    if False and await",
        "tests/attacks/test_limits.py::test_strangers_slow_guessing_down_and_lock_nobody_out",
    ),
    "the device's own limit": Control(
        "accounts/attempts.py",
        "device is not None and await counters.admits(unit, LOG_IN_DEVICE, str(device)):",
        "device is not None:",
        "tests/attacks/test_limits.py::test_a_stolen_device_cookie_guesses_ten_times_and_no_more",
    ),
    "the password a device was known for": Control(
        "accounts/devices.py",
        "current = content[_ID:] == _fingerprint(account.password_hash)",
        "current = True",
        "tests/attacks/test_limits.py::test_a_device_cookie_is_good_for_its_own_account_and_password_alone",
    ),
    "counting before the hash": Control(
        "accounts/login.py",
        "    attempt = await attempts.begin(unit, identifier, account, known)\n"
        "    await unit.pause()  # nobody waits for Argon2 with a connection in hand\n\n"
        "    try:\n"
        "        right = await unit.passwords.matches(password, seen)\n",
        "    await unit.pause()\n\n"
        "    try:\n"
        "        right = await unit.passwords.matches(password, seen)\n"
        "        attempt = await attempts.begin(unit, identifier, account, known)\n",
        "tests/attacks/test_limits.py::test_sixty_guesses_at_once_are_ten",
    ),
    "counting names that nobody has": Control(
        "accounts/attempts.py",
        "    await counters.take(unit, LOG_IN_IDENTIFIER, key)\n",
        "    if account is not None:\n        await counters.take(unit, LOG_IN_IDENTIFIER, key)\n",
        "tests/attacks/test_limits.py::test_the_eleventh_wrong_password_is_refused_known_or_not",
    ),
    "giving back right passwords": Control(
        "accounts/login.py",
        "        await attempts.forget(unit, attempt)\n        owner",
        "        owner",
        "tests/attacks/test_limits.py::test_right_passwords_do_not_count",
    ),
    "giving back what nobody looked at": Control(
        "accounts/login.py",
        "        await attempts.forget(unit, attempt)\n        raise",
        "        raise",
        "tests/attacks/test_limits.py::test_a_log_in_that_nobody_looked_at_does_not_count",
    ),
    "the end of the forwarding header that is ours": Control(
        "web/network.py",
        "hops.pop().strip()",
        "hops.pop(0).strip()",
        "tests/attacks/test_limits.py::test_behind_our_proxy_only_what_our_proxies_wrote_counts",
    ),
    "IPv4 inside IPv6": Control(
        "web/network.py",
        "return found.ipv4_mapped or found if",
        "return found if",
        "tests/attacks/test_limits.py::test_a_subscribers_ipv6_addresses_are_one",
    ),
    "the device's count over log-ins": Control(
        "accounts/login.py",
        "password_hash=fresh or seen, device=known)",
        "password_hash=fresh or seen)",
        "tests/attacks/test_limits.py::test_a_log_in_keeps_the_devices_own_count",
    ),
    "spans from the first count": Control(
        "throttle/counters.py",
        "            if limit.from_first\n",
        "            if False\n",
        "tests/throttle/test_limits.py::test_a_span_from_the_first_count_ends_however_many_follow",
    ),
    "the age of letters": Control(
        "courier/outbox.py",
        ".order_by(Letter.id)\n        .limit(most)",
        ".order_by(Letter.next_try_at)\n        .limit(most)",
        "tests/faults/test_mail_outage.py::"
        "test_after_an_outage_all_letters_leave_oldest_first_and_none_that_is_out_of_date",
    ),
    "the reason in the log": Control(
        "kernel/unit.py",
        "        means.database.absence.tell(error)\n        undone",
        "        undone",
        "tests/faults/test_sqlite.py::"
        "test_where_the_file_takes_no_writes_people_are_told_and_the_log_says_why",
    ),
    "the bound of what a hash may cost": Control(
        "kernel/passwords.py",
        "return cost.memory_cost <= _MOST_MEMORY and cost.time_cost <= _MOST_PASSES",
        "return True",
        "tests/faults/test_poison.py::test_a_corrupt_hash_is_a_wrong_password_and_costs_no_more",
    ),
    "what a broken connection is": Control(
        "kernel/passing.py",
        "broken = isinstance(error, DBAPIError) and error.connection_invalidated",
        "broken = False",
        "tests/faults/test_database.py::TestGone::"
        "test_connections_that_died_while_they_rested_cost_nobody_an_answer",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    control = CONTROLS[name]
    for part in ("src", "tests", "alembic", "docs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / part, tmp_path)
    source = tmp_path / "src" / "vestibule" / control.file
    text = source.read_text()
    assert text.count(control.before) == 1, "the control is written otherwise by now"
    source.write_text(text.replace(control.before, control.after))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "--no-cov", control.test],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-2000:]
    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    print(f"\n  without {name}: {failed[0].partition(' - ')[0]}")  # noqa: T201
