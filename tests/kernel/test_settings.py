"""Settings: where they come from, what is refused, and that nothing secret is ever shown."""

import base64
from datetime import timedelta
from hashlib import sha512
from pathlib import Path
from typing import Any  # Any: whatever the fields take

import pytest
from pydantic import ValidationError

from vestibule import Settings
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.settings import origin_of, unknown_variables

# As good as random, and the same in every process that collects these tests.
RANDOM = sha512(b"vestibule").digest()
SECRET = base64.b64encode(RANDOM[32:]).decode()
PRODUCTION = {
    "mode": "production",
    "base_url": "https://auth.example.org",
    "database_url": "postgresql://vestibule:hunter22@db.example.org/vestibule",
    "secrets": SECRET,
    "mail_transport": "smtp",
    "mail_from": "Example <no-reply@example.org>",
    "smtp_host": "mail.example.org",
}


def refused(**given: Any) -> dict[str, str]:  # Any: whatever the fields take
    """What is wrong with the settings, by variable."""
    with pytest.raises(CannotStart) as caught:
        Settings.load(**given)
    return dict(line.split(": ", 1) for line in caught.value.problems)


def test_development_needs_nothing() -> None:
    settings = Settings.load()
    assert settings.in_development
    assert settings.base_url == "http://localhost:8000"
    assert settings.database == "sqlite:///data/vestibule.db"
    assert settings.shows_docs


def test_production_with_everything_set_starts() -> None:
    settings = Settings.load(**PRODUCTION)
    assert not settings.in_development
    assert not settings.shows_docs


@pytest.mark.fault("F-36")
def test_production_lists_every_problem_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_MODE", "production")
    monkeypatch.setenv("VESTIBULE_DATABASE_POOL_SIZE", "0")  # wrong by itself
    monkeypatch.setenv("VESTIBULE_SESSION_IDLE", "P8D")  # wrong beside another
    monkeypatch.setenv("VESTIBULE_TEMPLATES_DIR", "nowhere")
    monkeypatch.setenv("PORT", "eighty")
    problems = refused()
    assert set(problems) == {
        "PORT",
        "VESTIBULE_BASE_URL",
        "VESTIBULE_DATABASE_POOL_SIZE",
        "VESTIBULE_DATABASE_URL",
        "VESTIBULE_MAIL_FROM",
        "VESTIBULE_MAIL_TRANSPORT",
        "VESTIBULE_SECRETS",
        "VESTIBULE_SESSION_IDLE",
        "VESTIBULE_TEMPLATES_DIR",
    }
    assert all("\n" not in words for words in problems.values())


@pytest.mark.parametrize(
    "change,variables",
    [
        ({"base_url": "http://auth.example.org"}, {"VESTIBULE_BASE_URL"}),
        ({"database_url": "sqlite:///x.db"}, {"VESTIBULE_DATABASE_URL"}),
        ({"secrets": "short"}, {"VESTIBULE_SECRETS"}),
        ({"secrets": ""}, {"VESTIBULE_SECRETS"}),
        ({"mail_transport": "console"}, {"VESTIBULE_MAIL_TRANSPORT"}),
        ({"mail_from": "nobody"}, {"VESTIBULE_MAIL_FROM"}),
        ({"mail_from": "a@b.example\r\nBcc: c@d.example"}, {"VESTIBULE_MAIL_FROM"}),
        ({"service_name": "a\r\nb"}, {"VESTIBULE_SERVICE_NAME"}),
        ({"smtp_host": ""}, {"VESTIBULE_SMTP_HOST"}),
        (
            {"smtp_username": "ada", "smtp_security": "none"},
            {"VESTIBULE_SMTP_PASSWORD", "VESTIBULE_SMTP_SECURITY"},
        ),
        (
            {"mail_transport": "mailgun"},
            {"VESTIBULE_MAILGUN_API_KEY", "VESTIBULE_MAILGUN_DOMAIN"},
        ),
    ],
)
def test_production_refuses(change: dict[str, str], variables: set[str]) -> None:
    assert set(refused(**PRODUCTION | change)) == variables


def test_production_takes_sqlite_where_it_is_asked_for() -> None:
    chosen = {"database_url": "sqlite:///x.db", "sqlite_in_production": True}
    assert Settings.load(**PRODUCTION | chosen).database == "sqlite:///x.db"


def test_settings_made_without_load_are_checked_too() -> None:
    with pytest.raises(CannotStart) as caught:
        Settings(mode="production").check()
    assert len(caught.value.problems) == 5


def test_settings_do_not_change() -> None:
    settings = Settings.load()
    with pytest.raises(ValidationError):
        settings.port = 1


class TestSources:
    def test_environment_comes_before_files_before_dotenv(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".env").write_text(
            "VESTIBULE_SERVICE_NAME=dotenv\nVESTIBULE_SMTP_HOST=dotenv\nVESTIBULE_SMTP_USERNAME=dotenv\n"
        )
        (tmp_path / "file").write_text("file\n")
        monkeypatch.setenv("VESTIBULE_SMTP_HOST_FILE", str(tmp_path / "file"))
        monkeypatch.setenv("VESTIBULE_SERVICE_NAME_FILE", str(tmp_path / "file"))
        monkeypatch.setenv("VESTIBULE_SERVICE_NAME", "environment")
        settings = Settings.load()
        assert settings.service_name == "environment"
        assert settings.smtp_host == "file"
        assert settings.smtp_username == "dotenv"

    def test_a_secret_from_a_file_is_the_file_without_its_last_line_end(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "secrets").write_text(f"{SECRET}\n")
        monkeypatch.setenv("VESTIBULE_SECRETS_FILE", str(tmp_path / "secrets"))
        assert [each.get_secret_value() for each in Settings.load().secrets] == [SECRET]

    @pytest.mark.parametrize("kind", ["missing", "folder", "bytes"])
    def test_a_file_that_cannot_be_read_is_named(
        self, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "bytes").write_bytes(b"\xff\xfe")
        monkeypatch.setenv("VESTIBULE_SECRETS_FILE", str(tmp_path / kind))
        assert "VESTIBULE_SECRETS_FILE" in refused()["VESTIBULE_SECRETS"]
        monkeypatch.setenv("VESTIBULE_MODE", "production")
        with pytest.raises(CannotStart) as caught:
            Settings.load()
        assert len([each for each in caught.value.problems if "VESTIBULE_SECRETS" in each]) == 1

    def test_an_empty_variable_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTIBULE_DATABASE_URL", "")
        monkeypatch.setenv("VESTIBULE_SECRETS_FILE", "")
        monkeypatch.setenv("PORT", "")
        assert Settings.load().port == 8000

    def test_a_slip_is_told_with_what_was_meant(self) -> None:
        environ = {
            "VESTIBULE_SERVICE_NAMES": "x",
            "VESTIBULE_SECRETS_FILE": "x",
            "VESTIBULE_MODE": "x",
            "VESTIBULE_ZZZZZZZZZZZZZ": "x",
            "PATH": "x",
        }
        assert list(unknown_variables(environ)) == [
            "VESTIBULE_SERVICE_NAMES is not a setting; did you mean VESTIBULE_SERVICE_NAME?",
            "VESTIBULE_ZZZZZZZZZZZZZ is not a setting",
        ]

    def test_a_keyword_that_is_no_setting_is_refused_with_what_was_meant(self) -> None:
        with pytest.raises(CannotStart) as caught:
            Settings.load(bogus=1, servce_name="x", HOST="127.0.0.1", port=99_999)
        assert caught.value.problems == (
            "bogus is not a setting",
            "servce_name is not a setting; did you mean service_name?",
            "PORT: must be at most 65535",
        )


def test_a_wrong_value_is_told_in_our_words() -> None:
    assert refused(
        mode="staging",
        session_idle="a while",
        code_lifetime=0,
        smtp_port="x",
        courier="perhaps",
        hash_threads=0,
        service_name="",
    ) == {
        "VESTIBULE_MODE": "must be one of development, production",
        "VESTIBULE_SESSION_IDLE": "must be a span such as PT1H, or whole seconds",
        "VESTIBULE_CODE_LIFETIME": "must be longer than no time at all",
        "VESTIBULE_SMTP_PORT": "must be a whole number",
        "VESTIBULE_COURIER": "must be true or false",
        "VESTIBULE_HASH_THREADS": "must be at least 1",
        "VESTIBULE_SERVICE_NAME": "must not be empty",
    }


def test_production_says_that_http_is_not_enough() -> None:
    problems = refused(**PRODUCTION | {"base_url": "http://auth.example.org"})
    assert problems == {"VESTIBULE_BASE_URL": "is http; production needs https"}


class TestSecrets:
    @pytest.mark.parametrize(
        "weak",
        [
            "change-me",
            "a" * 64,
            "0" * 64,
            base64.b64encode(b"password" * 8).decode(),
            pytest.param(base64.b64encode(RANDOM[:31]).decode(), id="31 bytes in base64"),
            pytest.param(RANDOM[:31].hex(), id="31 bytes in hex"),
            "not base64, not hex, but certainly longer than thirty-two bytes!",
        ],
    )
    @pytest.mark.attack("A-022")
    def test_a_weak_one_is_refused_in_every_mode(self, weak: str) -> None:
        assert set(refused(secrets=weak)) == {"VESTIBULE_SECRETS"}
        assert set(refused(**PRODUCTION | {"secrets": f"{SECRET},{weak}"})) == {"VESTIBULE_SECRETS"}

    @pytest.mark.parametrize(
        "strong",
        [
            RANDOM[:32].hex(),
            base64.urlsafe_b64encode(RANDOM[:32]).decode().rstrip("="),
            base64.b64encode(RANDOM).decode(),
        ],
        ids=["hex", "url-safe base64", "base64"],
    )
    def test_random_bytes_are_taken_in_hex_and_base64(self, strong: str) -> None:
        assert Settings.load(secrets=strong).secrets[0].get_secret_value() == strong

    def test_several_are_kept_in_order(self) -> None:
        older = RANDOM[:32].hex()
        loaded = Settings.load(secrets=f"{SECRET}, {older}").secrets
        assert [each.get_secret_value() for each in loaded] == [SECRET, older]

    def test_no_secret_is_shown(self) -> None:
        settings = Settings.load(
            **PRODUCTION,
            smtp_username="ada",
            smtp_password="hunter23",
            mailgun_api_key="hunter24",
        )
        shown = f"{settings!r}{settings!s}{list(settings)}{settings.model_dump()}"
        assert "hunter2" not in shown
        assert SECRET not in shown

    def test_no_secret_is_in_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTIBULE_MODE", "production")
        monkeypatch.setenv("VESTIBULE_SECRETS", "hunter25")
        monkeypatch.setenv("VESTIBULE_BASE_URL", "https://ada:hunter26@auth.example.org")
        monkeypatch.setenv("VESTIBULE_DATABASE_URL", "mysql://ada:hunter27@db/x")
        monkeypatch.setenv("VESTIBULE_SMTP_PORT", "hunter28")
        problems = refused()
        assert {"VESTIBULE_SECRETS", "VESTIBULE_BASE_URL", "VESTIBULE_DATABASE_URL"} < set(problems)
        assert "hunter2" not in str(problems)
        with pytest.raises(ValidationError) as caught:
            Settings()
        assert "hunter2" not in str(caught.value)


class TestWhereItListens:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
    def test_development_listens_on_this_machine(self, host: str) -> None:
        assert Settings.load(host=host).host == host

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "auth.example.org", ""])
    def test_development_refuses_every_other_address(self, host: str) -> None:
        assert "VESTIBULE_DEV_REMOTE" in refused(host=host)["HOST"]

    def test_development_listens_anywhere_where_it_is_asked_for(self) -> None:
        assert Settings.load(host="0.0.0.0", dev_remote=True).host == "0.0.0.0"

    def test_production_listens_anywhere(self) -> None:
        assert Settings.load(**PRODUCTION, host="0.0.0.0").host == "0.0.0.0"

    @pytest.mark.parametrize("port", ["-1", "65536", "x"])
    def test_a_port_that_is_none_is_refused(
        self, port: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PORT", port)
        assert set(refused()) == {"PORT"}


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        [
            "auth.example.org",
            "ftp://auth.example.org",
            "https://",
            "https://[auth",
            "https://auth.example.org:99999",
            "https://auth.example.org?x=1",
            "https://auth.example.org#x",
            "https://ada@auth.example.org",
            "https://:word@auth.example.org",
        ],
    )
    def test_a_base_url_is_scheme_host_and_path_alone(self, url: str) -> None:
        assert set(refused(**PRODUCTION | {"base_url": url})) == {"VESTIBULE_BASE_URL"}

    def test_a_base_url_may_have_a_path(self) -> None:
        settings = Settings.load(**PRODUCTION | {"base_url": "https://example.org/auth/"})
        assert settings.base_url == "https://example.org/auth"
        assert settings.origins == {"https://example.org"}

    @pytest.mark.parametrize(
        "url",
        [
            "nonsense",
            "://",
            "postgresql://ada:word@db:port/x",
            "postgresql://db:99999/x",
            "postgresql://[::1/x",
            "postgresql+psycopg2://db/x",
            "mysql://db/x",
            "postgresql://db/x?colour=blue",
            "sqlite://",
            "sqlite:///:memory:",
        ],
    )
    def test_a_database_url_that_cannot_be_used_is_refused(self, url: str) -> None:
        assert set(refused(database_url=url)) == {"VESTIBULE_DATABASE_URL"}
        assert set(refused(**PRODUCTION | {"database_url": url})) == {"VESTIBULE_DATABASE_URL"}

    @pytest.mark.parametrize(
        "url",
        [
            "postgres://ada:word@db/x",
            "postgresql://db/x?sslmode=require",
            "postgresql+asyncpg://ada@/x?host=/run/postgresql",
            "sqlite:////srv/x.db",
        ],
    )
    def test_plain_database_urls_are_enough(self, url: str) -> None:
        assert Settings.load(database_url=url).database == url

    def test_only_our_own_origin_may_send_cookies(self) -> None:
        assert Settings.load(**PRODUCTION).origins == {"https://auth.example.org"}

    def test_in_development_localhost_and_its_address_are_both_our_own(self) -> None:
        own = {"http://localhost:8123", "http://127.0.0.1:8123"}
        assert Settings.load(port=8123).origins == own

    def test_further_origins_are_listed(self) -> None:
        settings = Settings.load(
            **PRODUCTION, allowed_origins="https://a.example.org, https://b.example.org:8443"
        )
        assert settings.origins == {
            "https://auth.example.org",
            "https://a.example.org",
            "https://b.example.org:8443",
        }

    @pytest.mark.parametrize(
        "origin",
        [
            "*",
            "null",
            "a.example.org",
            "https://a.example.org/",
            "https://a.example.org/page",
            "https://A.example.org",
            "https://a.example.org:443",
            "https://*.example.org",
        ],
    )
    def test_what_no_browser_would_send_is_no_origin(self, origin: str) -> None:
        assert set(refused(allowed_origins=origin)) == {"VESTIBULE_ALLOWED_ORIGINS"}

    @pytest.mark.parametrize(
        "url,origin",
        [
            ("https://Example.ORG:443/x", "https://example.org"),
            ("http://example.org:80", "http://example.org"),
            ("http://example.org:443/x?y", "http://example.org:443"),
            ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443"),
            ("https://example.org:x", ""),
            ("javascript:alert(1)", ""),
            ("", ""),
        ],
    )
    def test_an_origin_is_written_as_browsers_write_it(self, url: str, origin: str) -> None:
        assert origin_of(url) == origin

    @pytest.mark.parametrize("link", ["https://app.example.org/welcome", "/x?t={token}", "{token}"])
    def test_a_link_template_is_a_url_that_holds_the_token(self, link: str) -> None:
        assert set(refused(link_sign_up=link)) == {"VESTIBULE_LINK_SIGN_UP"}
        good = "https://app.example.org/welcome#{token}"
        assert Settings.load(link_sign_up=good).link_sign_up == good


class TestSpans:
    @pytest.mark.parametrize("text", ["3600", "PT1H", "01:00:00"])
    def test_spans_are_seconds_or_iso_8601(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VESTIBULE_SESSION_IDLE", text)
        assert Settings.load().session_idle == timedelta(hours=1)

    @pytest.mark.parametrize("text", ["0", "-5", "PT0S", "-P1D", "soon"])
    def test_a_span_is_longer_than_nothing(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VESTIBULE_CODE_LIFETIME", text)
        assert set(refused()) == {"VESTIBULE_CODE_LIFETIME"}

    @pytest.mark.parametrize(
        "shorter,longer",
        [
            ("session_idle", "session_lifetime"),
            ("remember_idle", "remember_lifetime"),
            ("code_lifetime", "sign_up_lifetime"),
        ],
    )
    def test_what_ends_within_another_is_not_longer(self, shorter: str, longer: str) -> None:
        day, hour = timedelta(days=1), timedelta(hours=1)
        problems = refused(**{shorter: day, longer: hour})
        assert problems == {
            f"VESTIBULE_{shorter.upper()}": f"must not be longer than VESTIBULE_{longer.upper()}"
        }
        alike = Settings.load(**{shorter: hour, longer: hour})
        assert getattr(alike, shorter) == hour


@pytest.mark.parametrize(
    "given, named",
    [
        ({"session_idle": "60"}, "VESTIBULE_SESSION_IDLE"),
        (
            {"mail_transport": "smtp", "smtp_host": "x", "smtp_password": "y"},
            "VESTIBULE_SMTP_USERNAME",
        ),
        (
            {
                "mail_transport": "mailgun",
                "mailgun_api_key": "x",
                "mailgun_domain": "x.example",
                "mailgun_base_url": "http://api.mailgun.net",
            },
            "VESTIBULE_MAILGUN_BASE_URL",
        ),
        (PRODUCTION | {"link_sign_up": "http://app.example/{token}"}, "VESTIBULE_LINK_SIGN_UP"),
        ({"mail_from": "a..b@x.example"}, "VESTIBULE_MAIL_FROM"),
        ({"mail_from": "no-reply@exa_mple.com"}, "VESTIBULE_MAIL_FROM"),
    ],
)
def test_what_would_quietly_fail_later_is_refused_at_the_start(
    given: dict[str, Any], named: str
) -> None:
    assert set(refused(**given)) == {named}


def test_a_name_with_a_comma_may_send() -> None:
    assert Settings.load(mail_from="Example, Inc. <no-reply@example.com>").sender


def test_origins_are_compared_as_browsers_write_them() -> None:
    settings = Settings.load(
        base_url="https://b\u00fccher.example", allowed_origins="https://\u00e4pp.example"
    )
    assert {"https://xn--bcher-kva.example", "https://xn--pp-uia.example"} <= settings.origins


def test_a_slip_in_the_env_file_is_told_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VESTIBULE_SERVCE_NAME=x\n")
    assert "VESTIBULE_SERVCE_NAME" in "".join(unknown_variables({}))


def test_proxies_are_addresses_or_networks() -> None:
    given = Settings.load(trusted_proxies="10.0.0.0/8, ::1,192.0.2.7").trusted_proxies
    assert [str(each) for each in given] == ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]


@pytest.mark.parametrize("proxies", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_what_is_no_proxy_is_refused(proxies: str) -> None:
    wrong = refused(trusted_proxies=proxies)
    assert wrong == {
        "VESTIBULE_TRUSTED_PROXIES": "each must be an address or a network such as 10.0.0.0/8"
    }


@pytest.mark.parametrize("name", ["google", "github", "demo", "a__b", "_a", "A", "a-b", "n" * 41])
def test_a_provider_has_a_name_that_paths_and_the_audit_log_take(name: str) -> None:
    each = {"issuer": "https://login.example.org", "client_id": "x", "client_secret": "x"}
    assert list(refused(oidc={name: each})) == ["VESTIBULE_OIDC"]
    assert Settings.load(oidc={"n" * 40: each}).oidc
