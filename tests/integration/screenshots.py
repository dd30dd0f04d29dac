#!/usr/bin/env python3
# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the pictures of the application that the documentation shows, of a deployment that runs.

.venv/bin/python -m tests.integration.screenshots [http://todo.localhost:8080]
"""

from __future__ import annotations

import sys
from pathlib import Path

from .browser import DESKTOP, PHONE, BrowserError, furnish, picture, started, visiting
from .web import Address

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main(arguments: list[str]) -> int:
    """Write docs/images/todo.png and todo-phone.png; the process's exit code."""
    url = Address(arguments[0] if arguments else "http://todo.localhost:8080").url
    with started() as browser:
        for screen, name, view in ((DESKTOP, "todo.png", "tasks"), (PHONE, "todo-phone.png", "chat")):
            with visiting(browser, url, screen) as visitor:
                visitor.register()
                furnish(visitor)
                visitor.show(view)
                picture(visitor, IMAGES / name)
                visitor.leave()
            print(IMAGES / name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (BrowserError, ValueError) as error:
        sys.exit(str(error))
