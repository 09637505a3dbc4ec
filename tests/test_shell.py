"""`vestibule shell`: a Python prompt with the service at hand."""

from click.testing import CliRunner, Result

from vestibule.cli import main


def type_in(*lines: str, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(
        main, ["shell"], input="".join(f"{each}\n" for each in lines)
    )


def test_a_unit_and_the_models_are_at_hand_and_await_works() -> None:
    result = type_in(
        "from vestibule.accounts.challenges import Wanted",
        "from vestibule.accounts.signup import open_account",
        "hashed = await vestibule.means.passwords.hash('correct horse battery staple')",
        "flow = lambda u: open_account(u, Wanted(password_hash=hashed, username='ada'))",
        "account = await vestibule.run(flow)",
        "async with unit() as u: names = (await u.session.scalars(select(Account.username))).all()",
        "",
        "print('names:', *names)",
        "print(settings.mode, Challenge.__tablename__)",
        "print(vestibule)",
    )
    assert result.exit_code == 0, result.output
    assert "names: ada" in result.stdout
    assert "development challenges" in result.stdout
    assert "vestibule.extension.Vestibule" in result.stdout
    assert "Traceback" not in result.output


def test_what_goes_wrong_ends_a_line_and_not_the_prompt() -> None:
    result = type_in(
        "1 / 0",
        "async with unit() as u: raise KeyError('mine')",
        "",
        "await missing",
        "(",
        ")",
        "print('still', 'here')",
    )
    assert result.exit_code == 0
    for name in ("ZeroDivisionError", "KeyError", "NameError"):
        assert name in result.stderr
    assert "still here" in result.stdout


def test_a_unit_that_ends_badly_changes_nothing() -> None:
    result = type_in(
        "from sqlalchemy import text",
        "add = text(\"INSERT INTO counters VALUES ('x', 'x', 1, '2026-01-01 00:00:00')\")",
        "async with unit() as u: await u.session.execute(add); raise KeyError",
        "",
        "async with unit() as u: await u.session.execute(add)",
        "",
        "async with unit() as u: rows = await u.session.scalars(select(Counter))",
        "",
        "print('rows:', len(rows.all()))",
    )
    assert "rows: 1" in result.stdout


def test_exit_ends_it() -> None:
    result = type_in("exit()", "print('still', 'here')")
    assert result.exit_code == 0
    assert "still here" not in result.stdout


def test_settings_that_are_wrong_are_told_as_everywhere() -> None:
    result = type_in(VESTIBULE_LIMITS="x=1/1h")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: VESTIBULE_LIMITS: ")
    assert "Traceback" not in result.output
