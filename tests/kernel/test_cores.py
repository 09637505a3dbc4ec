"""How many cores a container may use."""

import os
from pathlib import Path

import pytest

from vestibule.kernel.cores import cores


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)


@pytest.mark.parametrize(
    "quota,allowed",
    [
        ("400000 100000", 4),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("max 100000", 8),
        ("100000 0", 8),
        ("nonsense", 8),
        ("", 8),
    ],
)
def test_the_quota_of_cgroup_2_counts(tmp_path: Path, quota: str, allowed: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert cores(tmp_path) == allowed


@pytest.mark.parametrize(
    "quota,period,allowed",
    [
        ("300000", "100000", 3),
        ("20000", "100000", 1),
        ("-1", "100000", 8),
        ("100000", "0", 8),
        ("", "", 8),
    ],
)
def test_the_quota_of_cgroup_1_counts(
    tmp_path: Path, quota: str, period: str, allowed: int
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text(f"{period}\n")
    assert cores(tmp_path) == allowed


def test_without_a_quota_affinity_counts(tmp_path: Path) -> None:
    assert cores(tmp_path) == 8


def test_without_affinity_the_machine_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path) == 1
