"""Taking out what holds signing in with a provider together; the named test has to fail."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_TESTS = "tests/federation/test_attacks.py"
_WRONG = f"{_TESTS}::test_an_id_token_that_is_not_for_this_signs_nobody_in"
_ODD = "tests/federation/test_odd_answers.py"
_HANGS = "tests/federation/test_hanging.py"
_KEYS = "tests/federation/test_keys_and_times.py"
_HANDED = "tests/federation/test_handing_in.py"
_REFUSALS = "tests/federation/test_refusals.py"

CONTROLS = {
    "no cookie of a provider's": Control(
        "kernel/client.py",
        "                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),\n",
        "",
        "tests/kernel/test_client.py::test_a_cookie_does_not_come_along_with_the_next_request",
    ),
    "an account that somebody else of the provider enters": Control(
        "federation/admission.py",
        "if owner is not None and await _is_anothers(unit, owner, person):",
        "if False:",
        f"{_TESTS}::test_an_address_that_a_provider_gives_to_another_opens_no_account_of_theirs",
    ),
    "the same, while two come at once": Control(
        "federation/admission.py",
        "    if await _is_anothers(unit, account, person):  # since we looked\n"
        "        raise Raced\n",
        "",
        f"{_TESTS}::test_of_two_that_come_with_one_address_at_once_one_enters_its_account",
    ),
    "a state that works once": Control(
        "federation/signing_in.py",
        "    if not fresh:\n        raise StateRefused\n",
        "",
        f"{_TESTS}::test_of_many_that_come_back_at_once_one_is_signed_in",
    ),
    "the time of a state": Control(
        "federation/pending.py",
        "return pending if pending.ends_at > now else None",
        "return pending",
        f"{_TESTS}::test_a_state_works_once_and_for_ten_minutes",
    ),
    "the provider of a state": Control(
        "federation/signing_in.py",
        "            or pending.issuer != provider.issuer\n"
        "            or pending.redirect_uri != redirect_uri\n",
        "",
        f"{_TESTS}::test_a_sign_in_is_finished_at_the_provider_that_it_began_at",
    ),
    "the session that links": Control(
        "federation/signing_in.py",
        "(str(known.session.id) if known and pending.session else None)",
        "pending.session",
        f"{_TESTS}::test_a_link_that_was_begun_is_nothing_after_another_log_in",
    ),
    "a recent log-in for linking": Control(
        "web/api/identities.py",
        "@requires(recent=True)\n@validate_request(LinkBody)",
        "@requires\n@validate_request(LinkBody)",
        "tests/federation/test_signing_in.py::"
        "test_linking_wants_a_recent_log_in_and_an_identity_that_is_free",
    ),
    "the issuer of an answer": Control(
        "federation/openid.py",
        "        if told != self.issuer:\n",
        "        if False:\n",
        f"{_TESTS}::test_an_answer_that_names_another_issuer_goes_nowhere",
    ),
    "an issuer that has to be told": Control(
        "federation/openid.py",
        "if told is None and not await self.tells_issuer(means):",
        "if told is None:",
        f"{_TESTS}::test_an_answer_that_names_another_issuer_goes_nowhere",
    ),
    "a parameter once": Control(
        "web/returning.py",
        "return found[0] if len(found) == 1 else",
        "return found[0] if found else",
        f"{_TESTS}::test_a_state_that_is_missing_or_doubled_is_none",
    ),
    "the issuer of an ID token": Control(
        "federation/id_tokens.py", 'if said.get("iss") != issuer:', "if False:", _WRONG
    ),
    "its audience": Control(
        "federation/id_tokens.py",
        "if len(listed) != 1 or listed[0] not in audiences:",
        "if not set(listed) & set(audiences):",
        _WRONG,
    ),
    "whom it was given to": Control(
        "federation/id_tokens.py",
        'if said.get("azp", listed[0]) not in audiences:',
        "if False:",
        _WRONG,
    ),
    "its end": Control("federation/id_tokens.py", "expires + leeway <= moment or ", "", _WRONG),
    "its age": Control(
        "federation/id_tokens.py",
        "if issued + leeway + OLDEST.total_seconds() <= moment:",
        "if False:",
        _WRONG,
    ),
    "when it begins": Control(
        "federation/id_tokens.py",
        'if "nbf" in said and _seconds(said, "nbf") - leeway > moment:',
        "if False:",
        _WRONG,
    ),
    "times that are numbers": Control(
        "federation/id_tokens.py", " and not isinstance(value, bool)", "", _WRONG
    ),
    "its nonce": Control(
        "federation/id_tokens.py",
        "if not isinstance(told, str) or not compare_digest(_bytes(told), _bytes(nonce)):",
        "if False:",
        f"{_TESTS}::test_an_id_token_of_another_sign_in_is_refused",
    ),
    "the access token beside it": Control(
        "federation/id_tokens.py",
        'said["at_hash"] != _half(access_token)',
        "False",
        _WRONG,
    ),
    "what its header asks for": Control(
        "federation/id_tokens.py",
        "if _REFUSED & header.keys() or not isinstance(kid, str | None):",
        "if False:",
        _WRONG,
    ),
    "its subject": Control(
        "federation/id_tokens.py",
        "not 0 < len(found) <= _SUBJECT",
        "False",
        _WRONG,
    ),
    "a subject that every database takes": Control(
        "federation/id_tokens.py",
        "if not found.isascii() or not found.isprintable():",
        "if False:",
        f"{_ODD}::test_a_subject_is_printable_ascii_of_at_most_255",
    ),
    "a nonce of any signs": Control(
        "federation/id_tokens.py",
        'errors="surrogatepass"',
        'errors="strict"',
        f"{_ODD}::test_a_claim_of_any_shape_is_a_failure_of_the_provider",
    ),
    "a number that every database takes": Control(
        "federation/github.py",
        "not 0 < number <= _HIGHEST",
        "number <= 0",
        f"{_ODD}::test_somebody_of_github_is_a_number_that_can_be",
    ),
    "an endpoint that is a URL": Control(
        "federation/discovery.py",
        "if not isinstance(value, str) or not _PLAIN.fullmatch(value):",
        "if not isinstance(value, str):",
        f"{_ODD}::test_an_endpoint_that_is_no_url_is_never_asked",
    ),
    "a port that there is": Control(
        "kernel/client.py",
        "if not 0 < port <= _LAST_PORT:",
        "if False:",
        "tests/kernel/test_client.py::test_a_port_that_there_is_not_is_unreachable",
    ),
    "a picture that one could choose": Control(
        "federation/openid.py",
        "found and profile.is_picture(found)",
        "found",
        f"{_ODD}::test_a_picture_is_one_that_somebody_could_choose_here",
    ),
    "whom more is told of": Control(
        "federation/openid.py",
        'if found.get("sub") != said["sub"]:',
        "if False:",
        f"{_TESTS}::test_what_is_told_of_somebody_else_is_not_believed",
    ),
    "true and nothing like it": Control(
        "federation/openid.py",
        'more.get("email_verified") is True',
        'bool(more.get("email_verified"))',
        f"{_TESTS}::test_an_address_is_verified_by_true_alone",
    ),
    "who may speak for an address": Control(
        "federation/openid.py",
        "verified and (self.trusted or self._is_googles(email, said))",
        "verified",
        f"{_TESTS}::test_whoever_may_not_speak_for_an_address_opens_nobodys_account",
    ),
    "the primary address": Control(
        "federation/github.py",
        'each.get("primary") is True and each.get("verified") is True',
        'each.get("primary") is True',
        f"{_TESTS}::test_github_speaks_for_the_verified_primary_address_alone",
    ),
    "what was planted": Control(
        "federation/admission.py",
        '    await ending.end_everything(unit, account.id, reason="merged")\n',
        "",
        f"{_TESTS}::test_what_somebody_planted_is_gone_when_the_owner_comes",
    ),
    "a password that was planted": Control(
        "federation/admission.py",
        "        password_hash=None,\n        password_changed_at=unit.now,\n        email",
        "        email",
        f"{_TESTS}::test_what_somebody_planted_is_gone_when_the_owner_comes",
    ),
    "an identity that was planted": Control(
        "federation/admission.py",
        "    await ending.remove_identities(unit, account.id)\n",
        "",
        f"{_TESTS}::test_what_somebody_planted_is_gone_when_the_owner_comes",
    ),
    "identities at a reset that proves first": Control(
        "accounts/resetting.py",
        "        await ending.remove_identities(unit, account.id)\n",
        "",
        f"{_TESTS}::test_a_reset_that_proves_an_address_first_drops_identities",
    ),
    "identities when an address is taken back": Control(
        "accounts/undoing.py",
        "    await ending.remove_identities(unit, account.id)\n",
        "",
        f"{_TESTS}::test_whoever_takes_an_address_back_drops_the_thiefs_way_in",
    ),
    "accounts that are open": Control(
        "federation/admission.py",
        'Account.state == "active", *conditions',
        "*conditions",
        f"{_TESTS}::test_a_disabled_account_is_not_entered_by_an_identity",
    ),
    "an ID token that works once": Control(
        "federation/handing_in.py",
        "        raise StateRefused\n    return person\n",
        "        pass\n    return person\n",
        "tests/federation/test_signing_in.py::test_a_native_app_sends_an_id_token_once",
    ),
    "one proof at a time": Control(
        "federation/entering.py",
        "if asked is None or not challenges.is_open(unit, asked):",
        "if True:",
        "tests/federation/test_signing_in.py::"
        "test_a_proof_that_was_cut_off_is_posted_at_the_next_sign_in_and_once",
    ),
    "the session that a browser had before": Control(
        "federation/admission.py",
        "        await login.replace(unit, instead_of)\n",
        "        pass\n",
        "tests/federation/test_signing_in.py::"
        "test_a_sign_in_takes_the_place_of_the_session_that_the_browser_had",
    ),
    "the last way in": Control(
        "federation/identities.py",
        "        raise LastWayIn\n",
        "        pass\n",
        "tests/federation/test_signing_in.py::test_the_last_way_in_stays",
    ),
    "redirect URIs that are listed": Control(
        "web/api/oauth.py",
        "if body.redirect_uri not in current_vestibule().settings.oauth_redirect_uris:",
        "if False:",
        "tests/federation/test_signing_in.py::test_a_client_with_a_code_of_its_own_gets_tokens",
    ),
    "where browsers may be sent": Control(
        "web/destinations.py",
        "origin_of(url) in settings.origins",
        "origin_of(url)",
        "tests/federation/test_signing_in.py::test_nobody_is_sent_elsewhere",
    ),
    "the issuer that is configured": Control(
        "federation/discovery.py",
        'if found.get("issuer") != issuer:',
        "if False:",
        "tests/federation/test_conformance.py::test_discovery_that_names_another_issuer",
    ),
    "keys that are looked for seldom": Control(
        "federation/discovery.py",
        "if missed is None or missed >= _REST:",
        "if True:",
        f"{_KEYS}::test_a_key_may_take_anothers_place",
    ),
    "a limit of what is published": Control(
        "federation/discovery.py",
        "within=WITHIN if kept else AT_FIRST)",
        "within=AT_FIRST)",
        f"{_HANGS}::test_what_was_published_serves_while_the_issuer_hangs",
    ),
    "what is fresh, at once": Control(
        "federation/discovery.py",
        "    if not _is_fresh(means, published.keys_at):\n",
        "    if _keys in published.reading or not _is_fresh(means, published.keys_at):\n",
        f"{_HANGS}::test_a_key_that_is_looked_for_keeps_nobody_waiting_whose_key_is_known",
    ),
    "an answer for those who stay": Control(
        "federation/discovery.py",
        "await asyncio.shield(task)",
        "await task",
        f"{_HANGS}::test_who_asked_first_may_leave_and_the_others_have_the_answer",
    ),
    "places of each host's own": Control(
        "kernel/client.py",
        "httpx.URL(url).netloc",
        'b""',
        "tests/federation/test_faults.py::test_a_provider_that_hangs_takes_no_place_from_others",
    ),
    "an answer that says all once": Control(
        "web/returning.py",
        "if any(len(request.args.getlist(name)) > 1",
        "if any(len(request.args.getlist(name)) > 9",
        f"{_TESTS}::test_a_state_that_is_missing_or_doubled_is_none",
    ),
    "the issuer of a code that is handed in": Control(
        "federation/handing_in.py",
        "    if issuer is not None:\n",
        "    if False:\n",
        f"{_HANDED}::test_a_code_that_another_issuer_sent_goes_nowhere",
    ),
    "an issuer that has to be handed in": Control(
        "federation/handing_in.py",
        "        raise InvalidFields([_NO_ISSUER])\n",
        "        pass\n",
        f"{_HANDED}::test_among_several_a_provider_that_names_itself_has_to_be_named",
    ),
    "a recent log-in for linking by a code": Control(
        "web/api/identities.py",
        "@requires(recent=True)\n@validate_request(CodeBody)",
        "@requires\n@validate_request(CodeBody)",
        f"{_HANDED}::test_who_did_not_log_in_lately_says_who_they_are_before_they_link",
    ),
    "a recent log-in for linking by an ID token": Control(
        "web/api/identities.py",
        "@requires(recent=True)\n@validate_request(SignedBody)",
        "@requires\n@validate_request(SignedBody)",
        f"{_HANDED}::test_who_did_not_log_in_lately_says_who_they_are_before_they_link",
    ),
    "whose an identity is": Control(
        "federation/identities.py",
        "        raise IdentityTaken\n",
        "        pass\n",
        f"{_HANDED}::test_an_identity_that_opens_another_account_stays_there",
    ),
    "refusals of a provider in the log": Control(
        "federation/refusals.py",
        "        await running(means, tell, caller=caller)\n",
        "",
        f"{_REFUSALS}::test_each_refusal_is_told_once_and_names_the_provider",
    ),
    "refusals of the rules of merging in the log": Control(
        "federation/admission.py",
        "        Event.LOGIN_REFUSED,\n",
        "        Event.LOGIN_SUCCEEDED,\n",
        f"{_REFUSALS}::test_each_refusal_is_told_once_and_names_the_provider",
    ),
    "a limit of what is told of refusals": Control(
        "federation/refusals.py",
        "network is None or await counters.admits(unit, PROVIDER_REFUSALS, network)",
        "True",
        f"{_REFUSALS}::"
        "test_a_flood_of_browsers_with_nothing_does_not_grow_the_log_and_shuts_nobody_out",
    ),
    "a name that the audit log takes": Control(
        "kernel/settings/federation.py",
        " or len(name) > _LONGEST_NAME",
        "",
        "tests/kernel/test_settings.py::"
        "test_a_provider_has_a_name_that_paths_and_the_audit_log_take",
    ),
    "a secret where the provider takes it": Control(
        "federation/openid.py",
        "if isinstance(methods, list) and _BASIC not in methods and _POST in methods:",
        "if False:",
        "tests/federation/test_certified.py::test_people_sign_in_and_come_back",
    ),
    "an end to all that a sign-in asks": Control(
        "federation/asking.py",
        "        async with asyncio.timeout(fetching.WITHIN):\n            return await asking\n",
        "        return await asking\n",
        f"{_KEYS}::test_a_sign_in_is_given_up_in_time_however_many_answers_it_takes",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
