# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take addresses apart. Private to the collection."""

from __future__ import annotations

import re

DEFAULT_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443, "tls": 443}


def split_address(text: str) -> tuple[str, int | None]:
    """Split address, address:port, [v6]:port or a bare v6 address; ValueError for anything else."""
    found = re.match(r"^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]\s/]+))(?::(\d{1,5}))?$", text.strip())
    if found:
        port = int(found.group(3)) if found.group(3) else None
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"{text!r} has no valid port")
        return found.group(1) or found.group(2), port
    if text.count(":") > 1 and re.match(r"^[0-9A-Fa-f:.%\w]+$", text.strip()):
        return text.strip(), None
    raise ValueError(f"{text!r} is no address: write 192.0.2.1, 192.0.2.1:8080 or [2001:db8::1]:8080")
