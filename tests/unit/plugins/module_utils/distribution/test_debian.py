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


def test_login_of_the_mirror_is_no_part_of_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "Debian||http://ada:pass%40word@mirror.example:8080/debian/|Packages"
    monkeypatch.setattr(debian, "output", lambda command: listed if command[0] == "apt-get" else "")
    mirror = debian.DebianMirror.of_this_machine()
    assert mirror == debian.DebianMirror("http://mirror.example:8080/debian", "", "ada", "pass@word")
    assert "pass@word" not in repr(mirror)
    assert mirror.configuration("trixie", "/mnt")["auth.conf"] == (
        "machine http://mirror.example:8080/debian login ada password pass@word\n"
    )


def test_apt_is_led_to_the_mirror_by_files_of_one_directory() -> None:
    found = debian.DebianMirror("https://mirror.example/debian", "http://proxy:1").configuration("trixie", "/mnt")
    assert found["apt.conf"].splitlines() == [
        'Dir::Etc::SourceList "/mnt/sources.list";',
        'Dir::Etc::SourceParts "-";',
        'Dir::Etc::netrc "/mnt/auth.conf";',
        'Acquire::http::Proxy "http://proxy:1";',
    ]
    assert (found["sources.list"], found["auth.conf"]) == ("deb https://mirror.example/debian trixie main\n", "")


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
if [ -n "$WGETRC" ]; then cat "$WGETRC" >{place}/wgetrc; fi
[ "$3" = forky ] && echo "E: No such script: forky" && exit 3
for directory in etc/ssl/certs etc/apt/apt.conf.d usr/sbin usr/bin var/cache/apt/archives/partial var/lib/apt/lists/partial \\
  usr/share/doc/bash usr/share/man usr/share/locale usr/share/zoneinfo; do mkdir -p "$4/$directory"; done
for file in var/cache/apt/archives/bash.deb var/lib/apt/lists/Packages usr/share/doc/bash/README usr/share/zoneinfo/UTC usr/bin/bash; do
  echo content >"$4/$file"
done
mkdir -p "$4/etc/apt/sources.list.d" "$4/var/log/apt" "$4/usr/share/doc/apt/examples"
echo "deb $5 $3 main" | tee "$4/etc/apt/sources.list" "$4/var/log/bootstrap.log" >"$4/var/log/apt/history.log"
echo nameserver mirror.example | tee "$4/etc/hostname" >"$4/etc/resolv.conf"
if [ -n "{example}" ]; then echo "default of $3" >"$4/usr/share/doc/apt/examples/{example}"; fi
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str | None]]:
    """Make a root file system with a stand-in for debootstrap; the contents of its files by their names, None for directories."""
    program = tmp_path / "bin/debootstrap"
    program.parent.mkdir()
    (tmp_path / "ca.pem").write_text("certificates of this machine")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setattr(debian, "ca_bundle", lambda: tmp_path / "ca.pem")

    def go(proxy: str = "", user: str = "", example: str = "debian.sources", **settings: Any) -> dict[str, str | None]:
        program.write_text(DEBOOTSTRAP.format(place=tmp_path, example=example))
        program.chmod(0o755)
        mirror = debian.DebianMirror("https://mirror.example/debian", proxy, user, f"password of {user}")
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


@pytest.mark.parametrize(
    ("example", "place"),
    [("debian.sources", "etc/apt/sources.list.d/debian.sources"), ("sources.list", "etc/apt/sources.list")],
)
def test_nothing_of_the_mirror_and_the_proxy_stays_in_a_root(
    make: Callable[..., dict[str, str | None]], tmp_path: Path, example: str, place: str
) -> None:
    members = make("http://proxy.example:3142", "ada", example=example)
    assert members[place] == "default of trixie\n"
    assert {name for name in members if name.startswith("etc/apt/sources.list") and members[name]} == {place}
    words = ("mirror.example", "proxy.example", "ada")
    assert [name for name, text in members.items() if any(word in f"{name} {text}" for word in words)] == []
    called = (tmp_path / "called").read_text()
    assert called.endswith(" proxy=http://proxy.example:3142\n") and "password" not in called
    assert (tmp_path / "wgetrc").read_text() == "user = ada\npassword = password of ada\n"


def test_an_apt_that_names_no_default_sources_ends_the_step(make: Callable[..., dict[str, str | None]]) -> None:
    with pytest.raises(BuildError, match="apt of trixie does not say in usr/share/doc/apt/examples"):
        make(example="")


def test_a_suite_that_the_mirror_lacks_is_told_with_the_last_words(
    make: Callable[..., dict[str, str | None]], tmp_path: Path
) -> None:
    with pytest.raises(
        BuildError, match=r"(?s)There is no root \(exit code 3\)\. .*carry forky.*E: No such script: forky"
    ):
        make(suite="forky")
    assert not (tmp_path / "root.tar").exists()
