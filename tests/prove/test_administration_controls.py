"""What keeps administrators to their powers, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_TESTS = "tests/web/api/test_administration.py"
_TOLD_APART = f"{_TESTS}::test_administrators_are_told_from_others_before_anything_is_read"
_BOUND = f"{_TESTS}::test_ones_own_powers_bound_on_whom_one_acts_and_what_one_gives"
_ONESELF = f"{_TESTS}::test_nobody_shuts_demotes_or_raises_themself"
_AT_ONCE = f"{_TESTS}::test_administrators_who_demote_or_shut_each_other_at_once_leave_one"
_AGAIN = f"{_TESTS}::test_a_flow_asks_again_who_is_an_administrator"
_ROLES = f"{_TESTS}::test_roles_are_given_and_taken_and_count_at_the_next_request"
_SHUT = f"{_TESTS}::test_an_account_that_is_shut_is_out_at_once_until_it_is_opened_again"
_KEPT = f"{_TESTS}::test_who_closes_an_account_does_not_keep_it_from_being_shut"
_EVERYWHERE = f"{_TESTS}::test_an_account_is_signed_out_everywhere"
_CURSOR = f"{_TESTS}::test_what_is_no_cursor_or_condition_is_refused_and_runs_nothing"
_SEARCH = f"{_TESTS}::test_a_search_finds_how_addresses_usernames_and_names_begin"
_ADMIN = "tests/web/api/test_administration.py::"
_FIRST = "tests/web/pages/test_first_administrator.py::test_"

CONTROLS = {
    "that it is for administrators": Control(
        "web/administrators.py",
        "            powers.check(settings, known.account.roles, all_of_it=all_of_it)\n",
        "",
        _TOLD_APART,
    ),
    "what support may not look at": Control(
        "accounts/powers.py", "(all_of_it or set(", "(set(", _BOUND
    ),
    "on whom one may act": Control(
        "accounts/powers.py",
        "    if not cover(holder, account.roles):\n",
        "    if False:\n",
        _BOUND,
    ),
    "what one may give": Control(
        "accounts/administration.py",
        "    if not powers.cover(holder, roles):\n",
        "    if False:\n",
        _BOUND,
    ),
    "nobody does it to themself": Control(
        "accounts/powers.py",
        "    if account is holder and not oneself:\n",
        "    if False:\n",
        _ONESELF,
    ),
    "the administrator, as they are now": Control(
        "accounts/powers.py",
        "    check(unit.settings, holder.roles)\n    return holder",
        "    return holder",
        _AGAIN,
    ),
    "the administrator, held": Control(
        "accounts/powers.py",
        "        .with_for_update(key_share=True, of=Account)\n",
        "",
        _AT_ONCE,
    ),
    "a recent log-in for roles": Control(
        "web/administrators.py",
        "                RECENT.check(known)\n",
        "                pass\n",
        _ROLES,
    ),
    "who did it": Control(
        "accounts/state.py",
        "Event.ACCOUNT_DISABLED, account_id=account_id, actor_id=by",
        "Event.ACCOUNT_DISABLED, account_id=account_id",
        _SHUT,
    ),
    "who ended its sessions": Control(
        "accounts/state.py", 'reason="disabled", by=by', 'reason="disabled"', _SHUT
    ),
    "accounts that are closing": Control(
        "accounts/state.py", '("active", "closing"), "disabled"', '("active",), "disabled"', _KEPT
    ),
    "the way back of one that is shut": Control(
        "accounts/state.py",
        "    await proofs.void(unit, account_id, Proof.KEEP)\n",
        "",
        _KEPT,
    ),
    "the last administrator": Control(
        "accounts/closing.py",
        "    await powers.may_leave(unit, account)\n",
        "",
        f"{_TESTS}::test_the_last_administrator_does_not_close_their_account",
    ),
    "administrators who are shut": Control(
        "accounts/powers.py",
        'Grant.role == ADMIN, Account.state == "active", Account.id',
        "Grant.role == ADMIN, Account.id",
        f"{_TESTS}::test_the_last_administrator_does_not_close_their_account",
    ),
    "administrators who go one after the other": Control(
        "accounts/powers.py",
        "    await unit.session.execute(administrators.with_for_update(key_share=True))\n",
        "",
        f"{_TESTS}::test_of_administrators_who_close_their_accounts_at_once_one_stays",
    ),
    "whom one may erase": Control(
        "accounts/administration.py",
        "    account = await powers.over(unit, by, account_id)\n"
        "    await closing.erase_now(unit, [account], by=by)\n",
        "    account = await unit.session.get_one(Account, account_id)\n"
        "    await closing.erase_now(unit, [account], by=by)\n",
        _ONESELF,
    ),
    "sign-ups of whoever is erased": Control(
        "accounts/closing.py",
        "        delete(Challenge).where("
        "Challenge.email_key.in_(theirs), Challenge.account_id.is_(None)),\n",
        "",
        f"{_TESTS}::test_an_account_is_erased_at_once_and_nothing_tells_of_its_owner",
    ),
    "links that end with the sessions": Control(
        "accounts/administration.py",
        "    await ending.void_open(unit, account.id)\n",
        "",
        _EVERYWHERE,
    ),
    "the proof of the first": Control(
        "accounts/first.py",
        "not _is_proved(unit.seals, proof) or ",
        "",
        f"{_FIRST}no_other_link_opens_anything",
    ),
    "one first alone": Control(
        "accounts/first.py",
        ".with_for_update())\n    if not await is_missing(unit):\n",
        ")\n    if False:\n",
        f"{_FIRST}of_ten_at_once_one_becomes_it",
    ),
    "this machine alone": Control(
        "web/pages/first.py",
        "    first.before_request(only_from_here)\n",
        "",
        f"{_FIRST}it_is_for_this_machine_and_its_own_pages",
    ),
    "who vouches for an address": Control(
        "accounts/administration.py",
        "all_of_it=vouched)",
        "all_of_it=False)",
        f"{_ADMIN}test_support_neither_vouches_for_an_address_nor_erases",
    ),
    "who erases": Control(
        "web/api/administration.py",
        "@administers(all_of_it=True, recent=True)",
        "@administers(recent=True)",
        f"{_ADMIN}test_support_neither_vouches_for_an_address_nor_erases",
    ),
    "a recent log-in to shut or open": Control(
        "web/api/administration.py",
        "        RECENT.check(known)\n",
        "        pass\n",
        f"{_ADMIN}test_an_account_is_erased_in_whichever_state_after_a_recent_log_in",
    ),
    "cursors of the same list": Control(
        "web/api/administration.py",
        "place is None or (place.term is not None) is not searching",
        "place is None",
        _CURSOR,
    ),
    "each account once in a search": Control(
        "accounts/directory.py",
        "and_(~or_(*earlier), *_narrowing(state, role))",
        "and_(true(), *_narrowing(state, role))",
        _SEARCH,
    ),
    "so many and no more": Control(
        "accounts/directory.py",
        "        if looked >= _LOOKED_AT:\n",
        "        if False:\n",
        f"{_ADMIN}test_a_page_looks_at_so_many_and_says_where_to_go_on",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
