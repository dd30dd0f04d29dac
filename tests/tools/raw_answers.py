# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask curl what it makes of raw HTTP/1.1 answers: valid ones, odd ones and broken ones.

    .venv/bin/python tests/tools/raw_answers.py

Sends each answer of ANSWERS from loopback to the machine's curl, and writes its verdicts to
tests/unit/plugins/module_utils/http/raw_answers.json, which a test holds the health check's own reading against.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "unit/plugins/module_utils/http/raw_answers.json"
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = f"{OK}Transfer-Encoding: chunked\r\n\r\n"
TEXT = b"line of text\n" * 9


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _status_lines() -> dict[str, str]:
    """Answers that differ in their first line."""
    end = "\r\nContent-Length: 2\r\n\r\nok"
    lines = {
        "1.1 with reason": "HTTP/1.1 200 OK",
        "1.1 without reason": "HTTP/1.1 200",
        "1.1 with a blank for a reason": "HTTP/1.1 200 ",
        "1.0": "HTTP/1.0 200 OK",
        "1.2": "HTTP/1.2 200 OK",
        "1.9": "HTTP/1.9 200 OK",
        "0.9 as a version": "HTTP/0.9 200 OK",
        "2.0": "HTTP/2.0 200 OK",
        "2": "HTTP/2 200",
        "3": "HTTP/3 200",
        "no version": "HTTP/ 200 OK",
        "no minor version": "HTTP/1 200 OK",
        "letters for a version": "HTTP/x.y 200 OK",
        "version with a minus": "HTTP/-1.1 200 OK",
        "lower case": "http/1.1 200 OK",
        "another protocol": "ICY 200 OK",
        "RTSP": "RTSP/1.0 200 OK",
        "SSH": "SSH-2.0-OpenSSH_9.2",
        "two blanks before the code": "HTTP/1.1  200 OK",
        "tab before the code": "HTTP/1.1\t200 OK",
        "blank first": " HTTP/1.1 200 OK",
        "line feed first": "\nHTTP/1.1 200 OK",
        "CR LF first": "\r\nHTTP/1.1 200 OK",
        "code of two digits": "HTTP/1.1 20 OK",
        "code of four digits": "HTTP/1.1 2000 OK",
        "code 000": "HTTP/1.1 000 None",
        "code 099": "HTTP/1.1 099 Low",
        "code 199 is interim": "HTTP/1.1 199 Miscellaneous",
        "code 299": "HTTP/1.1 299 Odd",
        "code 418": "HTTP/1.1 418 Teapot",
        "code 599": "HTTP/1.1 599 High",
        "code 600": "HTTP/1.1 600 Higher",
        "code 999": "HTTP/1.1 999 Highest",
        "negative code": "HTTP/1.1 -200 OK",
        "code with a letter": "HTTP/1.1 20x OK",
        "no code": "HTTP/1.1 OK",
        "reason in UTF-8": "HTTP/1.1 200 gr\u00fcn",
        "reason of 8,000 letters": "HTTP/1.1 200 " + "r" * 8000,
        "reason with a tab": "HTTP/1.1 200 all\tright",
    }
    return {f"status line: {name}": line + end for name, line in lines.items()}


def _headers() -> dict[str, str]:
    """Answers that differ in their headers."""
    lines = {
        "none": "",
        "usual": "Server: x\r\n",
        "lower case": "server: x\r\n",
        "no blank behind the colon": "Server:x\r\n",
        "many blanks": "Server: \t  x \t \r\n",
        "empty value": "Server:\r\n",
        "value of blanks": "Server:   \r\n",
        "colon in the value": "Server: a:b:c\r\n",
        "bare line feed": "Server: x\n",
        "folded": "Server: x\r\n y\r\n",
        "folded by a tab": "Server: x\r\n\ty\r\n",
        "folded first": " Server: x\r\n",
        "no colon": "Server x\r\n",
        "no name": ": x\r\n",
        "blank before the colon": "Server : x\r\n",
        "blank in the name": "X A: x\r\n",
        "tab in the name": "X\tA: x\r\n",
        "bracket in the name": "X(A): x\r\n",
        "Latin-1 in the name": "S\u00e9rver: x\r\n",
        "Latin-1 in the value": "Server: \u00e9\r\n",
        "NUL in the value": "Server: a\0b\r\n",
        "NUL in the name": "X\0A: b\r\n",
        "control character in the value": "Server: a\x01b\r\n",
        "DEL in the value": "Server: a\x7fb\r\n",
        "bare CR in the value": "Server: a\rb\r\n",
        "twice": "X-A: 1\r\nX-A: 2\r\n",
        "a hundred": "".join(f"X-{number}: {number}\r\n" for number in range(100)),
        "a value of 60,000 letters": f"X-Long: {'v' * 60_000}\r\n",
        "Connection: close": "Connection: close\r\n",
        "Connection: keep-alive": "Connection: keep-alive\r\n",
        "Upgrade that is offered": "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "underscore": "X_A: 1\r\n",
    }
    return {f"header: {name}": f"{OK}{text}Content-Length: 2\r\n\r\nok" for name, text in lines.items()}


def _lengths() -> dict[str, str]:
    """Answers that differ in what their length says."""
    found = {
        "exact": "Content-Length: 2\r\n",
        "none": "",
        "zero": "Content-Length: 0\r\n",
        "shorter": "Content-Length: 1\r\n",
        "longer": "Content-Length: 3\r\n",
        "negative": "Content-Length: -1\r\n",
        "plus": "Content-Length: +2\r\n",
        "letters": "Content-Length: two\r\n",
        "hexadecimal": "Content-Length: 0x2\r\n",
        "fraction": "Content-Length: 2.0\r\n",
        "empty": "Content-Length:\r\n",
        "leading zeros": "Content-Length: 0002\r\n",
        "blanks around": "Content-Length:  2  \r\n",
        "letters behind": "Content-Length: 2 bytes\r\n",
        "twice the same": "Content-Length: 2\r\nContent-Length: 2\r\n",
        "twice, differing": "Content-Length: 2\r\nContent-Length: 1\r\n",
        "a list of the same": "Content-Length: 2, 2\r\n",
        "a list, differing": "Content-Length: 2, 1\r\n",
        "beyond 64 bits": f"Content-Length: {2**64 + 2}\r\n",
        "lower case": "content-length: 2\r\n",
    }
    answers = {f"length: {name}": f"{OK}{text}\r\nok" for name, text in found.items()}
    for code in (204, 304):
        answers[f"length: {code} has no body"] = f"HTTP/1.1 {code} None\r\nContent-Length: 2\r\n\r\n"
    answers["length: 205 with a body"] = "HTTP/1.1 205 Reset\r\nContent-Length: 2\r\n\r\nok"
    answers["length: 1.0 until the end"] = "HTTP/1.0 200 OK\r\n\r\nok"
    answers["length: bare line feeds"] = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"
    answers["length: nothing at all"] = ""
    answers["length: half a status line"] = "HTTP/1.1 20"
    answers["length: half the headers"] = f"{OK}Server: x\r\nContent-Le"
    answers["length: headers without their end"] = f"{OK}Content-Length: 2\r\n"
    answers["length: a page without headers"] = "<html>hello</html>"
    return answers


def _chunks() -> dict[str, str]:
    """Answers in chunks, and other transfer encodings."""
    bodies = {
        "one": "2\r\nok\r\n0\r\n\r\n",
        "two": "1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        "none": "0\r\n\r\n",
        "upper case": "A\r\n0123456789\r\n0\r\n\r\n",
        "lower case": "a\r\n0123456789\r\n0\r\n\r\n",
        "leading zeros": "0002\r\nok\r\n000\r\n\r\n",
        "sixteen zeros": f"{'0' * 16}2\r\nok\r\n0\r\n\r\n",
        "extension": "2;a=b\r\nok\r\n0\r\n\r\n",
        "extension in quotes": '2;a="b;c"\r\nok\r\n0\r\n\r\n',
        "extension without a value": "2;a\r\nok\r\n0;b\r\n\r\n",
        "blank behind the size": "2 \r\nok\r\n0\r\n\r\n",
        "blank before the extension": "2 ;a=b\r\nok\r\n0\r\n\r\n",
        "blank before the size": " 2\r\nok\r\n0\r\n\r\n",
        "trailer": "2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
        "two trailers": "2\r\nok\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n",
        "trailer without a colon": "2\r\nok\r\n0\r\nnonsense\r\n\r\n",
        "bare line feeds": "2\nok\n0\n\n",
        "bare line feed behind the size": "2\nok\r\n0\r\n\r\n",
        "bare line feed behind the data": "2\r\nok\n0\r\n\r\n",
        "nothing behind the data": "2\r\nok0\r\n\r\n",
        "more data than its size": "1\r\nok\r\n0\r\n\r\n",
        "less data than its size": "3\r\nok\r\n0\r\n\r\n",
        "no size": "\r\nok\r\n0\r\n\r\n",
        "letters for a size": "zz\r\nok\r\n0\r\n\r\n",
        "negative size": "-2\r\nok\r\n0\r\n\r\n",
        "size with 0x": "0x2\r\nok\r\n0\r\n\r\n",
        "size beyond 64 bits": f"1{'0' * 16}\r\nok\r\n0\r\n\r\n",
        "cut in the size": "2",
        "cut in the data": "2\r\no",
        "cut behind the data": "2\r\nok",
        "cut before the last chunk": "2\r\nok\r\n",
        "cut in the last chunk": "2\r\nok\r\n0\r\n",
        "cut in a trailer": "2\r\nok\r\n0\r\nX-Su",
        "something behind the end": "2\r\nok\r\n0\r\n\r\nHTTP/1.1 500 Smuggled\r\n\r\n",
    }
    answers = {f"chunks: {name}": CHUNKED + body for name, body in bodies.items()}
    whole = bodies["one"]
    kinds = {
        "Chunked": "Transfer-Encoding: Chunked\r\n",
        "beside a length": "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "behind a length": "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "identity": "Transfer-Encoding: identity\r\n",
        "identity, chunked": "Transfer-Encoding: identity, chunked\r\n",
        "unknown": "Transfer-Encoding: rot13\r\n",
        "misspelt": "Transfer-Encoding: chunk\r\n",
        "empty": "Transfer-Encoding:\r\n",
    }
    answers |= {f"transfer encoding: {name}": f"{OK}{text}\r\n{whole}" for name, text in kinds.items()}
    answers["transfer encoding: chunked by 1.0"] = f"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{whole}"
    return answers


def _interim() -> dict[str, str]:
    """Answers after interim ones."""
    final = f"{OK}Content-Length: 2\r\n\r\nok"
    return {
        "interim: 100": f"HTTP/1.1 100 Continue\r\n\r\n{final}",
        "interim: 102": f"HTTP/1.1 102 Processing\r\n\r\n{final}",
        "interim: 103 with headers": f"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{final}",
        "interim: three": "HTTP/1.1 100 Continue\r\n\r\n" * 3 + final,
        "interim: with a length": f"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n{final}",
        "interim: by 1.0": f"HTTP/1.0 100 Continue\r\n\r\n{final}",
        "interim: and nothing else": "HTTP/1.1 100 Continue\r\n\r\n",
        "interim: 101 that nobody asked for": f"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{final}",
    }


def _encodings() -> dict[str, bytes]:
    """Answers with encoded bodies."""
    gz, framed, raw = gzip.compress(TEXT, mtime=0), zlib.compress(TEXT), _raw_deflate(TEXT)
    bodies = {
        "gzip": ("gzip", gz),
        "x-gzip": ("x-gzip", gz),
        "GZIP": ("GZIP", gz),
        "deflate with zlib's frame": ("deflate", framed),
        "deflate without it": ("deflate", raw),
        "identity": ("identity", TEXT),
        "empty name": ("", TEXT),
        "gzip of nothing": ("gzip", gzip.compress(b"", mtime=0)),
        "gzip without a byte": ("gzip", b""),
        "gzip that is none": ("gzip", TEXT),
        "deflate that is none": ("deflate", b"\xff" * 30),
        "gzip cut in its data": ("gzip", gz[:-12]),
        "gzip cut in its sum": ("gzip", gz[:-3]),
        "gzip with a wrong sum": ("gzip", gz[:-8] + bytes(4) + gz[-4:]),
        "deflate cut": ("deflate", framed[:-6]),
        "gzip of two members": ("gzip", gz + gz),
        "gzip with something behind": ("gzip", gz + b"padding"),
        "gzip in gzip": ("gzip, gzip", gzip.compress(gz, mtime=0)),
        "deflate in gzip": ("deflate, gzip", gzip.compress(framed, mtime=0)),
        "unknown": ("rot13", TEXT),
    }
    answers = {}
    for name, (kind, body) in bodies.items():
        head = f"{OK}Content-Encoding: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        answers[f"encoding: {name}"] = head + body
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in gz) + b"0\r\n\r\n"
    answers["encoding: gzip, byte by byte"] = (
        f"{OK}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunked
    )
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in raw) + b"0\r\n\r\n"
    answers["encoding: deflate without frame, byte by byte"] = (
        f"{OK}Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunked
    )
    return answers


def answers() -> dict[str, bytes]:
    """Every answer by its name."""
    texts = _status_lines() | _headers() | _lengths() | _chunks() | _interim()
    # Letters up to U+00FF stand for the bytes themselves.
    return {name: text.encode("latin-1") for name, text in texts.items()} | _encodings()


def serve(listener: socket.socket, answer: bytes) -> None:
    """Read one request and give the answer, then end."""
    connection, _peer = listener.accept()
    with connection, contextlib.suppress(OSError):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def verdict(answer: bytes, directory: Path) -> dict[str, object]:
    """What curl makes of an answer: its exit code, and when that is 0 the status and the body."""
    body = directory / "body"
    body.write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, answer), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        options = [
            "--silent",
            "--http1.1",
            "--compressed",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            "--write-out",
            "%{http_code}",
        ]
        done = subprocess.run(
            ["curl", *options, "--output", str(body), url], capture_output=True, text=True, check=False
        )
        thread.join()
    if done.returncode:
        return {"exit": done.returncode}
    return {"exit": 0, "status": int(done.stdout), "body": body.read_bytes().decode("latin-1")}


def main() -> int:
    """Write the table; the process's exit code."""
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, answer in answers().items():
            shown = {"name": name, "answer": base64.b64encode(zlib.compress(answer, 9)).decode()}
            rows.append({**shown, **verdict(answer, Path(place))})
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=True) for row in rows)
    TABLE.write_text(f'{{"curl": "{version}", "answers": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(rows)} answers, {sum(row['exit'] == 0 for row in rows)} accepted by curl {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
