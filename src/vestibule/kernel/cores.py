"""How many cores this process may use, which is not how many the machine has."""

import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cores(cgroup: Path = _CGROUP) -> int:
    """Return the smaller of CPU affinity and cgroup quota (v2 or v1), at least 1."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        allowed = os.cpu_count() or 1
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        allowed = min(allowed, int(quota) // int(period))
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text()
        period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
        if int(quota) > 0:
            allowed = min(allowed, int(quota) // int(period))
    return max(1, allowed)
