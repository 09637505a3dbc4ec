"""What keeps a server from believing what is over, taken out piece by piece."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_MEMORY = "tests/feed/test_memory.py"
_MEANWHILE = f"{_MEMORY}::test_what_changes_while_it_is_read_is_not_remembered"
_FEED = "tests/feed/test_feed.py"
_FAILS = f"{_FEED}::test_a_feed_that_fails_keeps_nobody_signed_in"
_ENDS = f"{_FEED}::test_what_ends_here_ends_there_within_a_second"
_READ = f"{_FEED}::test_who_is_read_while_it_changes_is_not_remembered"
_TOLD = f"{_FEED}::test_the_server_that_was_told_knows_at_once_whatever_it_hears"
_BY_THE_CLOCK = f"{_FEED}::test_what_is_remembered_ends_by_the_clock"
_THIEF = f"{_FEED}::test_a_machine_whose_clock_is_wrong_calls_no_honest_tab_a_thief"
_GATE = "tests/feed/test_gate.py"
_ALIKE = f"{_GATE}::test_nobody_is_known_before_quart_whom_the_service_would_not_know"
_CONDITION = f"{_GATE}::test_a_condition_is_met_or_refused_and_never_passed_over"
_NAMES = f"{_GATE}::test_other_names_and_what_came_in_clear_are_not_let_in"
_MYSELF = "tests/feed/test_myself.py"
_RETIRED = f"{_FEED}::test_a_key_that_is_retired_here_is_refused_there_within_a_second"

CONTROLS = {
    "the word of a change": Control(
        "kernel/unit.py",
        "    if unit.forgotten:\n        await unit.session.execute(",
        "    if False:\n        await unit.session.execute(",
        _ENDS,
    ),
    "the word of an ended session": Control(
        "sessions/rows.py", "        unit.forget(Fact.SESSION, each)\n", "        pass\n", _ENDS
    ),
    "the word of a changed account": Control(
        "accounts/profile.py",
        "    unit.forget(Fact.ACCOUNT, account.id)\n",
        "",
        f"{_FEED}::test_what_one_says_of_oneself_is_the_same_everywhere_within_a_second",
    ),
    "the word of a retired key": Control(
        "tokens/keys.py",
        "async def _retire(unit: Unit, kid: str) -> bool:\n    unit.forget(Fact.SIGNING_KEYS)\n",
        "async def _retire(unit: Unit, kid: str) -> bool:\n",
        _RETIRED,
    ),
    "what a message holds": Control(
        "kernel/memory.py",
        "written if len(written) <= _LONGEST else _EVERYTHING",
        "written",
        f"{_MEMORY}::test_more_than_a_message_carries_is_everything",
    ),
    "the server that was told": Control(
        "kernel/unit.py", "        unit.means.memory.forget(unit.forgotten)", "        pass", _TOLD
    ),
    "forgetting with the commit": Control(
        "kernel/unit.py",
        "    await uninterrupted(_commit(unit))\n",
        "    await _commit(unit)\n",
        f"{_FEED}::test_a_client_that_hangs_up_leaves_nothing_remembered_that_it_changed",
    ),
    "the second that is believed": Control(
        "kernel/memory.py",
        "return time.monotonic() - self.heard_until < TRUST",
        "return self.heard_until > -inf",
        _FAILS,
    ),
    "when a beat was sent": Control(
        "sessions/feed.py",
        "self._memory.hear(until=float(str(sent)))",
        "self._memory.hear(until=time.monotonic())",
        f"{_FEED}::test_a_beat_that_took_its_time_is_not_believed",
    ),
    "a bulky profile of who is signed in": Control(
        "accounts/presence.py",
        "not loading.is_good(*facts) or _is_bulky(account):",
        "not loading.is_good(*facts):",
        "tests/feed/test_much_and_odd.py::test_a_bulky_profile_is_read_and_not_remembered",
    ),
    "a bulky profile of a key's owner": Control(
        "accounts/presence.py",
        "loading.is_good(*facts) and not _is_bulky(account):",
        "loading.is_good(*facts):",
        "tests/feed/test_much_and_odd.py::test_a_bulky_profile_is_read_and_not_remembered",
    ),
    "the end of a key": Control(
        "accounts/presence.py",
        "if until is not None and now >= until:",
        "if False:",
        f"{_FEED}::test_a_key_that_ends_by_the_clock_ends_what_is_remembered_of_its_tokens",
    ),
    "a connection without a pooler": Control(
        "sessions/feed.py",
        "                raise Pooled\n",
        "                pass\n",
        f"{_FEED}::test_a_feed_through_a_pooler_is_not_believed_and_the_log_says_why",
    ),
    "what was said while nobody listened": Control(
        "sessions/feed.py",
        "            self._memory.forget_everything()  # what was said before is not repeated\n",
        "",
        f"{_FEED}::test_what_was_not_heard_is_forgotten_when_the_feed_is_back",
    ),
    "what is read meanwhile": Control(
        "accounts/presence.py",
        "(Fact.ACCOUNT, account.id)\n"
        "    if not means.memory.is_trusted or not loading.is_good(*facts) or _is_bulky(account):\n"
        "        return False\n"
        "    means.memory.sessions",
        "(Fact.ACCOUNT, account.id)\n    means.memory.sessions",
        _READ,
    ),
    "the facts that are read meanwhile": Control(
        "kernel/memory.py", " and self._forgotten.isdisjoint(facts)", "", _MEANWHILE
    ),
    "everything that is read meanwhile": Control(
        "kernel/memory.py", "not self._everything and ", "", _MEANWHILE
    ),
    "a minute of memory": Control(
        "kernel/memory.py",
        "held is not None and time.monotonic() < held[1]",
        "held is not None",
        f"{_MEMORY}::test_nothing_is_remembered_for_ever",
    ),
    "the room in memory": Control(
        "kernel/memory.py",
        "if len(self._held) >= self._most:",
        "if False:",
        f"{_MEMORY}::test_there_is_room_for_so_many_and_the_oldest_goes",
    ),
    "the time of what is remembered": Control(
        "accounts/presence.py",
        " or not store.is_live(means, session, now=now)",
        "",
        _BY_THE_CLOCK,
    ),
    "the time of a token that is remembered": Control(
        "accounts/presence.py",
        "return claims if now < claims.expires_at + LEEWAY else None",
        "return claims",
        _BY_THE_CLOCK,
    ),
    "the use of what is remembered": Control(
        "accounts/presence.py",
        "    store.touch(means, session, now=now)\n",
        "",
        f"{_FEED}::test_use_is_still_noted_when_the_database_is_not_asked",
    ),
    "tokens of retired keys": Control(
        "kernel/memory.py",
        "            if fact is Fact.SIGNING_KEYS:\n                self.tokens.clear()\n",
        "            if fact is Fact.SIGNING_KEYS:\n                pass\n",
        _RETIRED,
    ),
    "the database's clock at connecting": Control(
        "kernel/postgresql.py",
        "            clock.follow(there, asked=asked, answered=clock.here())\n",
        "",
        _THIEF,
    ),
    "the secret that a session has now": Control(
        "accounts/presence.py",
        "    if digest is not None and session.secret_digest != digest:\n",
        "    if False:\n",
        f"{_FEED}::test_a_cookie_that_was_replaced_is_not_remembered",
    ),
    "the names that the gate answers": Control(
        "web/recognition.py",
        "if host not in self._hosts or not (",
        "if not (",
        _NAMES,
    ),
    "what came to the gate in clear": Control(
        "web/recognition.py",
        'if read.get(b"x-forwarded-proto", b"https") != b"https":',
        "if False:",
        _NAMES,
    ),
    "a key beside a cookie at the gate": Control(
        "web/recognition.py",
        "        if key is not None:\n",
        '        if key is not None and b"cookie" not in read:\n',
        _ALIKE,
    ),
    "a token beside a cookie at the gate": Control(
        "web/recognition.py",
        "        if authorization is not None:\n",
        '        if authorization is not None and b"cookie" not in read:\n',
        _ALIKE,
    ),
    "one token at the gate": Control(
        "web/recognition.py",
        "if name in read or name in self._unread:",
        "if name in self._unread:",
        _ALIKE,
    ),
    "the scheme of a token at the gate": Control(
        "web/recognition.py", 'if scheme.lower() != "bearer":', "if False:", _ALIKE
    ),
    "the role at the gate": Control(
        "web/gate.py", "(query and not _has_role(known.account, query))", "False", _CONDITION
    ),
    "plain words at the gate": Control(
        "web/gate.py",
        "plain = query.startswith(_ROLE) and _PLAIN.isdisjoint(role)",
        "plain, role = True, role.partition(b'&')[0].rpartition(b'=')[2]",
        _CONDITION,
    ),
    "the role on the long way": Control(
        "web/api/verification.py", "        ).check(known)\n", "        )\n", _CONDITION
    ),
    "a condition that nobody knows": Control(
        "web/api/verification.py", '    model_config = ConfigDict(extra="forbid")\n', "", _CONDITION
    ),
    "what browsers are told, at the gate": Control(
        "web/gate.py",
        "        headers = [*self._always, *told(known)]\n",
        "        headers = told(known)\n",
        f"{_GATE}::test_who_is_remembered_passes_without_the_database_and_before_quart",
    ),
    "the id of a request at the gate": Control(
        "web/gate.py",
        "[*headers, named]",
        "headers",
        f"{_GATE}::test_who_is_remembered_passes_without_the_database_and_before_quart",
    ),
    "what is answered of an account as it was": Control(
        "web/gate.py",
        "session() is known.session and account() is known.account",
        "True",
        f"{_GATE}::test_a_change_is_told_at_once_here",
    ),
    "what is told of an account as it was": Control(
        "web/myself.py",
        "made is not None and made[0]() is account",
        "made is not None",
        f"{_MYSELF}::test_a_change_is_told_at_once",
    ),
    "what browsers are told, before Quart": Control(
        "web/myself.py",
        "self._always = guard.raw_headers(vestibule.settings)",
        "self._always = []",
        f"{_MYSELF}::test_who_is_remembered_is_told_the_same_before_quart",
    ),
    "pages of listed origins": Control(
        "web/recognition.py",
        'frozenset([b"origin"] if vestibule.settings.allowed_origins else [])',
        "frozenset()",
        f"{_MYSELF}::test_pages_of_listed_origins_may_read_it_and_caches_know",
    ),
    "what caches are told of origins": Control(
        "web/guard.py",
        "    if settings.allowed_origins:\n",
        "    if False:\n",
        f"{_MYSELF}::test_pages_of_listed_origins_may_read_it_and_caches_know",
    ),
    "an address that is proved": Control(
        "web/gate.py",
        " if account.email_verified_at is not None else None",
        "",
        f"{_GATE}::test_an_address_that_is_not_proved_is_not_told",
    ),
    "the database's clock at each beat": Control(
        "sessions/feed.py",
        "        self._clock.follow(there, asked=asked, answered=self._clock.here())\n",
        "",
        f"{_FEED}::test_a_clock_that_jumps_is_put_right_by_the_next_beat",
    ),
    "hearing what is written": Control(
        "sessions/feed.py",
        "            await self._hear_what_is_written(connection)\n",
        "",
        f"{_FEED}::test_a_feed_of_another_database_is_not_believed",
    ),
    "the key of a verified token": Control(
        "accounts/queries.py",
        '        keyring.is_honoured(bindparam("kid"), now=bindparam("now", type_=UtcDateTime)),\n',
        "",
        f"{_FEED}::test_on_sqlite_a_retired_keys_tokens_are_refused_at_once",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
