"""What the letters say, and what a stranger cannot make them say."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vestibule.courier import letters, life_letters
from vestibule.courier.browser import browser_name, network_name
from vestibule.courier.rendering import Rendered, Templates, Unrenderable, spoken
from vestibule.kernel.ids import uuid7
from vestibule.kernel.means import Caller
from vestibule.kernel.settings import Settings

NOW = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
TOKEN = "vlnk_8sQm2-Zr4KcW0yTtq7bVnE1xPz"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
WEBKIT = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "iPhone; CPU iPhone OS 18_5 like Mac OS X"
LURES = [
    "Click https://evil.test to claim",
    "evil.test/Firefox/1",
    "<a href=//evil.test>x</a> Firefox/1 Windows",
    'Firefox/1" onmouseover="x',
    "Firefox/1\r\nBcc: a@evil.test",
    "{{ config }} {% raw %} Chrome/1",
    "Your account is locked, call 0900-123 Safari/1",
    "\u202eevil.test Chrome/1",
    "x" * 5000,
]


def settings(**given: object) -> Settings:
    return Settings(base_url="https://auth.test", service_name="Acme", **given)  # type: ignore[arg-type]


def asked_by(address: str | None = None, user_agent: str | None = None) -> Caller:
    return Caller(address, user_agent)


def sign_up(given: Settings | None = None, **caller: str | None) -> Rendered:
    given = given or settings()
    draft = letters.prove_address(
        given,
        to="v@victim.test",
        token=TOKEN,
        code="ABCD-2345",
        asked_at=NOW,
        caller=asked_by(**caller),
        expires_at=NOW + timedelta(hours=24),
    )
    return Templates(given).render(draft.kind, draft.words)


def activate_account(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = letters.activate_account(
        to="v@victim.test",
        link=f"https://auth.test/welcome/activate?user_uuid={TOKEN}",
        asked_at=NOW,
        caller=asked_by(**caller),
        expires_at=NOW + timedelta(hours=24),
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def already_registered(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = letters.already_registered(to="v@victim.test", now=NOW, caller=asked_by(**caller))
    return Templates(given or settings()).render(draft.kind, draft.words)


def confirm_identity(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = letters.confirm_identity(
        to="v@victim.test",
        account_id=uuid7(),
        code="ABCD-2345",
        lifetime=timedelta(minutes=10),
        asked_at=NOW,
        caller=asked_by(**caller),
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def api_key_made(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = letters.api_key_made(
        to="v@victim.test", account_id=uuid7(), now=NOW, caller=asked_by(**caller)
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def reset_password(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = life_letters.reset_password(
        given or settings(),
        to="v@victim.test",
        account_id=uuid7(),
        keys=(TOKEN, "ABCD-2345"),
        now=NOW,
        caller=asked_by(**caller),
        lifetime=(given or settings()).reset_lifetime,
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def no_account(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = life_letters.no_account(to="v@victim.test", now=NOW, caller=asked_by(**caller))
    return Templates(given or settings()).render(draft.kind, draft.words)


def password_changed(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = life_letters.password_changed(
        to="v@victim.test", account_id=uuid7(), now=NOW, caller=asked_by(**caller)
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def change_address(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = life_letters.change_address(
        given or settings(),
        to="v@victim.test",
        account_id=uuid7(),
        keys=(TOKEN, "ABCD-2345"),
        now=NOW,
        caller=asked_by(**caller),
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def address_wanted(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = life_letters.address_wanted(to="v@victim.test", now=NOW, caller=asked_by(**caller))
    return Templates(given or settings()).render(draft.kind, draft.words)


def to_former_address(
    kind: Literal["address_change_asked", "address_changed"],
    given: Settings | None = None,
    **caller: str | None,
) -> Rendered:
    draft = life_letters.to_former_address(
        given or settings(),
        kind,
        to="v@victim.test",
        account_id=uuid7(),
        token=TOKEN,
        now=NOW,
        caller=asked_by(**caller),
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


def account_closing(given: Settings | None = None, **caller: str | None) -> Rendered:
    draft = life_letters.account_closing(
        given or settings(),
        to="v@victim.test",
        account_id=uuid7(),
        token=TOKEN,
        closes_at=NOW + timedelta(days=14),
        now=NOW,
        caller=asked_by(**caller),
    )
    return Templates(given or settings()).render(draft.kind, draft.words)


EVERY = (
    sign_up,
    activate_account,
    already_registered,
    confirm_identity,
    api_key_made,
    reset_password,
    no_account,
    password_changed,
    change_address,
    address_wanted,
    partial(to_former_address, "address_change_asked"),
    partial(to_former_address, "address_changed"),
    account_closing,
)


def both(letter: Rendered) -> list[str]:
    """Return the text, and what a person reads of the HTML, each on one line."""
    assert letter.html is not None
    seen = _Seen()
    seen.feed(letter.html)
    return [" ".join(text.split()) for text in (letter.text, " ".join(seen.texts))]


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_sign_up_letter_says_what_to_do_and_who_asked() -> None:
    letter = sign_up(address="192.0.2.7", user_agent=LINUX)
    assert letter.subject == "Confirm your address for Acme"
    for text in both(letter):
        assert f"https://auth.test/verify-email?token={TOKEN}" in text
        assert "password that you chose" in text
        assert "ABCD-2345" in text
        assert "The code works for 30 minutes, the link for 24 hours" in text
        assert "2026-11-03 14:05 UTC" in text
        assert "Firefox on Linux" in text
        assert "192.0.2.7" in text
        assert "ignore this letter: nothing happens" in text
    assert "\nABCD-2345\n" in letter.text
    assert f"\nhttps://auth.test/verify-email?token={TOKEN}\n" in letter.text


def test_the_sign_up_letter_says_the_lifetimes_that_are_set() -> None:
    given = settings(code_lifetime=timedelta(minutes=10), sign_up_lifetime=timedelta(hours=6))
    for text in both(sign_up(given)):
        assert "The code works for 10 minutes, the link for 6 hours" in text


def test_the_letter_of_an_activation_has_a_link_and_no_code() -> None:
    letter = activate_account(address="192.0.2.7", user_agent=LINUX)
    assert letter.subject == "Account activation"
    for text in both(letter):
        assert f"https://auth.test/welcome/activate?user_uuid={TOKEN}" in text
        assert "The link works for 24 hours" in text
        assert "Firefox on Linux, network address 192.0.2.7" in text
        assert "ignore this letter, and do not open the page" in text
        assert "code" not in text


def test_the_owner_of_a_taken_address_learns_what_happened() -> None:
    letter = already_registered(address="2001:db8::1", user_agent=LINUX)
    assert letter.subject == "You already have an account at Acme"
    for text in both(letter):
        assert "tried to sign up at Acme with this address" in text
        assert "log in instead" in text
        assert "nobody was told that you have one" in text
        assert "2026-11-03 14:05 UTC" in text
        assert "2001:db8::1" in text
        assert "http" not in text


def test_the_code_of_a_confirmation_stands_alone_and_says_for_how_long() -> None:
    letter = confirm_identity(address="192.0.2.7", user_agent=LINUX)
    assert letter.subject == "Your code for Acme"
    assert "\nABCD-2345\n" in letter.text
    for text in both(letter):
        assert "It works for 10 minutes, on the device that asked for it" in text
        assert "Firefox on Linux" in text
        assert "do not pass the code on" in text


def test_the_owner_of_a_new_key_learns_what_to_do_about_it() -> None:
    letter = api_key_made(address="192.0.2.7", user_agent=LINUX)
    assert letter.subject == "A new API key at Acme"
    for text in both(letter):
        assert "remove the key and change your password" in text
        assert "Made on 2026-11-03 14:05 UTC, from Firefox on Linux" in text


def test_lines_of_the_text_fit_a_narrow_window() -> None:
    for write in EVERY:
        letter = write()
        assert all(len(line) <= 79 for line in letter.text.splitlines())


def test_the_html_loads_and_runs_nothing() -> None:
    for write in EVERY:
        letter = write()
        assert letter.html is not None
        seen = _Seen()
        seen.feed(letter.html)
        ours = (
            "verify-email?token=",
            "welcome/activate?user_uuid=",
            "reset-password/",
            "confirm-email?token=",
            "undo-email?token=",
            "keep-account?token=",
        )
        assert set(seen.links) <= {f"https://auth.test/{path}{TOKEN}" for path in ours}
        assert not {"img", "script", "link", "style", "iframe", "form"} & set(seen.tags)


@pytest.mark.parametrize("lure", LURES)
def test_a_stranger_cannot_write_into_our_letters(lure: str) -> None:
    for write in EVERY:
        letter = write(user_agent=lure, address=lure)
        plain = write(user_agent=None, address=None)
        assert letter.subject == plain.subject
        for said in (letter.text, letter.html or ""):
            assert "evil" not in said
            assert "0900" not in said
            assert "config" not in said
            assert "onmouseover" not in said
        # The only thing that may differ is a name from our list.
        assert abs(len(letter.text) - len(plain.text)) < 30


def test_an_unknown_browser_and_network_are_said_to_be_unknown() -> None:
    for text in both(sign_up(user_agent=None, address=None)):
        assert "from an unknown browser, network address unknown" in text


@pytest.mark.parametrize(
    "user_agent, name",
    [
        (LINUX, "Firefox on Linux"),
        (f"{WEBKIT.format('Windows NT 10.0')} Chrome/141.0 Safari/537.36", "Chrome on Windows"),
        (f"{WEBKIT.format('Windows')} Chrome/141.0 Safari/537 Edg/141.0", "Edge on Windows"),
        (
            f"{WEBKIT.format('Macintosh; Intel Mac OS X 10')} Version/18 Safari/605",
            "Safari on macOS",
        ),
        (f"{WEBKIT.format(IPHONE)} Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iOS"),
        (f"{WEBKIT.format(IPHONE)} CriOS/141.0 Mobile/15E148 Safari/604.1", "Chrome on iOS"),
        (
            f"{WEBKIT.format('Linux; Android 15')} SamsungBrowser/28.0 Chrome/130.0 Safari/537.36",
            "Samsung Internet on Android",
        ),
        ("Firefox/1", "Firefox"),
        ("Linux", "an unknown browser on Linux"),
        ("curl/8.5.0", "an unknown browser"),
        ("", "an unknown browser"),
        (None, "an unknown browser"),
    ],
)
def test_browsers_are_called_by_their_names(user_agent: str | None, name: str) -> None:
    assert browser_name(user_agent) == name


@given(st.text())
@example("Firefox/1 Linux evil.test")
def test_a_browser_is_called_by_no_other_name_than_ours(user_agent: str) -> None:
    names = "Edge|Opera|Samsung Internet|Vivaldi|Firefox|Chrome|Safari|an unknown browser"
    systems = "Android|iOS|iPadOS|ChromeOS|Windows|macOS|Linux"
    assert re.fullmatch(rf"({names})( on ({systems}))?", browser_name(user_agent))


@pytest.mark.parametrize(
    "address, name",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%evil.test", "fe80::1"),
        ("evil.test", "unknown"),
        ("192.0.2.7, evil.test", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_network_is_an_address_and_nothing_else(address: str | None, name: str) -> None:
    assert network_name(address) == name


def test_html_is_escaped_and_text_is_not() -> None:
    given = Settings(
        base_url="https://auth.test",
        service_name='Ben & <b>"Jerry"',
        link_sign_up="https://app.test/hi?a=1&token={token}",
    )
    letter = sign_up(given)
    assert letter.subject == 'Confirm your address for Ben & <b>"Jerry"'
    assert f"https://app.test/hi?a=1&token={TOKEN}" in letter.text
    assert letter.html is not None
    assert "Ben &amp; &lt;b&gt;&#34;Jerry&#34;" in letter.html
    assert "<b>" not in letter.html
    seen = _Seen()
    seen.feed(letter.html)
    assert set(seen.links) == {f"https://app.test/hi?a=1&token={TOKEN}"}


def test_a_host_replaces_single_templates_of_ours(tmp_path: Path) -> None:
    (tmp_path / "prove_address.subject.txt").write_text("Welcome\nto  {{ service_name }}\r\n\n")
    (tmp_path / "prove_address.html").write_text("")
    (tmp_path / "layout.html").write_text("<p>ours</p>{% block letter %}{% endblock %}")
    given = settings(templates_dir=tmp_path)
    letter = sign_up(given)
    assert letter.subject == "Welcome to Acme"
    assert "ABCD-2345" in letter.text
    assert letter.html is None
    assert (already_registered(given).html or "").startswith("<p>ours</p>")


def test_a_subject_is_one_line_of_two_hundred_characters() -> None:
    words = {"subject": "a\r\nBcc: b@c.test\u2028\x85" + "x" * 300, "text": "Hi", "html": None}
    letter = Templates(settings()).render("custom", words)
    assert letter.subject.startswith("a Bcc: b@c.test xxx")
    assert len(letter.subject) == 200


def test_a_custom_letter_goes_out_as_it_is() -> None:
    words = {"subject": "{{ 7 * 7 }}", "text": "{{ 7 * 7 }} <b>", "html": "<b>{{ 7 * 7 }}</b>"}
    letter = Templates(settings()).render("custom", words)
    assert letter == Rendered("{{ 7 * 7 }}", "{{ 7 * 7 }} <b>", "<b>{{ 7 * 7 }}</b>")


@pytest.mark.parametrize(
    "template, why",
    [
        ("Hello {{ nobody_said }}", "'nobody_said' is undefined"),
        ("Hello {{ ", "fails"),
    ],
)
def test_a_broken_template_is_told_and_never_sent_half(
    tmp_path: Path, template: str, why: str
) -> None:
    (tmp_path / "prove_address.txt").write_text(template)
    with pytest.raises(Unrenderable, match=why) as caught:
        sign_up(settings(templates_dir=tmp_path))
    assert TOKEN not in str(caught.value)


def test_a_letter_without_a_template_is_told() -> None:
    with pytest.raises(Unrenderable, match=r"no template birthday\.subject\.txt"):
        Templates(settings()).render("birthday", {})


@pytest.mark.parametrize(
    "span, words",
    [
        (timedelta(minutes=30), "30 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=6), "6 hours"),
        (timedelta(hours=24), "24 hours"),
        (timedelta(days=7), "7 days"),
        (timedelta(seconds=45), "45 seconds"),
    ],
)
def test_spans_are_spoken_in_their_largest_unit(span: timedelta, words: str) -> None:
    assert spoken(span) == words
