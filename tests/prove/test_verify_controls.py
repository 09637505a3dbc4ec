"""What a service that verifies by itself checks, each taken out once: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_KEYS = "tests/verify/test_keys.py"
_AWAY = f"{_KEYS}::test_with_the_issuer_away_the_keys_at_hand_serve_for_a_day"
_USE = f"{_KEYS}::test_a_published_key_has_one_use_and_one_algorithm"
_TOKENS = "tests/verify/test_tokens.py"
_CLAIMS = f"{_TOKENS}::test_every_claim_must_be_as_the_service_writes_it"
_HEADER = f"{_TOKENS}::test_there_is_one_authorization_and_it_is_a_bearers"
_EXAMPLES = "tests/verify/test_examples.py"
_ROLES = f"{_EXAMPLES}::test_an_example_asks_for_roles_and_a_proved_address"
_LOGGED_IN = f"{_EXAMPLES}::test_an_example_lets_in_who_logged_in_at_the_service"


CONTROLS = {
    "once a minute": Control(
        "verify/keys.py",
        "if now - self._asked_at >= (REST if self._held else EAGER):",
        "if self._flight.done() or self._asked_at < 0:",
        f"{_KEYS}::test_an_unknown_key_is_asked_for_once_a_minute",
    ),
    "one fetch for all": Control(
        "verify/keys.py",
        "self._asked_at = now\n",
        "self._asked_at = float('-inf')\n",
        f"{_KEYS}::test_keys_are_fetched_once_for_all_who_ask_at_the_same_moment",
    ),
    "the haste while there are no keys": Control(
        "verify/keys.py",
        "(REST if self._held else EAGER)",
        "REST",
        f"{_KEYS}::test_without_any_keys_nobody_can_know_and_it_asks_again_in_seconds",
    ),
    "the age of keys": Control(
        "verify/keys.py",
        "if known and now - self._fetched_at < FRESH:",
        "if known:",
        f"{_KEYS}::test_a_retired_key_is_gone_within_five_minutes",
    ),
    "the end of keys that cannot be fetched": Control(
        "verify/keys.py", "if now - self._fetched_at >= KEPT:", "if False:", _AWAY
    ),
    "the keys at hand": Control("verify/keys.py", "self._failed = True", "self._held = {}", _AWAY),
    "waiting once for an issuer that is away": Control(
        "verify/keys.py",
        "return None if known and self._failed else self._flight",
        "return self._flight",
        _AWAY,
    ),
    "a fetch that outlives who gives up": Control(
        "verify/keys.py",
        "asyncio.wait([asyncio.wrap_future(flight)], timeout=_PATIENCE)",
        "asyncio.wait_for(asyncio.wrap_future(flight), timeout=_PATIENCE)",
        f"{_KEYS}::test_who_gives_up_takes_nobody_elses_fetch_along",
    ),
    "the time of a fetch": Control(
        "verify/keys.py",
        "within=_WITHIN",
        "within=60",
        f"{_KEYS}::test_an_issuer_that_answers_nothing_is_given_up",
    ),
    "the size of an answer": Control(
        "verify/keys.py",
        "most=_MOST",
        "most=10**9",
        f"{_KEYS}::test_an_answer_has_a_size",
    ),
    "the status of an answer": Control(
        "verify/keys.py", "if answer.status != HTTPStatus.OK:", "if False:", _AWAY
    ),
    "an answer without keys": Control(
        "verify/keys.py",
        "    if not held:\n",
        "    if False:\n",
        f"{_KEYS}::test_what_is_no_set_of_keys_replaces_none",
    ),
    "the kind of a key": Control(
        "verify/keys.py", ' or kind != (jwk.get("kty"), jwk.get("crv")):', ":", _USE
    ),
    "the issuer by https": Control(
        "verify/verifier.py",
        'if not ((parts.scheme == "https" and parts.hostname) or near):',
        "if False:",
        f"{_TOKENS}::test_an_issuer_is_reached_by_https_or_on_this_machine",
    ),
    "one authorization": Control("verify/verifier.py", "len(authorization) > 1 or ", "", _HEADER),
    "the scheme": Control(
        "verify/verifier.py", 'if scheme.lower() != "bearer":', "if False:", _HEADER
    ),
    "the roles that a token must tell": Control(
        "verify/verifier.py", "if not isinstance(value, list) or", "if False and", _CLAIMS
    ),
    "the proof that a token must tell": Control(
        "verify/verifier.py", "if not isinstance(value, bool):", "if False:", _CLAIMS
    ),
    "a proved address": Control(
        "verify/verifier.py", "if self.verified and not caller.email_verified:", "if False:", _ROLES
    ),
    "every role": Control(
        "verify/verifier.py", "if not caller.roles.issuperset(self.every):", "if False:", _ROLES
    ),
    "any of the roles": Control(
        "verify/verifier.py",
        "if self.any_of and caller.roles.isdisjoint(self.any_of):",
        "if False:",
        _ROLES,
    ),
    "the WebSockets behind a guard": Control(
        "verify/starlette.py",
        'if scope["type"] == "lifespan":',
        'if scope["type"] != "http":',
        f"{_EXAMPLES}::test_no_stranger_opens_a_websocket_behind_starlettes_guard",
    ),
    "the challenge": Control(
        "verify/refusals.py", '"WWW-Authenticate": f', '"X-Authenticate": f', _LOGGED_IN
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
