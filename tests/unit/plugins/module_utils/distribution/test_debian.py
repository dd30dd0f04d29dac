# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's mirror and packages on this machine."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._distribution import debian
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError

LISTED = """\
Debian|https://mirror.example/debian|https://mirror.example/debian-security/|Packages
Debian|https://mirror.example/debian|https://mirror.example/debian/|Sources
Debian|https://mirror.example/debian|https://mirror.example/debian/|Packages
"""


@pytest.mark.parametrize(
    ("setting", "proxy"), [("", ""), ("proxy='http://proxy.example:3142'\n", "http://proxy.example:3142")]
)
def test_mirror_is_the_one_of_apt(monkeypatch: pytest.MonkeyPatch, setting: str, proxy: str) -> None:
    monkeypatch.setattr(debian, "output", lambda command: LISTED if command[0] == "apt-get" else setting)
    assert debian.DebianMirror.of_this_machine() == debian.DebianMirror("https://mirror.example/debian", proxy)


def test_machine_without_a_debian_mirror_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "output", lambda command: "")
    with pytest.raises(BuildError, match="names no Debian mirror: add one"):
        debian.DebianMirror.of_this_machine()


def test_packages_that_were_removed_but_configured_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = subprocess.CompletedProcess([], 0, "installed runc\nconfig-files docker.io\nnot-installed iptables\n")
    monkeypatch.setattr(debian.shutil, "which", lambda name: name)
    monkeypatch.setattr(debian.subprocess, "run", lambda *_arguments, **_options: listing)
    assert debian.installed_packages() == {"runc"}
