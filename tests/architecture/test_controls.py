"""The tables of controls are current: who rewrites one rewrites its row, not at the next proof."""

import pytest

from tests.architecture.source import PACKAGE
from tests.prove import (
    test_administration_controls,
    test_audit_controls,
    test_controls,
    test_dialect_controls,
    test_federation_controls,
    test_feed_controls,
    test_life_controls,
    test_moving_controls,
    test_role_controls,
    test_verify_controls,
    test_web_controls,
)

TABLES = (
    test_administration_controls,
    test_audit_controls,
    test_controls,
    test_dialect_controls,
    test_federation_controls,
    test_feed_controls,
    test_life_controls,
    test_moving_controls,
    test_role_controls,
    test_verify_controls,
    test_web_controls,
)
CONTROLS = {
    f"{table.__name__.rpartition('.')[2]}: {name}": control
    for table in TABLES
    for name, control in table.CONTROLS.items()
}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_stands_as_its_row_says(name: str) -> None:
    control = CONTROLS[name]
    assert (PACKAGE / control.file).read_text("utf-8").count(control.before) == 1
