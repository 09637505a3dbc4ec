"""Which app the fixtures of Vestibule are about."""

from collections.abc import Callable

import pytest
import shop  # type: ignore[import-not-found] # it is found where pytest looks: beside this file
from quart import Quart

from vestibule import Vestibule


@pytest.fixture
def vestibule_factory() -> Callable[[Vestibule], Quart]:
    made: Callable[[Vestibule], Quart] = shop.create_app
    return made
