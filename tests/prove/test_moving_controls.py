"""What keeps moving in safe, taken out piece by piece: as `test_controls.py`."""

from pathlib import Path

import pytest

from tests.prove.test_controls import Control, take_out

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

_FORMATS = "tests/moving/test_formats.py"
_NONE = f"{_FORMATS}::test_what_is_none_or_costs_too_much_is_unreadable_and_nobodys"
_TWICE = f"{_FORMATS}::test_a_double_hash_is_right_with_its_salt_alone"
_MOVING = "tests/moving/test_moving.py"
_TOLD = f"{_MOVING}::test_who_cannot_come_is_told_beforehand_and_left_out"
_COSTS = (
    f"{_MOVING}::test_a_name_that_nobody_has_costs_what_one_of_the_hashes_would_always_the_same"
)
_SHUT = f"{_MOVING}::test_an_account_that_lets_nobody_in_costs_what_it_did_before"
_OTHERS = f"{_MOVING}::test_an_id_that_is_somebody_elses_moves_nobody_in"
_OUT = f"{_MOVING}::test_what_was_written_out_moves_in_elsewhere"
_COMES = f"{_MOVING}::test_people_come_from_a_database_with_roles_and_log_in_as_before"

CONTROLS = {
    "once more, whose hash was made anew meanwhile": Control(
        "accounts/login.py",
        "        if entered is None:  # somebody else hashed it anew",
        "        if False:  # somebody else hashed it anew",
        "tests/races/test_life.py"
        "::test_of_many_who_have_a_hash_made_anew_at_once_none_is_sent_away",
    ),
    "what a foreign hash may cost": Control(
        "kernel/foreign.py", "        if dear:\n", "        if False:\n", _NONE
    ),
    "what a foreign hash looks like": Control(
        "kernel/foreign.py", "        if not right:\n", "        if False:\n", _NONE
    ),
    "a label that says what the hash does": Control(
        "kernel/foreign.py", "int(found[1]) == doublings >= _LEAST_DOUBLINGS", "True", _NONE
    ),
    "costs that are numbers": Control(
        "kernel/foreign.py", "if not all(map(_NUMBER.fullmatch, rest)):", "if False:", _NONE
    ),
    "a decoy for what can be checked alone": Control(
        "accounts/disguise.py",
        "    except foreign.Unreadable:\n        return None\n",
        "    except ZeroDivisionError:\n        return None\n",
        f"{_MOVING}::test_a_hash_that_is_none_is_a_wrong_password_whoever_asks",
    ),
    "the salt of double hashes": Control(
        "kernel/foreign.py",
        "any(made) and not (found.first == HMAC and not double_hash_salt)",
        "any(made) or (found.first == HMAC and not double_hash_salt)",
        _TWICE,
    ),
    "what an unknown name costs": Control(
        "accounts/disguise.py",
        "    return known.decoys[max(known.counted, key=weight)]",
        "    return None",
        _COSTS,
    ),
    "a cost that is always the same": Control(
        "accounts/disguise.py",
        "    key = names.counted_as(identifier)\n",
        '    key = f"{identifier}{unit.now}"\n',
        _COSTS,
    ),
    "what an account that is shut costs": Control(
        "accounts/disguise.py",
        "        return account.password_hash\n",
        "        pass\n",
        _SHUT,
    ),
    "the hash anew at log-in": Control(
        "kernel/passwords.py", "foreign.is_foreign(hashed) or ", "", _COMES
    ),
    "whose id it was": Control(
        "moving/arrival.py",
        "same is not None and _is_same(same, key, each.username_key)",
        "same is not None",
        _OTHERS,
    ),
    "names that are the same once folded": Control(
        "moving/report.py", "if value is not None and value in known:", "if False:", _TOLD
    ),
    "addresses that are proved only where that is known": Control(
        "moving/people.py",
        'return _known("verified", lacks, said=values.is_since(_value(row, reading, "verified")))',
        "return True",
        _TOLD,
    ),
    "words for yes": Control(
        "moving/people.py",
        "    return said is True\n",
        "    return said is not False\n",
        f"{_MOVING}::test_only_a_word_for_yes_lets_anybody_in",
    ),
    "times before all others": Control(
        "moving/values.py",
        "return found.timestamp() > 0",
        "return True",
        f"{_MOVING}::test_only_a_word_for_yes_lets_anybody_in",
    ),
    "columns of late lines": Control(
        "moving/sources.py",
        "        for row in self._rows():  #",
        "        for row in islice(self._rows(), PAGE):  #",
        f"{_MOVING}::test_a_column_that_only_a_late_line_has_counts",
    ),
    "what one may be called": Control(
        "moving/people.py",
        "if text and not _RULES[of](text):",
        "if False:",
        f"{_MOVING}::test_what_nobody_could_choose_is_left_out_and_told",
    ),
    "cells that are no formulas": Control(
        "moving/departure.py",
        "if isinstance(cell, str) and FORMULA.match(cell)",
        "if False",
        f"{_MOVING}::test_no_cell_of_csv_is_a_formula_and_all_come_in_again_as_they_were",
    ),
    "files with hashes, for their owner alone": Control(
        "moving/departure.py", "os.O_WRONLY, 0o600)", "os.O_WRONLY, 0o644)", _OUT
    ),
    "files that are never written over": Control(
        "moving/departure.py", "os.O_CREAT | os.O_EXCL | ", "os.O_CREAT | ", _OUT
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_control_a_test_fails(name: str, tmp_path: Path) -> None:
    failed = take_out(CONTROLS[name], tmp_path)
    print(f"\n  without {name}: {failed}")  # noqa: T201
