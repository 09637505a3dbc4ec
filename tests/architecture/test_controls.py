"""The tables of controls are current: who rewrites one rewrites its row, not at the next proof."""

import pytest

from tests.architecture.source import PACKAGE
from tests.prove import test_controls, test_feed_controls, test_web_controls

TABLES = (test_controls.CONTROLS, test_web_controls.CONTROLS, test_feed_controls.CONTROLS)
ROWS = [(name, control) for table in TABLES for name, control in table.items()]


@pytest.mark.parametrize("name, control", ROWS, ids=[name for name, _ in ROWS])
def test_a_control_stands_as_its_row_says(name: str, control: test_controls.Control) -> None:
    assert (PACKAGE / control.file).read_text("utf-8").count(control.before) == 1, name
