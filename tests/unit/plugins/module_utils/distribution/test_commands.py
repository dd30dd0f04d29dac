# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import commands


def test_missing_program_is_no_traceback() -> None:
    with pytest.raises(commands.BuildError, match="no-such-program is not installed"):
        commands.output(["no-such-program"])


def test_failing_command_shows_its_last_words_and_where_the_rest_is(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "program-kube.log"
    command = ["sh", "-c", "seq 100; echo no such module; exit 3"]
    with pytest.raises(commands.BuildError) as caught:
        commands.run_logged(command, log, "program kube could not be built", "Is a proxy within reach?")
    text = str(caught.value)
    assert text.startswith("program kube could not be built (exit code 3). Is a proxy within reach?\n")
    assert "no such module" in text and "\n50\n" not in text
    assert text.endswith(f"All of it: {log}") and "\n50\n" in log.read_text()
