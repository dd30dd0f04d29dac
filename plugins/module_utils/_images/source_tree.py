# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a directory enters an image build, and its digest. Private to the collection.

The rules of .dockerignore are those of Docker: https://docs.docker.com/build/concepts/context/#dockerignore-files
and, where that page is silent, of its pattern matcher (github.com/moby/patternmatcher).
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import sha256_of
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry, children, entry_of
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import (
    ContextError,
    Pattern,
    inherited,
    match_path,
    may_hold_exception,
    parse_dockerignore,
    verdict,
)

# Part of every digest: a change of the recipe must change every tag.
_RECIPE = b"slipway context 1\n"

_KEY_FILES = ("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc")
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist")


@dataclass(frozen=True)
class Context:
    """A build context: its members in the order of their paths, and what a person should be told about it."""

    root: Path
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


@dataclass
class _Walk:
    entries: list[Entry] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)


def dockerignore_of(root: Path, dockerfile: str) -> Path | None:
    """Return the file whose patterns count: <Dockerfile>.dockerignore beside the Dockerfile wins over the context's."""
    for candidate in (root / f"{dockerfile}.dockerignore", root / ".dockerignore"):
        if candidate.is_file():
            return candidate
    return None


def _suspicious(name: str) -> bool:
    if name == ".git" or any(fnmatch.fnmatchcase(name, pattern) for pattern in _KEY_FILES):
        return True
    return (name == ".env" or name.startswith(".env.")) and name not in _HARMLESS


def _scan(root: Path, relative: str, patterns: Sequence[Pattern], above: list[bool], walk: _Walk) -> bool:
    """Collect what lies in one directory; returns whether there was anything to keep."""
    kept = False
    place = root / relative
    try:
        found = children(place)
    except OSError as error:
        raise ContextError(f"{place} cannot be read ({error.strerror}); correct its permissions") from None
    for child in found:
        path = f"{relative}/{child.name}" if relative else child.name
        results = match_path(patterns, path, above)
        out = verdict(patterns, results)
        if child.is_dir(follow_symlinks=False):
            if out and not may_hold_exception(patterns, path):
                continue
            position = len(walk.entries)
            noted = len(walk.suspicious)
            below = _scan(root, path, patterns, results, walk)
            # A directory that is ignored itself is there only as the way to what an exception kept.
            if below or not out:
                walk.entries.insert(position, Entry(path, "d"))
                kept = True
                if child.name == ".git":
                    walk.suspicious[noted:] = [path + "/"]
            continue
        if out:
            continue
        kept = True
        walk.entries.append(entry_of(child, path))
        if _suspicious(child.name):
            walk.suspicious.append(path)
    return kept


def read_context(root: Path, dockerfile: str = "Dockerfile") -> Context:
    """Read what Docker would send of C(root), and what in it a person would not want inside an image.

    Directories are descended into wherever an exception with a wildcard could bring something back.
    """
    rules = dockerignore_of(root, dockerfile)
    warnings: list[str] = []
    patterns: list[Pattern] = []
    if rules is not None:
        try:
            patterns = parse_dockerignore(rules.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise ContextError(f"{rules} is not UTF-8 text; Docker cannot read it either") from None
        except ContextError as error:
            raise ContextError(f"{rules}, {error}; Docker would refuse it too") from None
    walk = _Walk()
    _scan(root, "", patterns, inherited(patterns, []), walk)
    if walk.suspicious:
        named = ", ".join(walk.suspicious[:5])
        more = f" and {len(walk.suspicious) - 5} more" if len(walk.suspicious) > 5 else ""
        warnings.append(
            f"{named}{more} would enter the build context {root} and may end up in an image; "
            "name it in .dockerignore unless that is wanted."
        )
    return Context(root, tuple(walk.entries), tuple(warnings))


def _hash_file(path: Path) -> bytes:
    try:
        return bytes.fromhex(sha256_of(path))
    except OSError as error:
        raise ContextError(f"{path} cannot be read ({error.strerror}); correct its permissions") from None


def _records(context: Context, entries: Iterable[Entry]) -> Iterator[bytes]:
    for entry in entries:
        name = os.fsencode(entry.path)
        if entry.kind == "f":
            mark = b"x" if entry.executable else b"-"
            yield b"f\0" + mark + b"\0" + name + b"\0" + _hash_file(context.root / entry.path)
        elif entry.kind == "l":
            yield b"l\0" + name + b"\0" + os.fsencode(entry.target)
        else:
            yield entry.kind.encode() + b"\0" + name


def _hash_entries(context: Context, entries: Iterable[Entry]) -> hashlib._Hash:
    digest = hashlib.sha256(_RECIPE)
    for record in _records(context, entries):
        digest.update(len(record).to_bytes(8, "big"))
        digest.update(record)
    return digest


def digest_context(
    context: Context, dockerfile: Path, build_args: Mapping[str, str], bases: Mapping[str, str] | None = None
) -> str:
    """Return the sha256 (hex) of everything an image is made of.

    C(bases) are digests of the images that the Dockerfile starts from, by name, as far as they are known; their names
    are in the Dockerfile and the arguments. Times and owners do not count. The Dockerfile counts even where .dockerignore names it, because Docker sends it
    all the same; a .dockerignore counts by what it keeps out.
    """
    digest = _hash_entries(context, context.entries)
    digest.update(b"Dockerfile\0" + _hash_file(dockerfile))
    for key, value in sorted(build_args.items()):
        for text in (key, value):
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    for name, content in sorted((bases or {}).items()):
        digest.update(f"base\0{name}\0{content}\0".encode())
    return digest.hexdigest()


def digest_paths(context: Context, paths: Sequence[str]) -> str:
    """Return the sha256 (hex) of some files and directories of a context, with all that is below them.

    Raises ContextError when the context holds nothing at one of the C(paths).
    """
    chosen: dict[str, Entry] = {}
    for path in paths:
        clean = posixpath.normpath(path)
        found = [one for one in context.entries if one.path == clean or one.path.startswith(f"{clean}/")]
        if not found:
            raise ContextError(f"{path}: the build context {context.root} has no such file")
        chosen.update((one.path, one) for one in found)
    return _hash_entries(context, [entry for _path, entry in sorted(chosen.items())]).hexdigest()
