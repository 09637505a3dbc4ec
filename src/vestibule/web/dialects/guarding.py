"""A host's routes behind a dialect's credential."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from quart import current_app
from quart.typing import ResponseReturnValue

from vestibule.web.access import GUARD, INSIDE
from vestibule.web.conditions import Conditions

AnyView = Callable[..., Any]  # Any: a view returns what Quart takes
Guarded = Callable[..., Awaitable[Any]]  # Any: the same
Decorator = Callable[[AnyView], Guarded]
Call = Callable[[], Awaitable[ResponseReturnValue]]
Entry = Callable[[Call, Conditions], Awaitable[ResponseReturnValue]]


def conditions(role: str | None, *, verified: bool = False) -> Conditions:
    return Conditions.of(role, any_of=(), scope=None, verified=verified, recent=False)


def guard(view: AnyView, entry: Entry, asked: Conditions) -> Guarded:
    """Return `view` behind `entry`, which answers by itself whom it does not let in.

    Raises:
        TypeError: a class, which is guarded by its list of decorators.
    """
    if isinstance(view, type):
        raise TypeError(f"a class cannot be guarded: list it in {view.__name__}.decorators")

    @wraps(view)
    async def guarded(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes
        async def call() -> Any:  # Any: whatever the view returns
            return await current_app.ensure_async(view)(*args, **named)

        return await entry(call, asked)

    vars(guarded).pop(INSIDE, None)
    setattr(guarded, GUARD, (*getattr(view, GUARD, ()), asked))
    if hasattr(view, "__dict__"):
        vars(view)[INSIDE] = True
    return guarded
