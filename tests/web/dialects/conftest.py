"""Each front end speaks with its dialect alone, and with all of them on one host."""

from collections.abc import Callable

import httpx
import pytest

from vestibule.kernel.settings.dialects import NAMES

DEVICE = "vestibule_device"
Mounted = Callable[[str], str]


def names_of_cookies(answer: httpx.Response) -> set[str]:
    """Return what an answer sets, but for the cookie by which a device is known again."""
    said = {each.partition("=")[0] for each in answer.headers.get_list("Set-Cookie")}
    return said - {DEVICE}


@pytest.fixture(params=["alone", "together"])
def mounted(request: pytest.FixtureRequest) -> Mounted:
    """What VESTIBULE_DIALECTS says where one is served: itself, or all that there are."""
    if request.param == "alone":
        return lambda name: name
    return lambda name: ",".join((name, *(each for each in NAMES if each != name)))
