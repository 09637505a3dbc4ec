"""What keeps dialects to themselves, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_DIALECTS = "tests/web/dialects"
_JWT = f"{_DIALECTS}/test_jwt_extended.py"
_NATIVE = f"{_JWT}::test_its_token_is_nothing_to_the_api"
_WHY = f"{_JWT}::test_whoever_brings_no_good_token_is_told_why"
_HOST = f"{_JWT}::test_a_dialect_on_a_host_of_its_own_is_there_and_nowhere_else"
_CLASH = f"{_JWT}::test_a_path_that_somebody_else_claims_stops_the_start"
_RENEWED = f"{_JWT}::test_a_token_that_is_nearly_over_is_renewed_in_the_answer"
_PRAETORIAN = f"{_DIALECTS}/test_praetorian.py"
_TWICE = f"{_PRAETORIAN}::test_a_letters_token_activates_and_may_come_twice"
_NOT_YET = f"{_PRAETORIAN}::test_who_is_not_activated_is_told_so_with_the_right_password_alone"
_WINDOW = f"{_PRAETORIAN}::test_a_token_is_renewed_within_its_window_and_not_after"
_ROLE = f"{_JWT}::test_a_hosts_route_asks_for_a_role"
_CROSS_SITE = f"{_JWT}::test_another_sites_page_logs_nobody_in"

CONTROLS = {
    "the audience of a surface's token": Control(
        "tokens/access.py",
        'return settings.base_url if surface is None else f"{settings.base_url}#{surface}"',
        "return settings.base_url",
        _WHY,
    ),
    "a remembered token is its surface's": Control(
        "accounts/presence.py",
        "if claims is None or claims.surface != surface:",
        "if claims is None:",
        f"{_NATIVE}[postgresql]",
    ),
    "a session is prolonged with its token": Control(
        "accounts/credentials.py",
        "    if not await rotation.prolong(unit, known.session, until=until):\n"
        "        raise NotSignedIn(Why.ENDED)\n",
        "",
        _RENEWED,
    ),
    "a role that a dialect's route asks for": Control(
        "web/dialects/jwt_extended.py", "        asked.check(held.known)\n", "", _ROLE
    ),
    "a dialect's log-in is behind the cross-site rule": Control(
        "web/dialects/jwt_extended.py", "    guard.protect(made)\n", "", _CROSS_SITE
    ),
    "a path that two claim": Control(
        "web/mistakes.py", "    problems += claims.clashes(app)\n", "", _CLASH
    ),
    "a host of its own has its own origin": Control(
        "app.py", "    place.give(app, vestibule.settings, host)\n", "", _HOST
    ),
    "who is not activated has no session": Control(
        "accounts/login.py",
        "    if believed and may_enter and account is not None:\n",
        "    if believed and account is not None:\n",
        _NOT_YET,
    ),
    "the password of who is not activated": Control(
        "accounts/login.py",
        "raise AddressNotProved if believed and not may_enter else BadCredentials",
        "raise BadCredentials if may_enter or account is None else AddressNotProved",
        _NOT_YET,
    ),
    "a link that activates is of that kind": Control(
        "accounts/verification.py",
        "challenges.by_token(unit, token, link=Purpose.CLICK)",
        "challenges.by_token(unit, token)",
        _TWICE,
    ),
    "twice is within a minute": Control(
        "accounts/verification.py",
        "        or challenge.used_at <= unit.now - _TWICE\n",
        "",
        _TWICE,
    ),
    "the window in which a token is renewed": Control(
        "web/dialects/praetorian_tokens.py",
        "kind=Kind.TOKENS, idle=window, lifetime=window)",
        "kind=Kind.TOKENS, idle=window * 2, lifetime=window * 2)",
        _WINDOW,
    ),
    "an old token renews, and does nothing else": Control(
        "tokens/checks.py",
        'if moment(said["exp"]) + LEEWAY <= now and not however_old:',
        "if False:",
        f"{_PRAETORIAN}::test_whoever_brings_no_good_token_is_told_why",
    ),
    "a log-out ends the session of the token": Control(
        "web/dialects/jwt_extended.py",
        "            lambda unit: store.log_out(unit, session), caller=identity.caller()\n",
        "            lambda unit: store.write_touches(unit), caller=identity.caller()\n",
        f"{_JWT}::test_a_log_out_with_the_token_ends_its_session_and_no_other",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
