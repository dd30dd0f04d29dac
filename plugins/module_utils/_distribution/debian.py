# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian on this machine: its mirror, its packages, and a root file system made of them. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import typing as t
import urllib.parse

from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError, output, run_logged
from ansible_collections.slipway.kube.plugins.module_utils._distribution.machine import ca_bundle

# Where a suite's apt shows which sources are its default: in the format of sources.list.d since trixie.
_EXAMPLES = "usr/share/doc/apt/examples"
_DEFAULT_SOURCES = {"debian.sources": "etc/apt/sources.list.d/debian.sources", "sources.list": "etc/apt/sources.list"}
# What debootstrap copies of this machine, and its own logs.
_OF_THIS_MACHINE = ("etc/hostname", "etc/resolv.conf", "var/log/*.log", "var/log/apt")


@dataclasses.dataclass(frozen=True)
class DebianMirror:
    """The machine's own Debian mirror and the proxy it uses for it (empty for none).

    ``uri`` is without the user's name and the password that the mirror asks for.
    """

    uri: str
    proxy: str
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)

    @classmethod
    def of_this_machine(cls) -> DebianMirror:
        """Read apt's configuration; raises BuildError."""
        listed = output(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(REPO_URI)|$(CREATED_BY)"])
        for line in listed.splitlines():
            origin, _site, uri, created_by = (line.split("|") + ["", "", "", ""])[:4]
            if created_by == "Packages" and (origin == "Debian" or "/debian" in uri) and "security" not in uri:
                proxy = output(["apt-config", "shell", "proxy", "Acquire::http::Proxy"]).strip()
                return cls._of(uri.rstrip("/"), proxy.partition("=")[2].strip("'\""))
        raise BuildError(
            "apt's configuration names no Debian mirror: add one to /etc/apt/sources.list and run 'apt-get update'."
        )

    @classmethod
    def _of(cls, uri: str, proxy: str) -> DebianMirror:
        parts = urllib.parse.urlsplit(uri)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return cls(bare, proxy, urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or ""))

    def configuration(self, suite: str, directory: str) -> dict[str, str]:
        """The files, by name, that lead apt to the mirror instead of its own sources; they are to lie in ``directory``."""
        settings = {
            "Dir::Etc::SourceList": f"{directory}/sources.list",
            "Dir::Etc::SourceParts": "-",
            "Dir::Etc::netrc": f"{directory}/auth.conf",
            **({"Acquire::http::Proxy": self.proxy} if self.proxy else {}),
        }
        login = f"machine {self.uri} login {self.user} password {self.password}\n" if self.user else ""
        return {
            "apt.conf": "".join(f'{name} "{value}";\n' for name, value in settings.items()),
            "sources.list": f"deb {self.uri} {suite} main\n",
            "auth.conf": login,
        }

    def for_wget(self, wgetrc: pathlib.Path) -> dict[str, str]:
        """Environment variables for wget, by which debootstrap downloads; ``wgetrc`` is written if a password is needed. Raises OSError."""
        variables = {"http_proxy": self.proxy} if self.proxy else {}
        if self.user:
            wgetrc.write_text(f"user = {self.user}\npassword = {self.password}\n", encoding="utf-8")
            variables["WGETRC"] = str(wgetrc)
        return variables


def make_root(settings: t.Mapping[str, t.Any], archive: pathlib.Path, log: pathlib.Path, failed: str) -> None:
    """Write a root file system of a Debian suite as a tar file; ``settings`` are the manifest's. Raises BuildError and OSError.

    Nothing in it names the machine's mirror or proxy: its package sources are the suite's default.
    """
    mirror = DebianMirror.of_this_machine()
    # Beside the archive, in the cache's scratch directory: there the next run finds it when this one is killed.
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        root = pathlib.Path(scratch) / "root"
        environment = {**os.environ, **mirror.for_wget(pathlib.Path(scratch) / "wgetrc")}
        suite = settings["suite"]
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(root), mirror.uri]
        run_logged(
            command, log, failed, f"Does the machine's Debian mirror ({mirror.uri}) carry {suite}?", env=environment
        )
        shutil.copyfile(ca_bundle(), root / "etc/ssl/certs/ca-certificates.crt")
        _use_default_sources(root, suite)
        _slim(root)
        for name, content in settings.get("files", {}).items():
            (root / name).write_text(content, encoding="utf-8")
        # No package's script starts a service in an image.
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
        with tarfile.open(archive, "w") as out:
            for entry in sorted(root.iterdir()):
                out.add(entry, entry.name)


def _use_default_sources(root: pathlib.Path, suite: str) -> None:
    """Replace the mirror that debootstrap wrote down by the sources that the suite's own apt names."""
    for example, place in _DEFAULT_SOURCES.items():
        if (root / _EXAMPLES / example).is_file():
            (root / "etc/apt/sources.list").unlink(missing_ok=True)
            shutil.copyfile(root / _EXAMPLES / example, root / place)
            return
    raise BuildError(f"apt of {suite} does not say in {_EXAMPLES} which package sources are its default.")


def _slim(root: pathlib.Path) -> None:
    """Remove what no image needs: package archives, package lists, documentation, what is this machine's."""
    shutil.rmtree(root / "var/cache/apt/archives")
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    for lists in (root / "var/lib/apt/lists").iterdir():
        lists.unlink() if lists.is_file() else shutil.rmtree(lists)
    for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(root / unneeded, ignore_errors=True)
    for pattern in _OF_THIS_MACHINE:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def installed_packages() -> set[str]:
    """Names of the Debian packages that are installed; empty on another system."""
    if shutil.which("dpkg-query") is None:
        return set()
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return {
        name
        for status, _, name in (line.partition(" ") for line in listed.stdout.splitlines())
        if status == "installed"
    }
