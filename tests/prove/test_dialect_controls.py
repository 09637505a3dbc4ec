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
_RANK = f"{_DIALECTS}/test_openrank.py"
_GOOGLE = f"{_DIALECTS}/test_openrank_google.py"
_RANK_ROLE = f"{_RANK}::test_a_hosts_route_asks_for_a_role_or_a_proved_address"
_RANK_LETTERS = f"{_RANK}::test_letters_bear_what_the_settings_say"
_CROSS_SITE = f"{_JWT}::test_another_sites_page_logs_nobody_in"

_DIBZ = f"{_DIALECTS}/test_doubledibz.py"
_CSRF = f"{_DIBZ}::test_nothing_is_done_without_the_token_of_the_browsers_own_cookie"
_DIBZ_HOST = f"{_DIBZ}::test_a_hosts_route_asks_for_the_session_the_token_and_a_role"
_LOGGED_OUT = f"{_DIBZ}::test_a_log_out_ends_the_session_also_for_who_copied_its_cookie"
_RULE = f"{_DIBZ}::test_a_password_may_have_from_six_to_thirty_characters"
_PAGES = f"{_DIALECTS}/test_front_end.py"
_SHARED = f"{_PAGES}::test_a_path_that_a_page_and_the_api_share_is_the_pages_for_a_browser_alone"
_POLICY = f"{_PAGES}::test_an_old_build_may_run_what_its_page_names_and_no_more"
_ADDS = f"{_PAGES}::test_a_name_in_the_page_adds_nothing_else_to_its_policy"
_SANDBOX = f"{_PAGES}::test_a_template_that_reaches_further_stops_the_start"
_BELOW = f"{_PAGES}::test_what_is_missing_below_an_api_stays_missing"
_ROOT = f"{_PAGES}::test_the_page_is_at_the_root_and_wherever_a_browser_goes"
_OUTSIDE = "tests/attacks/test_files.py::test_nothing_outside_the_folder_or_hidden_in_it_comes_out"
_SPELLING = "tests/attacks/test_files.py::test_a_file_has_one_spelling"
_TOKEN = f"{_PAGES}::test_a_built_page_of_doubledibz_holds_its_browsers_token"

_DEVICES = f"{_DIALECTS}/test_devices.py"
_KNOWN = f"{_DEVICES}::test_strangers_lock_nobody_out_of_a_device_that_was_logged_in_on"

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
        "        if believed and not may_enter:\n            raise AddressNotProved\n",
        "        if account is not None and not may_enter:\n            raise AddressNotProved\n",
        _NOT_YET,
    ),
    "a link that activates is of that kind": Control(
        "accounts/verification.py",
        "challenges.by_token(unit, token, click_at=surface)",
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
    "a forged cookie is refused everywhere": Control(
        "web/dialects/openrank_cookie.py",
        "        if error.why not in _DEAD:\n            return turned_away(error)\n",
        "",
        f"{_RANK}::test_a_forged_cookie_is_refused_on_any_route_and_cleared",
    ),
    "a refused cookie is cleared": Control(
        "web/dialects/openrank_cookie.py",
        "return answer if error.why is Why.MISSING else _cleared(answer)",
        "return answer",
        f"{_RANK}::test_a_hosts_route_clears_a_forged_cookie",
    ),
    "a cookie that is over is cleared": Control(
        "web/dialects/openrank_cookie.py",
        "        after_this_request(_clear_unless_written)\n",
        "",
        f"{_RANK}::test_a_cookie_that_is_over_is_cleared_and_locks_nobody_out",
    ),
    "a new cookie is not cleared with the old one": Control(
        "web/dialects/openrank_cookie.py",
        '    if any(each.startswith(f"{_COOKIE}=") for each in written):\n        return answer\n',
        "",
        f"{_RANK}::test_a_cookie_that_is_over_is_cleared_and_locks_nobody_out",
    ),
    "in production the cookie is for https": Control(
        "web/dialects/openrank_cookie.py",
        "secure = not current_vestibule().settings.in_development",
        "secure = False",
        f"{_RANK}::test_production_keeps_the_cookie_to_https",
    ),
    "a cookie is written again on use": Control(
        "web/dialects/openrank.py",
        "return await cookie.renewed(held, await make_response(await call()))",
        "return await make_response(await call())",
        f"{_RANK}::test_the_cookie_is_written_again_on_use_until_its_session_ends",
    ),
    "a cookie that browsers keep": Control(
        "web/dialects/openrank_cookie.py",
        "        if len(json.dumps(claims)) > _MOST:\n            claims[each] = None\n",
        "        pass\n",
        f"{_RANK}::test_somebody_who_moved_in_keeps_their_number",
    ),
    "a key is kept as long as the cookies that it signed": Control(
        "kernel/settings/dialects.py",
        '"openrank": self.openrank_lifetime,',
        '"openrank": timedelta(),',
        f"{_RANK}::test_a_cookie_outlives_the_rotation_of_its_key",
    ),
    "a cookie from another site's page": Control(
        "web/dialects/openrank.py",
        "        await guard.refuse_cross_site()  # a browser sends the cookie by itself\n",
        "",
        f"{_RANK}::test_another_sites_page_cannot_use_the_cookie_at_a_hosts_route",
    ),
    "openrank's log-in is behind the cross-site rule": Control(
        "web/dialects/openrank.py",
        "    guard.protect(made)\n",
        "",
        f"{_RANK}::test_another_sites_page_logs_nobody_in",
    ),
    "a role that a route behind the cookie asks for": Control(
        "web/dialects/openrank.py", "        asked.check(held.known)\n", "", _RANK_ROLE
    ),
    "a proved address that a dialect's route asks for": Control(
        "web/dialects/guarding.py", "verified=verified", "verified=False", _RANK_ROLE
    ),
    "an activation works once": Control(
        "accounts/verification.py",
        "    if twice and challenge.used_at is not None:\n",
        "    if challenge.used_at is not None:\n",
        f"{_RANK}::test_the_letters_token_activates_once_and_logs_in",
    ),
    "an activation works once, also at once": Control(
        "accounts/verification.py",
        "        if not twice:\n            raise\n",
        "",
        f"{_RANK}::test_of_those_who_activate_at_once_one_does[postgresql]",
    ),
    "a taken address is told and not entered": Control(
        "accounts/entering.py",
        "    if opened.account is None:\n        return None\n",
        "",
        f"{_RANK}::test_a_taken_address_is_told_in_any_spelling",
    ),
    "a letter's sender is its surface's": Control(
        "courier/worker.py",
        'sender=words.get("sender") or self._sender,',
        "sender=self._sender,",
        _RANK_LETTERS,
    ),
    "a letter keeps its letterhead": Control(
        "courier/outbox.py",
        "said = draft.words | (asdict(head) if head else {})",
        "said = draft.words",
        _RANK_LETTERS,
    ),
    "who comes back from Google is let in on the dialect's terms": Control(
        "federation/admission.py",
        "kind=kind, amr=AMR, terms=terms",
        "kind=kind, amr=AMR",
        f"{_GOOGLE}::test_a_sign_up_opens_an_account_once_and_a_log_in_finds_it",
    ),
    "a way back from Google is its own": Control(
        "federation/signing_in.py",
        "            or pending.redirect_uri != redirect_uri\n",
        "",
        f"{_GOOGLE}::test_what_was_begun_for_one_intent_does_not_end_at_the_way_back_of_the_other",
    ),
    "the demo provider sends people to us alone": Control(
        "web/demo.py",
        "or not is_ours:",
        "or False:",
        "tests/federation/test_demo.py::test_nobody_else_is_sent_anywhere",
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
        "    if reading.brings_bearer():\n        return await _by_token(call, asked)\n",
        "",
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
    "the CSRF token of a form": Control(
        "web/dialects/doubledibz.py",
        "            await browser.check_csrf()\n            return await view()\n",
        "            return await view()\n",
        _CSRF,
    ),
    "the CSRF token is of this browser's cookie": Control(
        "web/dialects/doubledibz_browser.py",
        "if not current_vestibule().means.seals.verify(_PURPOSE, secret.encode(), mac):",
        "if len(mac) != 36:",
        _CSRF,
    ),
    "the CSRF token of a host's route": Control(
        "web/dialects/doubledibz.py",
        "        await browser.check_csrf()\n        known",
        "        known",
        _DIBZ_HOST,
    ),
    "the Origin at a host's route": Control(
        "web/dialects/doubledibz.py",
        "        await guard.refuse_foreign_origin()\n",
        "",
        _DIBZ_HOST,
    ),
    "the role at a host's route of doubledibz": Control(
        "web/dialects/doubledibz.py", "        asked.check(known)\n", "", _DIBZ_HOST
    ),
    "another site's page with doubledibz' token": Control(
        "web/guard.py",
        "    if request.method not in _SAFE:\n        _says_its_origin()\n",
        "",
        f"{_DIBZ}::test_another_sites_page_does_nothing_even_with_the_token",
    ),
    "a log-out ends doubledibz' session": Control(
        "web/dialects/doubledibz.py",
        "        lambda unit: store.log_out(unit, known.session), caller=identity.caller()\n",
        "        lambda unit: store.write_touches(unit), caller=identity.caller()\n",
        _LOGGED_OUT,
    ),
    "doubledibz' session is its own": Control(
        "web/dialects/doubledibz_browser.py",
        "secret, audience=NAME)",
        "secret)",
        f"{_DIBZ}::test_whoever_is_signed_in_is_told_who_they_are",
    ),
    "a rule for passwords is one surface's": Control(
        "web/dialects/doubledibz.py", ", rule=words.RULE)", ", rule=words.policy.OURS)", _RULE
    ),
    "short passwords that are common": Control(
        "accounts/policy.py",
        "    if folded in _common() or len(set(folded)) == 1:\n",
        "    if len(folded) > 7 and folded in _common():\n",
        f"{_DIBZ}::test_what_is_wrong_with_a_sign_up_is_told_field_by_field",
    ),
    "a file lies in its folder": Control(
        "web/front_end.py",
        "name = found.relative_to(self._root).as_posix()",
        "name = path.removeprefix(self._under)",
        _OUTSIDE,
    ),
    "a hidden file": Control(
        "web/front_end.py", 'not part or part.startswith(".")', "not part", _OUTSIDE
    ),
    "a hidden file behind a link": Control(
        "web/front_end.py",
        'return name if _is_plain(f"/{name}") else None',
        "return name",
        _OUTSIDE,
    ),
    "an encoded slash": Control("web/front_end.py", "or _ODD.search(raw)", "", _SPELLING),
    "what a browser goes to by itself": Control(
        "web/front_end.py", 'return mode == "navigate"', "return True", _ROOT
    ),
    "what is below an API": Control("web/front_end.py", "first not in _NOT_PAGES and ", "", _BELOW),
    "who brings a token to a shared path": Control(
        "web/front_end.py",
        "for_page = request.path in _SHARED and not reading.brings_bearer()",
        "for_page = request.path in _SHARED",
        _SHARED,
    ),
    "what a page may run": Control(
        "web/front_end_page.py",
        "script-src {scripts}",
        "script-src 'self' 'unsafe-inline'",
        _POLICY,
    ),
    "what a page's tag adds to its policy": Control(
        "web/front_end_page.py",
        '_SOURCE.fullmatch((url or "").strip())',
        '_SOURCE.match((url or "").strip())',
        _ADDS,
    ),
    "the sandbox of a template": Control(
        "web/front_end_page.py",
        "self._templates = SandboxedEnvironment(",
        "self._templates = __import__('jinja2').Environment(",
        _SANDBOX,
    ),
    "a page with a token is no shared cache's": Control(
        "web/front_end.py", "_ASK_FIRST if token is None else _PRIVATE", "_ASK_FIRST", _TOKEN
    ),
    "a device that is known to jwt_extended": Control(
        "web/dialects/jwt_extended.py",
        "            device=device.left(),\n",
        "",
        f"{_KNOWN}[sqlite-jwt_extended]",
    ),
    "a device that is known to classic": Control(
        "web/dialects/classic.py",
        "            device=device.left(),\n",
        "",
        f"{_KNOWN}[sqlite-classic]",
    ),
    "a device that is known to openrank": Control(
        "web/dialects/openrank.py",
        "            device=device.left(),\n",
        "",
        f"{_KNOWN}[sqlite-openrank]",
    ),
    "a device that is known to praetorian": Control(
        "web/dialects/praetorian.py",
        "            device=device.left(),\n            terms=terms,\n",
        "            terms=terms,\n",
        f"{_KNOWN}[sqlite-praetorian]",
    ),
    "a device is known to jwt_extended from a log-in on": Control(
        "web/dialects/jwt_extended.py",
        "    device.leave(proof)\n",
        "",
        f"{_KNOWN}[sqlite-jwt_extended]",
    ),
    "a device is known to classic from a log-in on": Control(
        "web/dialects/classic.py", "    device.leave(proof)\n", "", f"{_KNOWN}[sqlite-classic]"
    ),
    "a device is known to openrank from a log-in on": Control(
        "web/dialects/openrank_cookie.py",
        "    device.leave(written.device)\n",
        "",
        f"{_DEVICES}::test_a_sign_up_and_an_activation_make_a_device_known_to_openrank",
    ),
    "a device is known to praetorian from a log-in on": Control(
        "web/dialects/praetorian_tokens.py",
        "    device.leave(entered.device)\n",
        "",
        f"{_DEVICES}::test_a_letters_links_make_a_device_known_to_praetorian",
    ),
    "a link that activates is its own dialect's": Control(
        "accounts/entering.py",
        "surface=terms.audience",
        'surface="openrank" if token else terms.audience',
        f"{_SHARING}::test_a_letters_link_activates_by_its_own_dialect_alone",
    ),
    "an id that is no exact number": Control(
        "web/dialects/words.py",
        "exact = _NUMBER.fullmatch(former) is not None and int(former) <= _LARGEST",
        "exact = former.isdecimal()",
        f"{_CLASSIC}::test_an_id_that_is_no_exact_number_is_a_text_and_deletes_nobody_else",
    ),
    "a session of openrank whose cookie is replaced": Control(
        "web/dialects/openrank.py",
        "            instead_of=former,\n",
        "",
        f"{_RANK}::test_who_enters_anew_leaves_no_session_behind[sqlite-login]",
    ),
    "a session that is replaced by a sign-up or an activation": Control(
        "accounts/entering.py",
        ", terms=terms, instead_of=instead_of",
        ", terms=terms",
        f"{_RANK}::test_who_enters_anew_leaves_no_session_behind",
    ),
    "a device that is known to a simple registration": Control(
        "web/dialects/praetorian.py",
        "                device=device.left(),\n",
        "",
        f"{_DEVICES}::test_the_simple_registration_makes_a_device_known",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
