"""What stands between a request and its route, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_COOKIES = "tests/attacks/test_cookies.py"
_CAREFUL = f"{_COOKIES}::test_every_answer_tells_browsers_to_be_careful"
_ATTRIBUTES = f"{_COOKIES}::test_the_cookie_is_ours_alone_and_dies_with_its_session"
_FOREIGN = f"{_COOKIES}::test_another_sites_page_changes_nothing_with_our_cookie"
_ARRIVAL = "tests/attacks/test_arrival.py"
_MAILBOX = f"{_ARRIVAL}::test_letters_of_development_are_shown_to_this_machine_alone"
_INPUT = "tests/attacks/test_input.py"
_WIRE = "tests/attacks/test_over_the_wire.py"
_ODD_NAMES = f"{_WIRE}::test_a_host_or_a_target_that_is_none_is_refused_and_breaks_nothing"
_PLAIN = f"{_INPUT}::test_only_one_plain_json_object_in_utf8_is_a_body"
_HALVES = f"{_INPUT}::test_nul_and_half_characters_are_refused_in_every_field"
_ACCESS = "tests/embedding/test_access.py"
_MISTAKES = f"{_ACCESS}::test_a_guard_that_guards_nothing_stops_the_start"
_SIGNALS = "tests/embedding/test_signals.py"
_DEVICE = "tests/attacks/test_limits.py::test_strangers_slow_guessing_down_and_lock_nobody_out"


def _header(line: str, test: str = _CAREFUL) -> Control:
    return Control("web/guard.py", f"    {line},\n", "", test)


CONTROLS = {
    "Cache-Control": _header(
        '"Cache-Control": "no-store"', f"{_COOKIES}::test_no_answer_may_be_kept_by_a_cache"
    ),
    "Content-Security-Policy": _header(
        '"Content-Security-Policy": '
        "\"default-src 'none'; frame-ancestors 'none'; base-uri 'none'\""
    ),
    "Cross-Origin-Opener-Policy": _header('"Cross-Origin-Opener-Policy": "same-origin"'),
    "Cross-Origin-Resource-Policy": _header('"Cross-Origin-Resource-Policy": "same-origin"'),
    "Referrer-Policy": _header('"Referrer-Policy": "no-referrer"'),
    "X-Content-Type-Options": _header('"X-Content-Type-Options": "nosniff"'),
    "who may frame a page": Control("web/guard.py", " frame-ancestors 'none';", "", _CAREFUL),
    "the base of a page's links": Control("web/guard.py", "; base-uri 'none'", "", _CAREFUL),
    "Strict-Transport-Security": Control(
        "web/guard.py",
        ', "Strict-Transport-Security": "max-age=31536000"}',
        "}",
        _CAREFUL,
    ),
    "X-Request-Id": Control(
        "web/guard.py",
        '    response.headers["X-Request-Id"] = request_id()\n',
        "",
        "tests/architecture/test_routes.py::test_every_answer_has_our_headers",
    ),
    "headers where no route is": Control(
        "app.py", "    app.after_request(add_headers)\n", "", _CAREFUL
    ),
    "Sec-Fetch-Site": Control(
        "web/guard.py",
        'if site is not None and site not in ("same-origin", "none"):',
        "if False:",
        _FOREIGN,
    ),
    "an Origin that is not ours": Control(
        "web/guard.py", 'raise CrossSite(_not_ours("The Origin"))', "pass", _FOREIGN
    ),
    "an Origin that hides": Control(
        "web/guard.py", ' == ["null"] and site == "same-origin"', ' == ["null"]', _FOREIGN
    ),
    "one Origin at most": Control(
        "web/guard.py",
        "not own_page and (len(origins) != 1 or origins[0] not in allowed):",
        "not own_page and not any(part.strip(',') in allowed for part in origins[0].split()):",
        _FOREIGN,
    ),
    "a Referer that is not ours": Control(
        "web/guard.py", 'raise CrossSite(_not_ours("The origin of the Referer"))', "pass", _FOREIGN
    ),
    "a cookie from nowhere": Control(
        "web/guard.py",
        'if "Sec-Fetch-Site" not in request.headers and identity.has_cookie():',
        "if False:",
        _FOREIGN,
    ),
    "the page that our forms come from": Control(
        "web/pages/landing.py",
        "    guard.protect(landing)\n",
        "    landing.after_request(guard.add_headers)\n",
        f"{_COOKIES}::test_another_sites_page_signs_nobody_in_or_up",
    ),
    "which origins read answers": Control(
        "web/cors.py",
        "if len(said) != 1 or said[0] not in listed:",
        "if len(said) != 1:",
        f"{_ARRIVAL}::test_an_origin_that_is_not_listed_reads_nothing",
    ),
    "Vary": Control(
        "web/cors.py",
        '    response.vary.add("Origin")\n',
        "",
        f"{_ARRIVAL}::test_an_origin_that_is_not_listed_reads_nothing",
    ),
    "CORS where nobody is listed": Control(
        "web/cors.py",
        "    if not listed:\n        return response\n",
        "    listed = listed or tuple(current_vestibule().settings.origins)\n",
        f"{_COOKIES}::test_no_foreign_page_may_read_an_answer",
    ),
    "our own names": Control(
        "web/arrival.py",
        "        raise WrongHost\n",
        "        pass\n",
        f"{_ARRIVAL}::test_a_request_for_another_host_is_not_ours",
    ),
    "names that DNS could not hold": Control(
        "web/arrival.py",
        '_NOBODYS if name.lower() == b"host" and not _is_name(value) else value',
        "value",
        _ODD_NAMES,
    ),
    "targets that are no path": Control(
        "web/arrival.py", '"path": _path(scope["path"]),', "", _ODD_NAMES
    ),
    "queries that are not ASCII": Control(
        "web/arrival.py",
        'quote(scope["query_string"], safe=_ASCII).encode()',
        'scope["query_string"]',
        f"{_ARRIVAL}::test_a_query_that_is_not_ascii_breaks_nothing",
    ),
    "the way to https": Control(
        "web/arrival.py",
        'return redirect(f"{place().base_url}{quote(request.path)}{query}", 308)',
        "return None",
        f"{_ARRIVAL}::test_what_came_to_the_proxy_in_clear_is_led_to_https",
    ),
    "changes that came in clear": Control(
        "web/arrival.py",
        "        raise HttpsRequired\n",
        "        return None\n",
        f"{_ARRIVAL}::test_what_came_to_the_proxy_in_clear_is_led_to_https",
    ),
    "whose word on https counts": Control(
        "web/network.py",
        "if peer is None or not _is_in(peer, current_vestibule().settings.trusted_proxies):",
        "if peer is None:",
        f"{_ARRIVAL}::test_only_our_proxies_word_counts",
    ),
    "the last word on https": Control(
        "web/network.py",
        '.rpartition(",")[2].strip()',
        '.partition(",")[0].strip()',
        f"{_ARRIVAL}::test_only_our_proxies_word_counts",
    ),
    "the size of a body": Control(
        "web/reading.py",
        "                if len(read) > BODY_LIMIT:\n",
        "                if False:\n",
        "tests/embedding/test_neighbours.py::test_our_limit_on_bodies_holds_whatever_the_hosts_is",
    ),
    "the time of a body": Control(
        "web/reading.py",
        "asyncio.timeout(BODY_TIMEOUT)",
        "asyncio.timeout(None)",
        f"{_INPUT}::test_a_body_that_does_not_arrive_is_given_up",
    ),
    "a key once": Control("web/reading.py", "if len(made) != len(pairs):", "if False:", _PLAIN),
    "numbers that JSON has": Control(
        "web/reading.py",
        ", parse_constant=_refuse",
        "",
        f"{_INPUT}::test_a_profile_holds_no_number_that_json_has_not",
    ),
    "the depth of a body": Control(
        "web/reading.py",
        "_DEEPEST = 32",
        "_DEEPEST = 32_000",
        f"{_INPUT}::test_no_depth_of_nesting_is_too_much_for_us",
    ),
    "NUL": Control("web/reading.py", 'if "\\0" in value:', "if False:", _HALVES),
    "half characters": Control("web/reading.py", "value.encode()  # half", "pass  # half", _HALVES),
    "JSON alone": Control(
        "web/reading.py",
        'if request.mimetype != "application/json":',
        "if False:",
        _PLAIN,
    ),
    "UTF-8 alone": Control(
        "web/reading.py", 'if charset.lower() not in ("utf-8", "utf8"):', "if False:", _PLAIN
    ),
    "a form's field once": Control(
        "web/reading.py",
        "len(values) > 1 or any(",
        "any(",
        "tests/attacks/test_proofs.py::test_nothing_stands_for_a_proof_that_is_not_there",
    ),
    "a stranger on a host's route": Control(
        "web/access.py",
        "                raise NotSignedIn\n",
        "                pass\n",
        f"{_ACCESS}::test_strangers_are_told_to_log_in_and_members_are_let_in",
    ),
    "an address that waits for its proof": Control(
        "web/conditions.py",
        "            raise AddressNotProved\n",
        "            pass\n",
        f"{_ACCESS}::test_what_is_for_proved_addresses_waits_for_the_proof",
    ),
    "another site's page on a host's route": Control(
        "web/access.py",
        "            await guard.refuse_cross_site()\n",
        "",
        f"{_ACCESS}::test_another_sites_page_changes_nothing_on_a_hosts_routes",
    ),
    "a decorator in the wrong place": Control(
        "web/mistakes.py", "if hasattr(view, INSIDE):", "if False:", _MISTAKES
    ),
    "a decorator on a WebSocket": Control(
        "web/mistakes.py",
        "elif rule.websocket and hasattr(view, GUARD):",
        "elif False:",
        _MISTAKES,
    ),
    "nobody on a WebSocket": Control(
        "web/access.py",
        "    if has_websocket_context():\n",
        "    if False:\n",
        f"{_ACCESS}::test_a_websocket_of_the_hosts_goes_on_and_knows_nobody",
    ),
    "a token before a cookie": Control(
        "web/identity.py",
        'if any(each.lower().startswith("bearer") for each in said):',
        "if False:",
        f"{_INPUT}::test_broken_credentials_are_no_credentials",
    ),
    "Secure": Control(
        "web/identity.py",
        "cookie_secure=not settings.in_development",
        "cookie_secure=False",
        _ATTRIBUTES,
    ),
    "HttpOnly": Control(
        "web/identity.py", "cookie_http_only=True", "cookie_http_only=False", _ATTRIBUTES
    ),
    "SameSite": Control(
        "web/identity.py", 'cookie_samesite="Lax"', 'cookie_samesite="None"', _ATTRIBUTES
    ),
    "__Host-": Control("web/identity.py", '"__Host-vestibule"', '"vestibule"', _ATTRIBUTES),
    "the end of a remembered cookie": Control(
        "web/identity.py",
        "duration=int(settings.remember_lifetime.total_seconds())",
        "duration=365 * 24 * 3600",
        _ATTRIBUTES,
    ),
    "Secure on a device": Control(
        "web/device.py",
        "secure=not current_vestibule().settings.in_development",
        "secure=False",
        "tests/attacks/test_limits.py",
    ),
    "HttpOnly on a device": Control(
        "web/device.py", "httponly=True", "httponly=False", "tests/attacks/test_limits.py"
    ),
    "the mailbox for this machine's names": Control(
        "web/mailbox.py", "or host not in _OWN_NAMES ", "", _MAILBOX
    ),
    "the mailbox for this machine": Control(
        "web/mailbox.py", " or not _is_loopback(request.remote_addr)", "", _MAILBOX
    ),
    "the mailbox without anybody between": Control(
        "web/mailbox.py", "if foreign or ", "if ", _MAILBOX
    ),
    "telling after the commit": Control(
        "kernel/unit.py",
        'self.after_commit(lambda: self.means.signals.send(event.replace(".", "_"), happened))',
        'self.means.signals.send(event.replace(".", "_"), happened)',
        f"{_SIGNALS}::test_nobody_is_told_of_what_was_taken_back",
    ),
    "the time of a receiver": Control(
        "kernel/signals.py",
        "asyncio.timeout(_TIME)",
        "asyncio.timeout(None)",
        f"{_SIGNALS}::test_a_receiver_has_its_time_and_then_is_cut_off",
    ),
    "how many receivers are under way": Control(
        "kernel/signals.py",
        "if len(self._under_way) >= _MOST:",
        "if False:",
        f"{_SIGNALS}::test_a_flood_is_bounded",
    ),
    "the last call to receivers": Control(
        "kernel/signals.py",
        "asyncio.timeout(_LAST_CALL)",
        "asyncio.timeout(None)",
        f"{_SIGNALS}::test_a_stop_waits_a_moment_for_receivers_and_no_longer",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
