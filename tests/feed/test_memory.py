"""What one process remembers, and when it does not."""

from uuid import UUID

import pytest

from vestibule.kernel.ids import uuid7
from vestibule.kernel.memory import Fact, Forgotten, Memory, Remembered, read_words, words

ADA, BOB = uuid7(), uuid7()


def test_what_changed_is_read_as_it_was_written() -> None:
    facts: set[Forgotten] = {(fact, ADA) for fact in Fact} | {(Fact.SIGNING_KEYS, None)}
    assert read_words(words(facts)) == facts


def test_more_than_a_message_carries_is_everything() -> None:
    many: list[Forgotten] = [(Fact.API_KEY, uuid7()) for _ in range(400)]
    for most in range(len(many)):
        written = words(many[:most])
        assert len(written.encode()) < 8000
        assert read_words(written) in (None, set(many[:most]))
    assert read_words(words(many)) is None
    assert read_words(words(many[:100])) == set(many[:100])


@pytest.mark.parametrize("said", ["nobody:1", "session", "session:zz", "session:1 x"])
def test_words_that_nobody_knows_are_everything(said: str) -> None:
    """A later version may speak of more."""
    assert said == "session" or read_words(said) is None


def test_nothing_is_remembered_for_ever() -> None:
    for_a_moment: Remembered[str, int] = Remembered(ceiling=0)
    for_ever: Remembered[str, int] = Remembered(ceiling=60)
    for each in (for_a_moment, for_ever):
        each.put("x", 1)
    assert for_a_moment.get("x") is None
    assert for_ever.get("x") == 1


def test_there_is_room_for_so_many_and_the_oldest_goes() -> None:
    held: Remembered[int, int] = Remembered(most=3)
    for each in (1, 2, 3, 1, 4):
        held.put(each, each)
    assert len(held) == 3
    assert [each for each in range(1, 5) if held.get(each)] == [1, 3, 4]


@pytest.mark.parametrize("changed", [(Fact.SESSION, ADA), (Fact.SESSION, BOB), None])
def test_what_changes_while_it_is_read_is_not_remembered(changed: tuple[Fact, UUID] | None) -> None:
    memory = Memory()
    with memory.loading() as loading:
        if changed is None:
            memory.forget_everything()
        else:
            memory.forget([changed])
        assert loading.is_good((Fact.SESSION, ADA)) is (changed == (Fact.SESSION, BOB))
    with memory.loading() as later:
        assert later.is_good((Fact.SESSION, ADA))


def test_nothing_is_believed_before_anything_was_heard() -> None:
    assert not Memory().is_trusted
