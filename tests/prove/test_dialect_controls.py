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
_CLASSIC = f"{_DIALECTS}/test_classic.py"
_CLASSIC_WHY = f"{_CLASSIC}::test_whoever_brings_no_good_token_is_told_why"
_DELETES = f"{_CLASSIC}::test_administrators_delete_people_by_cookie_or_token_and_nobody_themself"
_SITE = f"{_CLASSIC}::test_settings_of_the_site_are_kept_by_administrators_alone"
_OUTLIVES = f"{_CLASSIC}::test_a_refresh_token_outlives_the_key_that_signed_it"
_SHARING = f"{_DIALECTS}/test_sharing.py"
_BODY = f"{_SHARING}::test_a_log_in_goes_to_whose_body_it_has"
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
    "what a token of classic is for": Control(
        "web/dialects/classic_tokens.py",
        "    if found.claims.use != use:\n        raise BadHeader(422, _ONLY[use])\n",
        "",
        _CLASSIC_WHY,
    ),
    "classic is behind the cross-site rule": Control(
        "web/dialects/classic.py", "    guard.protect(made)\n", "", _DELETES
    ),
    "a token is judged alone": Control(
        "web/dialects/classic.py",
        'if any(each.lower().startswith("bearer") for each in said):',
        "if False:",
        _DELETES,
    ),
    "classic's lists and deletions are for administrators": Control(
        "web/dialects/classic.py",
        "        if powers.ADMIN not in (await identity.signed_in()).account.roles:\n",
        "        if False:\n",
        f"{_CLASSIC}::test_administrators_list_people_newest_first",
    ),
    "classic's settings are for administrators": Control(
        "web/dialects/classic.py", "        asked.check(known)\n", "", _SITE
    ),
    "who sets the site's settings, as they are now": Control(
        "accounts/site_settings.py",
        "    await powers.administrator(unit, by, all_of_it=True)\n",
        "",
        _SITE,
    ),
    "how much the site's settings may be": Control(
        "accounts/site_settings.py", "if not profile.fits(document):", "if False:", _SITE
    ),
    "a log-out of classic ends the session": Control(
        "web/dialects/classic.py",
        "        lambda unit: store.log_out(unit, session), caller=identity.caller()\n",
        "        lambda unit: store.write_touches(unit), caller=identity.caller()\n",
        f"{_CLASSIC}::test_a_log_out_ends_the_session_and_its_refresh_token_and_no_other",
    ),
    "classic's limit on log-ins": Control(
        "web/dialects/classic.py",
        "hide(limiting.limited(enter, CLASSIC_LOG_IN))",
        "hide(enter)",
        f"{_CLASSIC}::test_a_limit_of_its_own_counts_log_ins_right_ones_too",
    ),
    "classic's limits on all requests": Control(
        "web/dialects/classic.py",
        "    limiting.limit(made, CLASSIC_HOUR, CLASSIC_DAY)\n",
        "",
        f"{_CLASSIC}::test_limits_of_its_own_count_every_request_by_the_hour_and_the_day",
    ),
    "a key is honoured as long as classic's refresh tokens": Control(
        "kernel/settings/dialects.py",
        '"classic": self.classic_refresh_lifetime,',
        '"classic": self.classic_lifetime,',
        _OUTLIVES,
    ),
    "a shared path is led to whom a request is for": Control(
        "web/dialects/claims.py",
        "        request_started.connect(_lead, app)",
        "        bool(_lead)",
        _BODY,
    ),
    "a shared path is shared by those alone who share it": Control(
        "web/dialects/dispatching.py",
        "return self.between.issuperset(claimants) and len(set(claimants)) == len(claimants)",
        "return True",
        f"{_SHARING}::test_a_third_beside_two_that_share_stops_the_start",
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
