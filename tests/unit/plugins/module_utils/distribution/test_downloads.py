# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against a server on loopback: sums, errors, and the time that a probe takes."""

from __future__ import annotations

import errno
import hashlib
import http.server
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._distribution import downloads

PROGRAM = b"#!/bin/sh\necho kubectl\n"
SUM = hashlib.sha256(PROGRAM).hexdigest()


class Mirror:
    """A server of what ``answers`` says: path to (status, body); it notes what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                status, body = mirror.answers.get(self.path, (404, b"nothing here"))
                self.send_response(status)
                # A body that is announced longer than it is: the connection is cut off.
                self.send_header("Content-Length", str(len(body) + (9 if self.path.endswith("cut") else 0)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    server = Mirror()
    server.answers = {"/kubectl": (200, PROGRAM), "/kubectl.sha256": (200, SUM.encode())}
    yield server
    server.close()


def download(mirror: Mirror, path: Path, name: str = "kubectl", pin: str = "") -> downloads.Download:
    return downloads.Download(
        f"{mirror.url}/{name}", path / "kubectl-v1", pin, f"{mirror.url}/{name}.sha256", "toolchain_kubectl_sha256", 3
    )


def left(directory: Path) -> list[Path]:
    """The files of a directory and of its scratch directory."""
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_confirmed_file_is_kept_and_needs_no_mirror_again(mirror: Mirror, tmp_path: Path) -> None:
    one = download(mirror, tmp_path / "release")
    assert one.fault()
    one.fetch()
    assert one.path.read_bytes() == PROGRAM and one.path.stat().st_mode & 0o777 == 0o755
    mirror.close()
    assert not download(mirror, tmp_path / "release").fault()


def test_a_pin_is_the_only_sum_that_counts(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answers["/kubectl.sha256"] = (200, b"0" * 64)
    download(mirror, tmp_path, pin=SUM.upper()).fetch()
    assert mirror.asked == ["/kubectl"]
    assert "toolchain_kubectl_sha256 pins" in download(mirror, tmp_path, pin="1" * 64).fault()


def test_a_file_of_sums_is_as_large_as_it_may_be(mirror: Mirror, tmp_path: Path) -> None:
    sums = f"{SUM}  kubectl\n".encode()
    mirror.answers["/kubectl.sha256"] = (200, sums.ljust(downloads.SUM_MOST, b"\n"))
    download(mirror, tmp_path).fetch()
    mirror.answers["/kubectl.sha256"] = (200, sums.ljust(downloads.SUM_MOST + 1, b"\n"))
    with pytest.raises(downloads.DownloadError, match="is too large for a checksum file"):
        download(mirror, tmp_path / "other").fetch()


def test_a_file_that_was_damaged_later_is_not_present(mirror: Mirror, tmp_path: Path) -> None:
    one = download(mirror, tmp_path)
    one.fetch()
    one.path.write_bytes(b"damaged")
    assert one.fault() == f"it has 7 bytes instead of {len(PROGRAM)}"
    one.path.write_bytes(PROGRAM[::-1])
    assert not one.fault() and one.fault(deep=True), "only its sum tells"
    one.fetch()
    assert not one.fault()


@pytest.mark.parametrize(
    ("content", "beside", "pin", "confirmed"),
    [
        (PROGRAM, SUM, "", True),
        (PROGRAM, SUM, SUM.upper(), True),
        (PROGRAM, "", SUM, True),
        (PROGRAM, SUM, "1" * 64, False),
        (PROGRAM, "", "", False),
        (b"", SUM, "", False),
        (None, SUM, SUM, False),
    ],
    ids=["sum beside it", "both", "pin", "other pin", "neither", "empty", "no file"],
)
def test_a_file_of_a_version_without_receipts_is_kept_when_its_sum_is_right(
    mirror: Mirror, tmp_path: Path, content: bytes | None, beside: str, pin: str, confirmed: bool
) -> None:
    one = download(mirror, tmp_path, pin=pin)
    if content is not None:
        one.path.write_bytes(content)
    if beside:
        (tmp_path / "kubectl-v1.sha256").write_text(beside + "\n")
    assert one.fault() in (receipts.UNCONFIRMED, receipts.ABSENT)
    assert one.confirm(write=False) is confirmed and one.fault()
    assert one.confirm(write=True) is confirmed
    assert bool(one.fault()) is not confirmed
    assert (tmp_path / "kubectl-v1.sha256").exists() is (bool(beside) and not confirmed)


def test_a_full_disk_is_no_fault_of_the_network(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    one = download(mirror, tmp_path, pin=SUM)
    monkeypatch.setattr(downloads, "open_url", full)
    with pytest.raises(OSError, match="No space left"):
        one.fetch()


def test_a_receipt_holds_nothing_of_the_mirror(mirror: Mirror, tmp_path: Path) -> None:
    download(mirror, tmp_path).fetch()
    assert "127.0.0.1" not in receipts.receipt_file(tmp_path / "kubectl-v1").read_text()


def test_a_wrong_sum_throws_the_file_away_and_names_both_sums(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answers["/kubectl.sha256"] = (200, b"0" * 64)
    with pytest.raises(downloads.DownloadError) as caught:
        download(mirror, tmp_path).fetch()
    text = str(caught.value)
    assert (
        SUM in text and "0" * 64 in text and "/kubectl.sha256 publishes" in text and "toolchain_kubectl_sha256" in text
    )
    assert left(tmp_path) == []


def test_a_wrong_sum_leaves_an_older_good_file_alone(mirror: Mirror, tmp_path: Path) -> None:
    one = download(mirror, tmp_path)
    one.fetch()
    mirror.answers["/kubectl"] = (200, b"<html>Log in first</html>")
    with pytest.raises(downloads.DownloadError, match="one that toolchain_kubectl_sha256 pins"):
        download(mirror, tmp_path, pin="2" * 64).fetch()
    assert not one.fault()


def test_404_is_said_at_once_with_what_to_do(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answers["/other.sha256"] = (200, b"0" * 64)
    with pytest.raises(
        downloads.DownloadError,
        match=r"other cannot be downloaded, it answers 404.*toolchain_kubectl_url.*toolchain_source=packages",
    ):
        download(mirror, tmp_path, "other").fetch()
    assert mirror.asked.count("/other") == 1


@pytest.mark.parametrize("name", ["broken", "cut"])
def test_what_may_go_better_is_tried_three_times(mirror: Mirror, tmp_path: Path, name: str) -> None:
    mirror.answers |= {f"/{name}.sha256": (200, SUM.encode()), f"/{name}": (502 if name == "broken" else 200, PROGRAM)}
    with pytest.raises(downloads.DownloadError, match=r"3 attempts"):
        download(mirror, tmp_path, name).fetch()
    assert mirror.asked.count(f"/{name}") == 3
    assert left(tmp_path) == []


def test_a_page_in_place_of_the_sums_is_recognised(mirror: Mirror, tmp_path: Path) -> None:
    mirror.answers["/kubectl.sha256"] = (200, b"<html>Welcome to the guest network</html>")
    with pytest.raises(downloads.DownloadError, match="contains no SHA-256"):
        download(mirror, tmp_path).fetch()


def test_a_mirror_that_is_gone_is_said(mirror: Mirror, tmp_path: Path) -> None:
    mirror.close()
    with pytest.raises(downloads.DownloadError, match=r"Connection refused.*3 attempts.*proxy"):
        download(mirror, tmp_path).fetch()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SUM, SUM),
        (f"{SUM.upper()}\n", SUM),
        (f"{SUM}  helm.tar.gz\n", SUM),
        (f"{'0' * 64}  other\n{SUM} *dist/helm.tar.gz\n", SUM),
        (f"{SUM}  other\n", None),
        ("", None),
        (SUM[:-1], None),
    ],
)
def test_the_forms_of_a_file_of_sums(text: str, found: str | None) -> None:
    assert downloads.sum_in(text, "helm.tar.gz") == found


def archive(path: Path, member: str) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        entry = tarfile.TarInfo(member)
        entry.size = len(PROGRAM)
        opened.addfile(entry, io.BytesIO(PROGRAM))
    return path


def test_one_program_is_taken_out_of_an_archive(tmp_path: Path) -> None:
    packed = archive(tmp_path / "helm.tar.gz", "linux-amd64/helm")
    downloads.extract(packed, SUM, "linux-amd64/helm", tmp_path / "helm")
    assert (tmp_path / "helm").read_bytes() == PROGRAM and (tmp_path / "helm").stat().st_mode & 0o111
    assert not receipts.fault(tmp_path / "helm", downloads.extracted_from(SUM, "linux-amd64/helm"))


def test_an_archive_without_the_program_is_said(tmp_path: Path) -> None:
    with pytest.raises(downloads.DownloadError, match="no file linux-amd64/helm"):
        packed = archive(tmp_path / "helm.tar.gz", "linux-arm64/helm")
        downloads.extract(packed, SUM, "linux-amd64/helm", tmp_path / "helm")
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(downloads.DownloadError, match="cannot be unpacked"):
        downloads.extract(tmp_path / "text", SUM, "helm", tmp_path / "helm")


def test_probe_counts_a_demand_for_credentials_and_no_other_error(mirror: Mirror) -> None:
    mirror.answers |= {"/v2/": (401, b""), "/blocked": (403, b"")}
    found = downloads.probe([f"{mirror.url}{path}" for path in ("/kubectl", "/v2/", "/blocked")], 3)
    assert list(found.values()) == ["", "", "it answers 403 Forbidden"]


def test_probe_ends_in_time_whatever_happens(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, stuck: Any) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
    found = downloads.probe([url, f"{mirror.url}/kubectl"], 1.5)
    assert "does not answer" in found[url] and found[f"{mirror.url}/kubectl"] == ""
    monkeypatch.setattr(downloads, "open_url", stuck)
    assert downloads.probe(["http://name.example/"], 0.5) == {"http://name.example/": "it does not answer within 0.5 s"}
    silent.close()
