from datetime import UTC, timedelta

from vestibule.kernel.clock import MovableClock, SystemClock


def test_time_is_aware_and_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert MovableClock().now().tzinfo is UTC


def test_a_moved_clock_goes_on_from_there() -> None:
    clock, other = MovableClock(), MovableClock()
    before = clock.now()
    clock.move(timedelta(days=1))
    clock.move(timedelta(hours=-1))
    assert timedelta(hours=23) <= clock.now() - before < timedelta(hours=24)
    assert other.now() - before < timedelta(hours=1), "each has its own"
