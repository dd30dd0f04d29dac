# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import paths


def test_an_option_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert paths.cache_dir("~/here", {"XDG_CACHE_HOME": "/xdg"}) == Path("/home/ada/here")
    assert paths.state_dir("/there", {}) == Path("/there")


def test_the_base_directory_specification_comes_next() -> None:
    environment = {"XDG_CACHE_HOME": "/xdg/cache", "XDG_STATE_HOME": "/xdg/state"}
    assert paths.cache_dir(None, environment) == Path("/xdg/cache/slipway")
    assert paths.state_dir("", environment) == Path("/xdg/state/slipway")


@pytest.mark.parametrize(
    "ignored",
    [{}, {"XDG_CACHE_HOME": "", "XDG_STATE_HOME": ""}, {"XDG_CACHE_HOME": "relative", "XDG_STATE_HOME": "./relative"}],
)
def test_without_it_the_home_directory(monkeypatch: pytest.MonkeyPatch, ignored: dict[str, str]) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert paths.cache_dir(None, ignored) == Path("/home/ada/.cache/slipway")
    assert paths.state_dir(None, ignored) == Path("/home/ada/.local/state/slipway")
