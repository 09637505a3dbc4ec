"""Each front end speaks with its dialect alone, and with all of them on one host."""

from collections.abc import Callable

import pytest

from vestibule.kernel.settings.dialects import NAMES

Mounted = Callable[[str], str]


@pytest.fixture(params=["alone", "together"])
def mounted(request: pytest.FixtureRequest) -> Mounted:
    """What VESTIBULE_DIALECTS says where one is served: itself, or all that there are."""
    if request.param == "alone":
        return lambda name: name
    return lambda name: ",".join((name, *(each for each in NAMES if each != name)))
