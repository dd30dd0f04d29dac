# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request is doing, and how long its phases took. Private to the collection."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

TIMEOUT_CODES = {
    "dns": "dns_timeout",
    "descriptor": "descriptors_exhausted",
    "connect": "connect_timeout",
    "tls": "tls_timeout",
    "write": "write_timeout",
    "read": "read_timeout",
    "kubernetes": "kubernetes_api",
}
"""The fault that running out of time is, by what was under way."""
_SECOND = 1000.0


@dataclass
class Timings:
    """What one request is doing and how long its phases took, in milliseconds."""

    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    phase: str = "connect"
    proxied: bool = False
    received: int = 0
    phases: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin now."""
        self.started = self.clock()

    def enter(self, phase: str) -> float:
        """Begin a phase; return the moment."""
        self.phase = phase
        return self.clock()

    def leave(self, phase: str, since: float) -> None:
        """Note how long a phase took."""
        self.phases[phase] = round((self.clock() - since) * _SECOND, 3)

    @property
    def timeout_code(self) -> str:
        """The fault that running out of time now is."""
        return "proxy_failed" if self.proxied else TIMEOUT_CODES[self.phase]

    def finish(self) -> None:
        """Note the time of the whole request."""
        self.phases["total"] = round((self.clock() - self.started) * _SECOND, 3)
