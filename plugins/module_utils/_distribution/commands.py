# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs of this machine for what is made, and says why one failed. Private to the collection."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

SHOWN_LINES = 12  # of what a failed command wrote


class BuildError(Exception):
    """A step failed; the text says which, why and what to do."""


def output(command: list[str]) -> str:
    """What a command writes to its standard output. Raises BuildError."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is not installed; packages are built on Debian and its derivatives.") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{command[0]} failed: {error.stderr.strip()[-500:]}") from error


def run_logged(
    command: list[str],
    log: pathlib.Path,
    failed: str,
    remedy: str,
    cwd: pathlib.Path | None = None,
    env: t.Mapping[str, str] | None = None,
) -> None:
    """Run a command with all that it writes in ``log``. Raises BuildError: ``failed`` says what, ``remedy`` what to do."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        code = subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        ).returncode
    if code:
        raise BuildError(f"{failed} (exit code {code}). {remedy}\n{last_words(log)}")


def last_words(log: pathlib.Path) -> str:
    """The last lines of a log, and where the rest is."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "\n".join([*lines[-SHOWN_LINES:], f"All of it: {log}"])
