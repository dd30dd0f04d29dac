# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles' tests share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from docker_engine import DockerEngine


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """A container engine without images and containers."""
    # A socket's path has at most 107 bytes.
    server = DockerEngine(tmp_path_factory.mktemp("e") / "s")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
