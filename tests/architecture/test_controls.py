"""The table of controls is current: who rewrites one rewrites its row, not at the next proof."""

import pytest

from tests.architecture.source import PACKAGE
from tests.prove.test_controls import CONTROLS


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_stands_as_its_row_says(name: str) -> None:
    control = CONTROLS[name]
    assert (PACKAGE / control.file).read_text("utf-8").count(control.before) == 1
