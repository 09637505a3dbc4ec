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


_MANY = "tests/web/api/test_many_sessions.py"

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
    "the cross-site rule": Control(
        "web/guard.py",
        "    blueprint.before_request(cross_site or refuse_cross_site)\n",
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
        "if self._taken >= self._bound or self._late:",
        "if False:",
        "tests/faults/test_load.py::"
        "test_more_hashing_than_two_seconds_of_work_is_refused_and_nobody_else_waits",
    ),
    "hashing without a connection": Control(
        "accounts/login.py",
        "    # Nobody waits for Argon2",
        "    await queries.by_identifier(unit, identifier)  #",
        "tests/faults/test_load.py::test_no_connection_is_held_while_hashing",
    ),
    "the second look after the pause": Control(
        "accounts/queries.py",
        '        _accounts.state == "active",\n'
        '        _accounts.password_hash == bindparam("seen"),\n',
        '        (_accounts.password_hash == bindparam("seen")) | _accounts.id.is_not(None),\n',
        "tests/races/test_accounts.py::test_a_log_in_against_disabling_leaves_no_live_session",
    ),
    "the cap on codes": Control(
        "throttle/in_database.py",
        'Counter.count < bindparam(f"most{place}", type_=Integer)',
        'Counter.count < bindparam(f"most{place}", type_=Integer) + 10**6',
        "tests/attacks/test_proofs.py::"
        "test_the_eleventh_code_is_not_looked_at_and_nothing_refills_the_ten",
    ),
    "the password at the link": Control(
        "accounts/verification.py",
        "    if not right:\n",
        "    if not (right or True):\n",
        "tests/web/api/test_walk.py::test_proving_by_the_link_takes_the_password",
    ),
    "the wait for the proof": Control(
        "accounts/login.py",
        "(proved or unproved)",
        "True",
        "tests/web/api/test_accounts.py::"
        "test_an_account_that_is_not_proved_waits_where_the_setting_is_taken_back",
    ),
    "the sessions of an account that is shut": Control(
        "accounts/state.py",
        '    await store.end_all(unit, account_id, reason="disabled", by=by)\n',
        "",
        "tests/races/test_accounts.py::test_a_log_in_against_disabling_leaves_no_live_session",
    ),
    "the account before its sessions": Control(
        "accounts/state.py",
        '    if not await _turn(unit, account_id, ("active", "closing"), "disabled"):\n'
        "        return False\n"
        "    await log.record(unit, Event.ACCOUNT_DISABLED, account_id=account_id, actor_id=by)\n"
        "    await ending.void_open(unit, account_id)\n"
        "    await proofs.void(unit, account_id, Proof.KEEP)\n"
        '    await store.end_all(unit, account_id, reason="disabled", by=by)\n'
        "    return True\n",
        '    await store.end_all(unit, account_id, reason="disabled")\n'
        '    return await _turn(unit, account_id, ("active", "closing"), "disabled")\n',
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
        'sha256(f"{purpose}{surface}\\n{secret}".encode())',
        "sha256(secret.encode())",
        "tests/kernel/test_opaque.py",
    ),
    "the limit on log-ins by name": Control(
        "accounts/attempts.py",
        "*uncounted, (LOG_IN_IDENTIFIER, key), whose=whose)",
        "*uncounted, whose=whose)",
        "tests/attacks/test_limits.py::test_the_eleventh_wrong_password_is_refused_known_or_not",
    ),
    "the limit on log-ins by client address": Control(
        "accounts/attempts.py",
        "[] if network is None else [(LOG_IN_CLIENT, network)]",
        "[]",
        "tests/attacks/test_limits.py::test_one_client_address_has_its_share_whomever_it_names",
    ),
    "the cap of an account": Control(
        "accounts/attempts.py",
        "    return admitted and right\n",
        "    return right\n",
        "tests/attacks/test_limits.py::test_over_the_accounts_cap_every_password_is_a_wrong_one",
    ),
    "the limit on sign-ups": Control(
        "accounts/signup.py",
        "    await counters.take(unit, *counted)\n",
        "",
        "tests/attacks/test_limits.py::test_one_client_address_signs_up_so_often",
    ),
    "the limit on a sign-up's letters": Control(
        "accounts/signup.py",
        "may_write = await counters.admits(unit, LETTERS, address.key, whose=whose)",
        "may_write = True",
        "tests/attacks/test_limits.py::test_letters_asked_for_at_once_are_five",
    ),
    "the limit on letters sent again": Control(
        "accounts/signup.py",
        "if not await counters.admits(unit, LETTERS, challenge.email_key, whose=whose):",
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
        "    if device is not None:\n",
        "    if False:\n",
        "tests/attacks/test_limits.py::test_strangers_slow_guessing_down_and_lock_nobody_out",
    ),
    "the device's own limit": Control(
        "accounts/attempts.py",
        "if await counters.admits(unit, LOG_IN_DEVICE, str(device), whose=whose):",
        "if True:",
        "tests/attacks/test_limits.py::test_a_stolen_device_cookie_guesses_ten_times_and_no_more",
    ),
    "the password a device was known for": Control(
        "accounts/devices.py",
        "current = content[_ID:] == _password_of(account)",
        "current = True",
        "tests/attacks/test_limits.py::test_a_device_cookie_is_good_for_its_own_account_and_password_alone",
    ),
    "counting before the hash": Control(
        "accounts/login.py",
        "        attempt = await attempts.begin(unit, identifier, account, known)\n"
        "    except TooManyAttempts:\n"
        '        unit.means.metrics.log_in_turned_away("limited")\n'
        "        raise\n"
        "    # Nobody waits for Argon2 with a connection in hand: this unit has none yet.\n"
        "    try:\n"
        "        right = await unit.passwords.matches(password, seen, like=like)\n",
        "        await unit.pause()\n"
        "        right = await unit.passwords.matches(password, seen, like=like)\n"
        "        attempt = await attempts.begin(unit, identifier, account, known)\n"
        "    except TooManyAttempts:\n"
        "        raise\n"
        "    try:\n"
        "        pass\n",
        "tests/attacks/test_limits.py::test_sixty_guesses_at_once_are_ten",
    ),
    "counting names that nobody has": Control(
        "accounts/attempts.py",
        "    await counters.take(unit, *uncounted, (LOG_IN_IDENTIFIER, key), whose=whose)\n",
        "    if account is not None:\n"
        "        await counters.take(unit, *uncounted, (LOG_IN_IDENTIFIER, key), whose=whose)\n",
        "tests/attacks/test_limits.py::test_the_eleventh_wrong_password_is_refused_known_or_not",
    ),
    "giving back right passwords": Control(
        "accounts/attempts.py",
        "back = [*attempt.counted, capped] if right else []",
        "back = []",
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
    "devices known beyond a hash made anew": Control(
        "accounts/devices.py",
        "changed = account.password_changed_at",
        "return (account.password_hash or '').encode()",
        "tests/attacks/test_limits.py::test_a_hash_made_anew_makes_no_device_a_stranger",
    ),
    "the device's count over log-ins": Control(
        "accounts/login.py",
        "devices.leave(unit, account, device=device)",
        "devices.leave(unit, account)",
        "tests/attacks/test_limits.py::test_a_log_in_keeps_the_devices_own_count",
    ),
    "room for one more session": Control(
        "sessions/store.py",
        "        await room.make(unit, account_id)\n",
        "        pass\n",
        f"{_MANY}::test_many_that_log_in_at_once_open_no_more_than_there_may_be",
    ),
    "the session that is ended for another": Control(
        "sessions/room.py",
        "Session.seen_at.desc(), ",
        "",
        f"{_MANY}::test_one_too_many_ends_the_one_that_was_unused_for_longest",
    ),
    "sessions that take no room": Control(
        "sessions/room.py",
        "        Session.idle_until > unit.now, Session.expires_at > unit.now\n",
        "",
        f"{_MANY}::test_sessions_that_are_over_take_no_room",
    ),
    "spans from the first count": Control(
        "throttle/in_database.py",
        "case((self.rested, anew), else_=Counter.resets_at)\n                if from_first",
        "anew\n                if from_first",
        "tests/throttle/test_limits.py::test_a_span_from_the_first_count_ends_however_many_follow",
    ),
    "the stop with the last app only": Control(
        "extension.py",
        "            if not self._at_work:\n                await self.stop()",
        "            await self.stop()",
        "tests/embedding/test_lives.py::test_one_vestibule_works_until_the_last_of_its_apps_stops",
    ),
    "one start for all apps": Control(
        "extension.py",
        "        if any(not task.done() for task in self._tasks):\n            return\n",
        "",
        "tests/embedding/test_lives.py::test_a_second_app_does_not_start_the_courier_twice",
    ),
    "tasks that died with their loop": Control(
        "extension.py",
        "if any(not task.done() for task in self._tasks)",
        "if self._tasks",
        "tests/embedding/test_lives.py::test_after_a_start_that_broke_off_the_next_one_is_whole",
    ),
    "the stop after what the app does": Control(
        "extension.py",
        "            app.after_serving_funcs.append(\n"
        "                app.after_serving_funcs.pop(app.after_serving_funcs.index(leave))\n"
        "            )\n",
        "",
        "tests/embedding/test_lives.py::test_what_an_app_does_at_its_end_finds_us_still_there",
    ),
    "a start that was left out, on our routes": Control(
        "web/guard.py",
        "    blueprint.before_request(identity.after_the_start)\n",
        "",
        "tests/embedding/test_lives.py::test_an_app_that_nobody_started_says_so",
    ),
    "a start that was left out, on a host's": Control(
        "web/identity.py",
        "    await after_the_start()\n",
        "",
        "tests/embedding/test_lives.py::test_an_app_that_nobody_started_says_so",
    ),
    "awaiting what a receiver returns": Control(
        "kernel/signals.py",
        "if isawaitable(answer):",
        "if False:",
        "tests/embedding/test_lives.py::"
        "test_an_async_receiver_is_awaited_whatever_it_is_wrapped_in",
    ),
    "what a thread raises, whatever it is": Control(
        "kernel/signals.py",
        "except BaseException as raised:  # noqa",
        "except Exception as raised:  # noqa",
        "tests/embedding/test_lives.py::test_what_a_receiver_raises_ends_the_receiver_only",
    ),
    "the route in place of the path": Control(
        "web/telemetry.py",
        "request.url_rule.rule if request.url_rule else None",
        "request.full_path",
        "tests/telemetry/test_logs.py::test_a_request_is_one_line_with_its_route_and_no_secret",
    ),
    "the few methods that are labels": Control(
        "web/telemetry.py",
        'scope["method"] if scope["method"] in _METHODS else _OTHER',
        'scope["method"]',
        "tests/telemetry/test_metrics.py::test_requests_are_counted_by_route_and_kind_of_answer",
    ),
    "addresses left out of the log": Control(
        "web/telemetry.py",
        "    if current_vestibule().settings.log_addresses:\n",
        "    if current_vestibule().settings:\n",
        "tests/telemetry/test_logs.py::test_a_request_is_one_line_with_its_route_and_no_secret",
    ),
    "the room of the log": Control(
        "kernel/sink.py",
        "if self._held >= self._room:",
        "if self._held < 0:",
        "tests/telemetry/test_logs.py::test_what_finds_no_room_is_dropped_counted_and_told_afterwards",
    ),
    "the log's own thread": Control(
        "kernel/sink.py",
        "        self._lines.append(line)\n",
        "        os.write(self._descriptor, line)\n",
        "tests/telemetry/test_logs.py::test_a_pipe_that_nobody_reads_holds_up_no_request",
    ),
    "lines that cannot be written": Control(
        "kernel/sink.py",
        "        except OSError:\n",
        "        except ZeroDivisionError:\n",
        "tests/telemetry/test_logs.py::test_lines_that_cannot_be_written_are_counted_and_fail_no_request",
    ),
    "the token of the metrics": Control(
        "web/metrics.py",
        "if not _may_look(vestibule):",
        "if vestibule is None:",
        "tests/telemetry/test_metrics.py::test_with_a_token_only_who_sends_it_sees_anything",
    ),
    "our name before the metrics of development": Control(
        "web/arrival.py",
        'request.path == "/metrics" and not settings.in_development',
        'request.path == "/metrics"',
        "tests/telemetry/test_metrics.py::test_with_a_token_only_who_sends_it_sees_anything",
    ),
    "metrics left out of production": Control(
        "app.py",
        "    if vestibule.settings.shows_metrics:\n",
        "    if vestibule.settings:\n",
        "tests/telemetry/test_metrics.py::test_production_without_a_token_has_no_such_route",
    ),
    "the time of a scrape": Control(
        "web/metrics.py",
        "await asyncio.wait({self._look}, timeout=_PATIENCE)\n        return",
        "await self._look\n        return",
        "tests/telemetry/test_metrics.py::test_a_database_that_never_answers_holds_a_scrape_up_for_a_second",
    ),
    "a registry for each": Control(
        "kernel/metrics.py",
        "self.registry = CollectorRegistry()",
        "self.registry = __import__('prometheus_client').REGISTRY",
        "tests/telemetry/test_metrics.py::test_two_apps_in_one_process_have_numbers_of_their_own",
    ),
    "spans named by their route": Control(
        "web/tracing.py",
        'span.update_name(f"{method} {known.route}")',
        'span.set_attribute("url.path", "/")',
        "tests/telemetry/test_traces.py::test_spans_of_every_request_hold_no_secret",
    ),
    "what a dropped secret sealed": Control(
        "cli/examination.py",
        "    if closed:\n",
        "    if closed < 0:\n",
        "tests/test_doctor.py::test_what_a_dropped_secret_sealed_is_wrong",
    ),
    "the limit of Redis": Control(
        "throttle/in_redis.py",
        "elseif count >= most then",
        "elseif false then",
        "tests/throttle/test_counters.py::test_the_limit_is_reached_exactly",
    ),
    "spans of Redis from the first count": Control(
        "throttle/in_redis.py",
        "elseif ARGV[3 * i + 2] ~= '1' then",
        "elseif true then",
        "tests/throttle/test_limits.py::test_a_span_from_the_first_count_ends_however_many_follow",
    ),
    "giving back in Redis": Control(
        "throttle/in_redis.py",
        "'count', -1)",
        "'count', 0)",
        "tests/throttle/test_counters.py::test_what_is_given_back_does_not_count",
    ),
    "the time limits on Redis": Control(
        "throttle/in_redis.py",
        "_ANSWERING = 0.5  # seconds\n_PATIENCE = 1.0\n",
        "_ANSWERING = 30\n_PATIENCE = 30\n",
        "tests/faults/test_redis.py::test_a_limit_holds_while_redis_does_not",
    ),
    "the limit in memory": Control(
        "throttle/in_memory.py",
        "counted >= each.limit.most:",
        "counted >= 10**6:",
        "tests/throttle/test_counters.py::test_the_limit_is_reached_exactly",
    ),
    "forgetting what rested in memory": Control(
        "throttle/in_memory.py",
        "if held[1] > now}",
        "}",
        "tests/throttle/test_counters.py::test_the_memory_forgets_what_rested",
    ),
    "the database in place of Redis": Control(
        "throttle/fallback.py",
        "return await self._second.count(rest, now=now)",
        "return None",
        "tests/faults/test_redis.py::test_a_limit_holds_while_redis_does_not",
    ),
    "the rest for a Redis that is away": Control(
        "throttle/fallback.py",
        "if now < self._again_at:",
        "if False:",
        "tests/faults/test_redis.py::test_a_limit_holds_while_redis_does_not",
    ),
    "counting in both after a fault": Control(
        "throttle/fallback.py",
        "return self._rose_at is not None and",
        "return False and",
        "tests/faults/test_redis.py::test_it_counts_in_redis_again_without_a_restart",
    ),
    "giving back only where it was taken": Control(
        "throttle/fallback.py",
        "count(rest, now=now)",
        "count(rest, now=now, back=back)",
        "tests/faults/test_redis.py::"
        "test_what_was_taken_in_redis_is_not_given_back_in_the_database",
    ),
    "one line for a fault of Redis": Control(
        "throttle/fallback.py",
        "        if not self._away:\n            self._away = True\n",
        "        if True:\n            self._away = True\n",
        "tests/faults/test_redis.py::test_many_at_once_are_told_of_in_one_line",
    ),
    "the limit on a process": Control(
        "web/guard.py",
        "    blueprint.before_request(refuse_flood)\n",
        "",
        "tests/attacks/test_limits.py::test_a_process_does_so_much_for_everybody_together",
    ),
    "looking past a process's limit": Control(
        "web/guard.py",
        "    if request.method not in _SAFE:\n        await counters",
        "    if True:\n        await counters",
        "tests/attacks/test_limits.py::test_a_process_does_so_much_for_everybody_together",
    ),
    "an entry where a limit is reached": Control(
        "throttle/counters.py",
        "        await _record(unit, reached, whose)\n",
        "",
        "tests/attacks/test_limits.py::test_a_flood_is_one_entry_in_the_audit_log",
    ),
    "one entry for a flood": Control(
        "throttle/counters.py",
        "    return not everywhere or await means.counters.count([told], now=now) is None\n",
        "    return True\n",
        "tests/attacks/test_limits.py::test_at_once_and_on_several_servers_it_is_still_one_entry",
    ),
    "asking about breaches": Control(
        "accounts/signup.py",
        "    await breaches.check(unit, person.password)\n",
        "",
        "tests/faults/test_breaches.py::test_a_password_that_is_known_is_refused",
    ),
    "the beginning of a digest alone": Control(
        "accounts/breaches.py",
        'f"{url}/{digest[:_PREFIX]}"',
        'f"{url}/{digest}"',
        "tests/faults/test_breaches.py::test_nobody_learns_which_password_or_whose",
    ),
    "padding": Control(
        "accounts/breaches.py",
        "if found and int(found[2])",
        "if found",
        "tests/faults/test_breaches.py::test_padding_is_no_hit",
    ),
    "signing up while nobody answers about breaches": Control(
        "accounts/breaches.py",
        "except Unreachable as error:",
        "except ZeroDivisionError as error:",
        "tests/faults/test_breaches.py::test_nobody_there_keeps_nobody_from_signing_up",
    ),
    "the form of an answer about breaches": Control(
        "accounts/breaches.py",
        "if not lines or not all(lines):",
        "if False:",
        "tests/faults/test_breaches.py::"
        "test_whoever_does_not_answer_as_agreed_keeps_nobody_from_signing_up",
    ),
    "the time limit on breaches": Control(
        "accounts/breaches.py",
        "_WITHIN = 2.0",
        "_WITHIN = 20.0",
        "tests/faults/test_breaches.py::"
        "test_whoever_does_not_answer_as_agreed_keeps_nobody_from_signing_up",
    ),
    "the time limit on requests of ours": Control(
        "kernel/client.py",
        "asyncio.timeout(within)",
        "asyncio.timeout(None)",
        "tests/kernel/test_client.py::test_it_ends_in_time",
    ),
    "the size of answers to us": Control(
        "kernel/client.py",
        "if len(body) > most:",
        "if False:",
        "tests/kernel/test_client.py::test_too_long_an_answer_is_cut_off",
    ),
    "following nobody": Control(
        "kernel/client.py",
        "follow_redirects=False",
        "follow_redirects=True",
        "tests/kernel/test_client.py::test_an_answer_comes_whole_whatever_its_status",
    ),
    "the refusal of private addresses": Control(
        "kernel/client.py",
        "return is_public(address)\n\n\ndef",
        "return True\n\n\ndef",
        "tests/kernel/test_client.py::"
        "test_production_goes_to_no_private_address_whatever_it_is_called",
    ),
    "the address inside an address": Control(
        "kernel/client.py",
        "if wrapped is not None:",
        "if False:",
        "tests/kernel/test_client.py::test_an_address_that_is_not_the_internets_is_none",
    ),
    "the address that was checked": Control(
        "kernel/client.py",
        "_pinned(request, host, address)",
        "request",
        "tests/kernel/test_client.py::"
        "test_the_address_that_was_checked_is_the_one_that_is_connected_to",
    ),
    "the host that TLS names": Control(
        "kernel/client.py",
        ' | {"sni_hostname": host}',
        "",
        "tests/kernel/test_client.py::test_tls_names_and_checks_the_host_not_the_address",
    ),
    "a connection for each request": Control(
        "kernel/client.py",
        "max_keepalive_connections=0",
        "max_keepalive_connections=5",
        "tests/kernel/test_client.py::test_tls_names_and_checks_the_host_not_the_address",
    ),
    "sealing letters anew": Control(
        "resealing.py",
        '    "letters": outbox.SEALED,\n',
        "",
        "tests/faults/test_rotation.py::test_nothing_that_waits_is_lost_with_the_old_secret",
    ),
    "leaving what changed as it became": Control(
        "kernel/sealed.py",
        ", sealed.column == held)",
        ")",
        "tests/faults/test_rotation.py::test_what_changes_meanwhile_stays_as_it_became",
    ),
    "passing over what is sealed anew": Control(
        "kernel/sealed.py",
        ".where(older, *",
        ". where(*",
        "tests/faults/test_rotation.py::test_nothing_that_waits_is_lost_with_the_old_secret",
    ),
    "the codes that need an older secret": Control(
        "accounts/challenges.py",
        "Challenge.code_expires_at > unit.now, older)",
        "Challenge.code_expires_at > unit.now)",
        "tests/faults/test_rotation.py::test_the_time_to_keep_the_old_secret_is_told_and_passes",
    ),
    "the grace of a refresh token": Control(
        "accounts/credentials.py",
        "behind == 1 and rotation.is_fresh(unit, session)",
        "behind == 1",
        "tests/web/api/test_tokens.py::test_a_replaced_token_after_the_grace_ends_the_session_and_tells_the_owner",
    ),
    "one rotation in the grace": Control(
        "sessions/rotation.py",
        '        _columns.refreshed_at <= bindparam("before", type_=UtcDateTime),\n',
        '        _columns.refreshed_at <= bindparam("now", type_=UtcDateTime),\n',
        "tests/web/api/test_tokens.py::"
        "test_the_statement_itself_replaces_the_current_token_once_in_the_grace",
    ),
    "the generation of a refresh token": Control(
        "sessions/rotation.py",
        '    _columns.generation == bindparam("held"),\n',
        '    _columns.generation >= bindparam("held"),\n',
        "tests/web/api/test_tokens.py::"
        "test_the_statement_itself_replaces_the_current_token_once_in_the_grace",
    ),
    "a refresh by an ended session": Control(
        "sessions/rotation.py",
        "    _columns.ended_at.is_(None),\n    _columns.idle_until",
        "    _columns.idle_until",
        "tests/web/api/test_tokens.py::test_a_replaced_token_after_the_grace_ends_the_session_and_tells_the_owner",
    ),
    "a refresh by a session that rests": Control(
        "sessions/rotation.py",
        '    _columns.idle_until > bindparam("now", type_=UtcDateTime),\n',
        "",
        "tests/web/api/test_tokens.py::test_a_session_of_tokens_ends_when_nobody_refreshes_it",
    ),
    "a refresh by a session that is old": Control(
        "sessions/rotation.py",
        '    _columns.expires_at > bindparam("now", type_=UtcDateTime),\n',
        "",
        "tests/web/api/test_tokens.py::test_a_session_of_tokens_ends_after_ninety_days_whatever_happens",
    ),
    "a refresh for an account that is not active": Control(
        "accounts/credentials.py",
        '_accounts.c.id == _sessions.c.account_id, _accounts.c.state == "active"',
        "_accounts.c.id == _sessions.c.account_id",
        "tests/web/api/test_tokens.py::test_an_account_that_is_shut_has_no_refresh_even_if_its_session_lived_on",
    ),
    "the end of a stolen session": Control(
        "accounts/credentials.py",
        "        await _end_stolen(unit, account, session)\n",
        "        pass\n",
        "tests/web/api/test_tokens.py::test_a_replaced_token_after_the_grace_ends_the_session_and_tells_the_owner",
    ),
    "the MAC of a refresh token": Control(
        "tokens/refresh.py",
        "return seals.verify(_PURPOSE, message + nonce, presented.mac)",
        "return True",
        "tests/attacks/test_tokens.py::test_only_our_own_refresh_tokens_refresh",
    ),
    "a header's own keys and demands": Control(
        "tokens/checks.py",
        "header.keys() != _HEADER",
        "not header.keys() >= _HEADER",
        "tests/attacks/test_tokens.py::test_a_token_brings_no_key_along",
    ),
    "the type of a token": Control(
        "tokens/checks.py",
        ' or header["typ"] != TYPE:',
        ":",
        "tests/attacks/test_tokens.py::test_every_claim_must_be_as_we_write_it",
    ),
    "the issuer of a token": Control(
        "tokens/checks.py",
        ' or said["iss"] != issuer:',
        ":",
        "tests/attacks/test_tokens.py::test_every_claim_must_be_as_we_write_it",
    ),
    "the audience of a token": Control(
        "tokens/checks.py",
        'if said["aud"] != (audience or issuer):',
        "if False:",
        "tests/attacks/test_tokens.py::test_every_claim_must_be_as_we_write_it",
    ),
    "the end of a token": Control(
        "tokens/checks.py",
        'if moment(said["exp"]) + LEEWAY <= now and not however_old:',
        "if False:",
        "tests/attacks/test_tokens.py::test_clocks_may_differ_by_half_a_minute_and_no_more",
    ),
    "when a token was issued": Control(
        "tokens/checks.py",
        'if moment(said["iat"]) > now + LEEWAY:',
        "if False:",
        "tests/attacks/test_tokens.py::test_clocks_may_differ_by_half_a_minute_and_no_more",
    ),
    "when a token begins": Control(
        "tokens/checks.py",
        'if "nbf" in said and',
        "if False and",
        "tests/attacks/test_tokens.py::test_clocks_may_differ_by_half_a_minute_and_no_more",
    ),
    "the kind of a moment": Control(
        "tokens/checks.py",
        "if type(value) is not int:",
        "if not isinstance(value, (int, float)):",
        "tests/attacks/test_tokens.py::test_every_claim_must_be_as_we_write_it",
    ),
    "the form of a key's id": Control(
        "tokens/checks.py",
        "not isinstance(kid, str) or not _THUMBPRINT.fullmatch(kid)",
        "False",
        "tests/attacks/test_tokens.py::test_a_key_id_is_looked_up_and_nothing_else",
    ),
    "the length of a token": Control(
        "tokens/checks.py",
        "len(token) > _LONGEST or ",
        "",
        "tests/attacks/test_tokens.py::test_no_token_is_longer_than_we_read",
    ),
    "the algorithm of a key": Control(
        "tokens/checks.py",
        "jwt.decode(token, verifier.key, algorithms=[verifier.algorithm])",
        'jwt.decode(token, verifier.key, algorithms=["ES256", "HS256", "none"])',
        "tests/attacks/test_tokens.py::test_a_token_without_a_signature_is_nobodys",
    ),
    "the keys that were retired": Control(
        "tokens/keyring.py",
        "        SigningKey.state.in_((KeyState.ACTIVE, KeyState.VERIFYING)),\n"
        "        or_(SigningKey.verifies_until.is_(None), SigningKey.verifies_until > now),\n",
        "",
        "tests/web/api/test_tokens.py::test_a_retired_keys_tokens_are_refused_at_once",
    ),
    "the session behind a token": Control(
        "accounts/queries.py",
        "        Session.ended_at.is_(None),\n        Account.id == bind",
        "        Account.id == bind",
        "tests/web/api/test_tokens.py::test_a_log_out_with_a_token_ends_its_session",
    ),
    "the kind of a session behind a token": Control(
        "accounts/queries.py",
        "        Session.kind == Kind.TOKENS,\n",
        "",
        "tests/attacks/test_tokens.py::test_a_cookies_session_has_no_tokens",
    ),
    "the second look at a key's time": Control(
        "tokens/keys.py",
        "        await _lock(unit)\n        if await _is_due(unit):\n",
        "        if True:\n",
        "tests/web/api/test_tokens.py::test_of_several_that_find_a_keys_time_over_one_rotates",
    ),
    "sealing signing keys anew": Control(
        "resealing.py",
        '    "signing_keys": keyring.SEALED,\n',
        "",
        "tests/faults/test_rotation.py::test_nothing_that_waits_is_lost_with_the_old_secret",
    ),
    "the goodbye of a server that leaves": Control(
        "server.py",
        "            front.leaving = True\n",
        "",
        "tests/test_serve.py::test_a_stop_finishes_what_is_under_way_and_takes_nothing_new",
    ),
    "the end of a connection that rests": Control(
        "connections.py",
        "config.keep_alive_timeout = idle",
        "config.keep_alive_timeout = 3600",
        "tests/attacks/test_slow_clients.py::"
        "test_slow_clients_are_closed_and_everybody_else_is_served",
    ),
    "the clock of an HTTP/2 connection": Control(
        "connection.py",
        "            await self.idle_task.restart(self._task_group, self._idle_timeout)\n",
        "",
        "tests/attacks/test_slow_clients.py::"
        "test_slow_clients_are_closed_and_everybody_else_is_served",
    ),
    "the end of a client that reads nothing": Control(
        "connection.py",
        "asyncio.timeout(_UNREAD)",
        "asyncio.timeout(None)",
        "tests/attacks/test_slow_clients.py::test_who_reads_nothing_is_cut_off",
    ),
    "the number of connections": Control(
        "connections.py",
        "if len(self._open) >= self._most:",
        "if False:",
        "tests/attacks/test_slow_clients.py::"
        "test_who_comes_when_there_are_too_many_is_told_to_come_again",
    ),
    "the refusal of two lengths": Control(
        "server.py",
        "refused = _is_ambiguous(scope)",
        "refused = False",
        "tests/attacks/test_framing.py::"
        "test_what_can_be_read_in_two_ways_is_refused_with_its_connection",
    ),
    "the streams that are over": Control(
        "connection.py",
        "            self.protocol.protocol.streams = _Streams()\n",
        "",
        "tests/attacks/test_framing.py::test_http2_is_answered_as_http1_is",
    ),
    "one process on SQLite": Control(
        "kernel/settings/__init__.py",
        'if self.processes > 1 and self.database.startswith("sqlite"):',
        "if False:",
        "tests/test_workers.py::test_sqlite_is_for_one_process",
    ),
    "the share of the threads that hash": Control(
        "extension.py",
        "max(1, cores() // settings.processes)",
        "cores()",
        "tests/test_workers.py::test_the_threads_that_hash_are_shared_out_among_them",
    ),
    "the replacement of a worker that died": Control(
        "supervisor.py",
        "if self._places[place] is worker and await self._succeed(place):",
        "if False:",
        "tests/test_workers.py::test_one_that_dies_is_replaced_while_the_others_serve",
    ),
    "the wait between tries to replace one": Control(
        "supervisor.py",
        "await asyncio.sleep(wait)",
        "await asyncio.sleep(0)",
        "tests/test_workers.py::test_workers_that_crash_at_once_are_started_ever_more_slowly",
    ),
    "the end of workers without a supervisor": Control(
        "supervisor.py",
        "        loop.add_reader(line, alone)\n",
        "",
        "tests/test_workers.py::test_workers_do_not_outlive_their_supervisor",
    ),
    "the successor that must serve": Control(
        "supervisor.py",
        "        if not await worker.serves():\n            return False\n",
        "",
        "tests/test_workers.py::test_settings_that_are_wrong_by_now_leave_the_old_workers_at_work",
    ),
    "the end of waiting for a hash": Control(
        "kernel/passwords.py",
        "timeout=self.patience",
        "timeout=None",
        "tests/kernel/test_passwords.py::"
        "test_who_waited_in_vain_is_told_so_and_what_has_begun_is_finished",
    ),
    "a sign-up that was told to come back": Control(
        "accounts/signup.py",
        "        await counters.give_back(unit, *counted)  # it was no attempt\n",
        "",
        "tests/faults/test_load.py::test_who_waited_too_long_is_told_so_and_it_was_no_attempt",
    ),
    "nobody is let in while people wait in vain": Control(
        "kernel/passwords.py",
        " or self._late:",
        ":",
        "tests/kernel/test_passwords.py::"
        "test_who_waited_in_vain_is_told_so_and_what_has_begun_is_finished",
    ),
    "the account's cap on right passwords": Control(
        "throttle/in_database.py",
        ".where(~is_full, if_)",
        ".where(if_)",
        "tests/attacks/test_limits.py::test_over_the_accounts_cap_every_password_is_a_wrong_one",
    ),
    "the clock of who has left": Control(
        "connection.py",
        "        self.idle_task: _Idle = _Idle(self)  # type: ignore[assignment]\n",
        "",
        "tests/attacks/test_slow_clients.py::test_who_has_left_holds_nothing_until_a_time_out",
    ),
    "answers to who makes no room and leaves": Control(
        "connection.py",
        "                await each.close()\n",
        "                pass\n",
        "tests/attacks/test_slow_clients.py::"
        "test_an_http2_client_that_makes_no_room_and_leaves_holds_nothing",
    ),
    "the clock of an upgraded request": Control(
        "connection.py",
        "if not (isinstance(protocol, H2Protocol) and protocol.streams):",
        "if True:",
        "tests/attacks/test_slow_clients.py::test_a_request_that_is_upgraded_to_http2_is_not_idle",
    ),
    "what a caller who has left would count": Control(
        "kernel/sqlite.py",
        "            if commit and not left:",
        "            if commit:",
        "tests/kernel/test_database.py::test_who_leaves_in_between_leaves_nothing_behind",
    ),
    "answers that do not wait for more": Control(
        "server.py",
        "socket.SOCK_STREAM, socket.IPPROTO_TCP)",
        "socket.SOCK_STREAM)",
        "tests/test_serve.py::test_no_answer_waits_for_more_to_be_sent_with_it",
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
    "the stop of granian": Control(
        "granian.py",
        "        self._server.stop()\n",
        "        pass\n",
        "tests/test_granian.py::test_it_serves_the_same_app_and_stops_when_told_to",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201


def take_out(control: Control, place: Path) -> str:
    """Take a control out of a copy in `place`; return the test that failed without it."""
    for part in ("src", "tests", "alembic", "docs", "examples"):
        shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / part, place)
    source = place / "src" / "vestibule" / control.file
    text = source.read_text()
    assert text.count(control.before) == 1, "the control is written otherwise by now"
    source.write_text(text.replace(control.before, control.after))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "--no-cov", control.test],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(place / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-2000:]
    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    return failed[0].partition(" - ")[0]
