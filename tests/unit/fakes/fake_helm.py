# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program in the place of Helm."""

from __future__ import annotations

from pathlib import Path


class Helm:
    """A script that stands in for Helm: it writes down its command line and input, and answers what it is told to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.version = "v4.1.4"
        self.path = place / "helm"
        self.answer("")

    def answer(self, output: str, code: int = 0) -> None:
        (self.place / "output").write_text(output)
        self.path.write_text(
            f'#!/bin/sh\n[ "$1" = version ] && exec echo {self.version}\n'
            f'cd {self.place}\nprintf "%s\\n" "$@" > line\n[ -p /dev/stdin ] && cat > input\n'
            f"cat output\necho broken >&2\nexit {code}\n"
        )
        self.path.chmod(0o755)

    @property
    def line(self) -> list[str]:
        file = self.place / "line"
        return file.read_text().splitlines() if file.exists() else []
