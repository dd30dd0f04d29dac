# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A component with a small source tree, for the tests of what builds it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._images.plan import ComponentImage


def lay_source(root: Path) -> Path:
    """Write a small context with a file of each kind below a directory and return the directory."""
    (root / "src").mkdir(parents=True)
    (root / "src/app.py").write_text("print()")
    (root / "src/run").write_text("#!/bin/sh")
    (root / "src/run").chmod(0o755)
    (root / "link").symlink_to("src/app.py")
    (root / "Dockerfile").write_text("FROM scratch")
    return root


def component(source: Path, dockerfile: str = "Dockerfile", **arguments: str) -> ComponentImage:
    return ComponentImage("todo", "todo:1", source, source / dockerfile, arguments, (), True)
