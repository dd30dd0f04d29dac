"""Faults on request, for trying out what watches over the service; settings.py drops them all in production."""

from __future__ import annotations

import logging
import time

from .settings import DatabaseSettings

logger = logging.getLogger(__name__)

_ballast: list[bytearray] = []
_PAGE = 4096


def report_ignored(settings: DatabaseSettings) -> None:
    """Say which switches were set in vain, so that nobody waits for them."""
    if settings.ignored_faults:
        names = ", ".join(settings.ignored_faults)
        logger.warning("Ignoring %s: fault switches are not honoured when ENVIRONMENT is production", names)


def apply_start_faults(settings: DatabaseSettings) -> None:
    """Delay, exit or take memory, as the switches say."""
    if settings.fault_start_delay:
        logger.warning("FAULT_START_DELAY is set: waiting %g s", settings.fault_start_delay)
        time.sleep(settings.fault_start_delay)
    if settings.fault_start_exit is not None:
        logger.error("FAULT_START_EXIT is set: exiting with code %d", settings.fault_start_exit)
        raise SystemExit(settings.fault_start_exit)
    if settings.fault_memory_mb:
        logger.warning("FAULT_MEMORY_MB is set: taking %d MiB", settings.fault_memory_mb)
        for _ in range(settings.fault_memory_mb):
            block = bytearray(1024 * 1024)
            # Memory counts against the limit only once every page has been written to.
            block[::_PAGE] = b"\x01" * (len(block) // _PAGE)
            _ballast.append(block)
