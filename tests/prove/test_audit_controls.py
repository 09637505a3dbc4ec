"""What keeps the audit log whole and to whom it is about, taken out as in `test_controls.py`.

What the database itself refuses stands in a migration, which is never edited.
"""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_LOG = "tests/audit/test_log.py"

CONTROLS = {
    "whose entries are shown": Control(
        "web/api/audit.py",
        "account_id=known.account.id, ",
        "",
        f"{_LOG}::test_nobody_sees_what_happened_to_others",
    ),
    "who reads all of it": Control(
        "web/api/oversight.py",
        "@administers(all_of_it=True)\n@validate_querystring(AuditQuery)",
        "@administers()\n@validate_querystring(AuditQuery)",
        "tests/audit/test_reading.py::test_the_log_is_for_whoever_has_every_power",
    ),
    "who somebody else was": Control(
        "web/api/audit_models.py",
        "told.actor_id not in (None, told.account_id)",
        "False",
        f"{_LOG}::test_what_somebody_else_did_says_so_and_not_who",
    ),
    "from where somebody else came": Control(
        "web/api/audit_models.py",
        "address=None if by_another else told.address,",
        "address=told.address,",
        f"{_LOG}::test_from_where_somebody_else_came_is_nobodys_to_know",
    ),
    "the browser of somebody else": Control(
        "web/api/audit_models.py",
        "user_agent=None if by_another else told.user_agent,",
        "user_agent=told.user_agent,",
        f"{_LOG}::test_from_where_somebody_else_came_is_nobodys_to_know",
    ),
    "how old an entry becomes": Control(
        "audit/retention.py",
        " - timedelta(seconds=seconds) - _MARGIN",
        "",
        f"{_LOG}::test_entries_go_when_their_time_is_over_and_not_before",
    ),
    "nothing to go by, nothing that goes": Control(
        "audit/retention.py",
        "    if seconds is None:",
        "    seconds = seconds or 0\n    if seconds is None:",
        f"{_LOG}::test_without_a_time_to_keep_it_nothing_goes",
    ),
    "the time that the settings say": Control(
        "audit/retention.py",
        ".where(Retention.seconds != seconds)",
        ".where(Retention.seconds < 0)",
        f"{_LOG}::test_the_time_is_the_settings_and_a_change_of_it_is_an_entry",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
