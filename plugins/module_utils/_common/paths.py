# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Slipway keeps things on the inventory host. Private to the collection."""

from __future__ import annotations

import os
import pathlib
import typing as t


def _directory(variable: str, fallback: str, environ: t.Mapping[str, str]) -> pathlib.Path:
    base = environ.get(variable, "")
    # The base directory specification: a relative path in these variables is to be ignored.
    root = pathlib.Path(base) if os.path.isabs(base) else pathlib.Path.home() / fallback
    return root / "slipway"


def cache_dir(option: str | None = None, environ: t.Mapping[str, str] = os.environ) -> pathlib.Path:
    """Directory of what can be made again: ``option``, else ``$XDG_CACHE_HOME/slipway``, else ``~/.cache/slipway``."""
    return pathlib.Path(option).expanduser() if option else _directory("XDG_CACHE_HOME", ".cache", environ)


def state_dir(option: str | None = None, environ: t.Mapping[str, str] = os.environ) -> pathlib.Path:
    """Directory of what describes this machine's cluster: ``option``, else ``$XDG_STATE_HOME/slipway``, else ``~/.local/state/slipway``."""
    return pathlib.Path(option).expanduser() if option else _directory("XDG_STATE_HOME", ".local/state", environ)
