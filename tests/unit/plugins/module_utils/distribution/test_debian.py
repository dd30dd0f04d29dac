# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's mirror and packages on this machine."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


# -- a root file system ------------------------------------------------------------------------------------------------

# Lays out what is looked at of a new root, whose path is the fourth word, and notes how it was called.
DEBOOTSTRAP = """#!/bin/sh
echo "$@" "proxy=$http_proxy" >{place}/called
[ "$3" = forky ] && echo "E: No such script: forky" && exit 3
for directory in etc/ssl/certs etc/apt/apt.conf.d usr/sbin usr/bin var/cache/apt/archives/partial var/lib/apt/lists/partial \\
  usr/share/doc/bash usr/share/man usr/share/locale usr/share/zoneinfo; do mkdir -p "$4/$directory"; done
for file in var/cache/apt/archives/bash.deb var/lib/apt/lists/Packages usr/share/doc/bash/README usr/share/zoneinfo/UTC usr/bin/bash; do
  echo content >"$4/$file"
done
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str | None]]:
    """Make a root file system with a stand-in for debootstrap; the contents of its files by their names, None for directories."""
    program = tmp_path / "bin/debootstrap"
    program.parent.mkdir()
    program.write_text(DEBOOTSTRAP.format(place=tmp_path))
    program.chmod(0o755)
    (tmp_path / "ca.pem").write_text("certificates of this machine")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setattr(debian, "ca_bundle", lambda: tmp_path / "ca.pem")

    def go(proxy: str = "", **settings: Any) -> dict[str, str | None]:
        mirror = debian.DebianMirror("https://mirror.example/debian", proxy)
        monkeypatch.setattr(debian.DebianMirror, "of_this_machine", lambda: mirror)
        archive = tmp_path / "root.tar"
        debian.make_root({"suite": "trixie", **settings}, archive, tmp_path / "logs/root.log", "There is no root")
        with tarfile.open(archive) as found:
            contents = {member.name: found.extractfile(member) for member in found}
            return {name: content.read().decode() if content else None for name, content in contents.items()}

    return go


def test_a_root_has_the_certificates_of_this_machine_and_starts_no_services(
    make: Callable[..., dict[str, str | None]], tmp_path: Path
) -> None:
    members = make(files={"etc/hostname": "slipway\n"})
    assert members["etc/ssl/certs/ca-certificates.crt"] == "certificates of this machine"
    assert members["etc/hostname"] == "slipway\n" and members["usr/bin/bash"] == "content\n"
    assert members["usr/sbin/policy-rc.d"] == "#!/bin/sh\nexit 101\n"
    with tarfile.open(tmp_path / "root.tar") as archive:
        assert archive.getmember("usr/sbin/policy-rc.d").mode & 0o777 == 0o755
    suite, _root, mirror, proxy = (tmp_path / "called").read_text().split()[-4:]
    assert (suite, mirror, proxy) == ("trixie", "https://mirror.example/debian", "proxy=")


def test_a_root_holds_no_package_lists_archives_and_documentation(make: Callable[..., dict[str, str | None]]) -> None:
    members = make()
    assert "var/cache/apt/archives/partial" in members and "var/lib/apt/lists" in members
    assert {"usr/share/zoneinfo/UTC", "usr/share"} <= set(members)
    gone = (
        "var/cache/apt/archives/bash.deb",
        "var/lib/apt/lists/",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
    )
    assert [name for name in members if name.startswith(gone)] == []


@pytest.mark.parametrize("proxy", ["", "http://proxy.example:3142"])
def test_the_proxy_of_apt_is_that_of_the_root(
    make: Callable[..., dict[str, str | None]], tmp_path: Path, proxy: str
) -> None:
    members = make(proxy)
    assert (tmp_path / "called").read_text().endswith(f" proxy={proxy}\n")
    assert members.get("etc/apt/apt.conf.d/81-proxy") == (f'Acquire::http::Proxy "{proxy}";\n' if proxy else None)


def test_a_suite_that_the_mirror_lacks_is_told_with_the_last_words(
    make: Callable[..., dict[str, str | None]], tmp_path: Path
) -> None:
    with pytest.raises(
        BuildError, match=r"(?s)There is no root \(exit code 3\)\. .*carry forky.*E: No such script: forky"
    ):
        make(suite="forky")
    assert not (tmp_path / "root.tar").exists()
