from collections.abc import Iterator

import pytest

from tests.verify.issuer import Issuer, issuing


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made
