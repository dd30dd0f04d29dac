# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hides values whose name or form says that they are secret. Private to the collection.

Written by hand, because what is masked wrongly, such as a state or a name, costs a person the cause of a failure: scanners of repositories
(detect-secrets, gitleaks) may call too much a secret, and Ansible's no_log knows no names at all. Values that are known are hidden
by L(_common.masker.Masker), which is surer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import placeholders

MASK = "********"
LINE = 8
"""Characters from which a line of a secret of several lines is a secret by itself."""
_SHORTEST = 4

# Names in small letters with underscores between the words.
_SENSITIVE = re.compile(
    r"authorization|cookie|passw|passphrase|secret|token|credential|session|signature"
    r"|(?:api|private|access|signing|encryption|master)_?key"
    r"|(?:^|_)(?:auth|jwt|otp|pwd|csrf|xsrf)(?:_|$)|(?:_|^pg|^db)pass$"
)
_HARMLESS = re.compile(
    r"(?:_|^)(?:names?|refs?|files?|path|dir|url|uri|type|counts?|limit|length|size|ttl|expiry|expires(?:_in|_at)?|expiration(?:_\w+)?"
    r"|age|policy|affinity|seconds|version|checksums?|used|enabled|required|provider)$"
    r"|(?:^|_)existing_|_pull_secrets?$"
    r"|(?:^|_)(?:max|min|total|prompt|completion|input|output|cached|num|n)_tokens$|tokeni[sz]"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
# Values that say whether there is a secret, and tell nothing of it.
_NOTHING = frozenset({"", "null", "none", "nil", "undefined", "true", "false", "{}", "[]", "(hidden)", MASK})

# Also of an address that cannot be parsed and that a message is about to name; a password may hold / and @, a port may not.
_PASSWORD = re.compile(r"://[^/@:\s]*?:(?!\d{1,5}[/?#])([^\s\"'<>]{1,2000})@")
_SECRET_TEXTS = (
    # postgresql://user:password@host, which may have been cut before its end
    (re.compile(r"(://)[^/@:\s]{0,200}:(?!\d{1,5}(?:[/?#]|…))[^\s\"'<>]{1,2000}(?:@|…)"), rf"\g<1>{MASK}@"),
    # https://token@host; git@host names nobody's secret
    (re.compile(r"(://)[^/@:\s\"'<>]{16,2000}@"), rf"\g<1>{MASK}@"),
    (re.compile(r"(?i)\b(bearer)\s+[A-Z0-9._~+/=-]{8,}"), rf"\g<1> {MASK}"),
    # not the words "basic authentication"
    (
        re.compile(r"(?i)\b(basic)\s+(?:(?=[A-Z._~+/-]*[0-9=])[A-Z0-9._~+/=-]{8,}|[A-Z0-9._~+/=-]{20,})"),
        rf"\g<1> {MASK}",
    ),
    (re.compile(r"(?m)((?<!\S)(?:-u|--user)[ =]\s*[^\s:]+:)\S+"), rf"\g<1>{MASK}"),
)
_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|\\+\"(?:(?!\\+\")[^\n])*(?:\\+\")?"
# password=..., "apiKey": "...", \"apiKey\": \"...\", but not the plain words "Secret: todo-backend"
_ASSIGNMENT = re.compile(
    rf"((?<![\w.-])[\w.-]+)(\s*=\s*|\\*[\"']\s*:\s*)({_QUOTED}|\[[^\]\n]*\]?|\{{[^}}\n]*\}}?|[^\s,;\"'}}&]+)"
)
# --password ..., which no sign of equality follows
_OPTION = re.compile(rf"((?<!\S)--?([\w.-]+)[ \t]+)(?!-)({_QUOTED}|\S+)")
# X-Api-Key: ..., as HTTP and its tools write it
_HEADER = re.compile(r"(?im)^([ <>*]*((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]+)[ \t]*:[ \t]*)(\S.*)$")
# api_token: ..., as YAML writes it; a word with a capital letter is rather the beginning of a sentence
_ENTRY = re.compile(r"(?m)^([+-]?[ \t]*(?:- )?((?![A-Z][a-z])[\w.-]+):[ \t]+)(\S+)[ \t]*$")


def is_sensitive(name: str) -> bool:
    """Say whether a header, field, variable or option of this name usually carries a secret.

    Those are names with password, passphrase, secret, token, credential, session, cookie, authorization, signature, or key after api,
    private, access, signing, encryption or master; with one of the words auth, jwt, otp, pwd, csrf and xsrf; or that end in _pass.
    They may be written in any way: C(apiKey), C(API_KEY), C(x-api-key).

    Not those that say which, where or how long a secret is, such as C(existingSecret), C(imagePullSecrets), C(secretName),
    C(token_type), C(tokenUrl), C(sessionAffinity) and C(max_tokens), nor the working directory, C(PWD). And not C(key), C(login),
    C(user), C(hash), C(salt), C(pin) or C(pass) alone: each stands in plain results (the key of a ConfigMap, C(pass=12) of a test run)
    far more often than it names a secret.
    """
    if name in ("PWD", "OLDPWD"):
        return False
    words = _BETWEEN.sub("_", _HUMP.sub("_", name)).strip("_").lower()
    return _SENSITIVE.search(words) is not None and _HARMLESS.search(words) is None


def leaves(value: Any) -> Iterable[str]:
    """Yield all texts and numbers in a value as text (keys are names, not secrets)."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield json.dumps(value)


def sensitive_values(headers: Mapping[str, str] | None, body: Any) -> set[str]:
    """Find the values that a person wrote into headers and body under names that mean a secret."""
    found: set[str] = set()
    for name, value in (headers or {}).items():
        if is_sensitive(str(name)):
            found.update(leaves(value))
            scheme, _blank, credential = str(value).partition(" ")
            if credential and scheme.lower() in ("bearer", "basic", "token"):
                found.add(credential)
    found.update(_sensitive_fields(body))
    found.update(line for value in list(found) for line in lines_of(value))
    return {value for value in found if len(value) >= _SHORTEST and not placeholders(value)}


def _sensitive_fields(body: Any) -> Iterable[str]:
    if isinstance(body, Mapping):
        for key, value in body.items():
            if is_sensitive(str(key)):
                yield from leaves(value)
            else:
                yield from _sensitive_fields(value)
    elif isinstance(body, (list, tuple)):
        for value in body:
            yield from _sensitive_fields(value)


def redact(value: Any) -> Any:
    """Return a copy in which the fields whose name means a secret are replaced by asterisks."""
    if isinstance(value, Mapping):
        return {
            key: MASK if is_sensitive(str(key)) and item is not None else redact(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


def mask_text(text: str, keys: PrivateKeys | None = None) -> str:
    """Hide what looks like a credential within a text: whose it is, where an address says so, and its value.

    Of a text that comes in pieces of whole lines, C(keys) remembers whether a private key goes on.
    """
    text = (keys or PrivateKeys()).hide(text)
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    for pattern in (_HEADER, _ENTRY, _OPTION):
        text = pattern.sub(_hidden, text)
    shown, position = [], 0
    while found := _ASSIGNMENT.search(text, position):
        hidden = is_sensitive(found[1]) and not _says_nothing(found[3])
        shown += [text[position : found.end(2)], MASK if hidden else ""]
        # What is assigned to a plain name may itself be an assignment.
        position = found.end(3 if hidden else 2)
    return "".join([*shown, text[position:]])


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}" if is_sensitive(found[2]) and not _says_nothing(found[3]) else found[0]


def _says_nothing(value: str) -> bool:
    return value.strip("\"'\\").lower() in _NOTHING


class PrivateKeys:
    """Hides private keys in PEM, line by line, wherever a piece of a text begins or ends.

    The lines may have something before them, such as a time. A key whose beginning is not there is known by its last line.
    """

    _WHOLE = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)-----[^\n]*?-----END \1-----")
    _BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
    _END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
    _CODE = re.compile(r"[\"']?([A-Za-z0-9+/]{1,100}={0,2})[\"',\\]{0,3}")
    _HEADERS = ("Proc-Type:", "DEK-Info:")
    _SHORT = 20  # characters of code; only the last line of a key has fewer

    def __init__(self) -> None:
        self._inside = False
        self._before = 0  # words before the key in each of its lines

    def hide(self, text: str) -> str:
        """Return whole lines of a text without the private keys in them."""
        if not self._inside and "PRIVATE KEY-----" not in text:
            return text
        shown: list[str] = []
        for line in self._WHOLE.sub(MASK, text).split("\n"):
            if end := self._END.search(line):
                if not self._inside:
                    self._drop(shown, len(line[: end.start()].split()))
                self._inside = False
                shown.append(line[: end.start()] + MASK + line[end.end() :])
            elif begin := self._BEGIN.search(line):
                self._inside, self._before = True, len(line[: begin.start()].split())
                rest = line[begin.end() :]
                shown.append(line[: begin.start()] + MASK + ("" if re.search("[A-Za-z0-9+/]{20}", rest) else rest))
            else:
                shown.append(self._without(line) if self._inside else line)
        return "\n".join(shown)

    def _without(self, line: str) -> str:
        """Return a line after the first one of a key."""
        code = self._code(line, self._before)
        if code:
            self._inside = len(code) >= self._SHORT
            return line.replace(code, MASK)
        words = line.split()[self._before :]
        self._inside = not words or words[0] in self._HEADERS
        return line

    def _drop(self, shown: list[str], before: int) -> None:
        """Remove the lines of a key whose first line is not there, before its last one."""
        least = 1
        while shown and len(self._code(shown[-1], before)) >= least:
            shown.pop()
            least = self._SHORT

    def _code(self, line: str, before: int) -> str:
        """Return the code that is all of a line but the words before it, empty for another line."""
        words = line.split()
        found = self._CODE.fullmatch(words[-1]) if len(words) == before + 1 else None
        return found[1] if found else ""


def secrets_in_address(address: str) -> set[str]:
    """Find the password of an address and the values of query fields whose names mean a secret."""
    query = address.partition("?")[2].partition("#")[0]
    passwords = {text for found in _PASSWORD.findall(address) for text in (found, unquote(found))}
    return sensitive_values(None, dict(parse_qsl(query))) | passwords


def lines_of(text: str) -> list[str]:
    """Return the lines of a secret of several, which may be shown one by one or with other words for their ends."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if len(line) >= LINE] if len(lines) > 1 else []
