"""Signals that ask this process to stop, and what follows them."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping

STOPS = (signal.SIGTERM, signal.SIGINT)
_ECHO = 0.25  # a signal may reach us twice, from the terminal and from who started us


def on_stop(
    act: Callable[[signal.Signals], None],
    *,
    within: Mapping[signal.Signals, float],
    again: Callable[[], None] | None = None,
) -> None:
    """Have `act` called at the first of these signals; the process ends so many seconds after it.

    Args:
        within: the signals, and after how many seconds the process ends whatever still runs.
        again: called at signals after that one; without it they end the process.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def let_go() -> None:
        for each in within:
            if again is not None:
                loop.add_signal_handler(each, again)
            else:
                loop.remove_signal_handler(each)
                signal.signal(each, signal.SIG_DFL)

    def first(came: signal.Signals) -> None:
        nonlocal asked
        if asked:
            return  # two came in the same turn of the loop
        asked = True
        for each in within:
            loop.add_signal_handler(each, lambda: None)
        loop.call_later(_ECHO, let_go)
        # A thread cannot be cancelled, and Python waits for it for ever: nobody else does.
        last_resort = threading.Timer(within[came], os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        act(came)

    for each in within:
        loop.add_signal_handler(each, first, each)
