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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import Member, Snapshot
from ansible_collections.slipway.kube.plugins.module_utils._common.trees import Entry, children, digest_of, entry_of
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import (
    ContextError,
    Pattern,
    inherited,
    match_path,
    may_hold_exception,
    parse_dockerignore,
    verdict,
)

MIRRORS = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "http_proxy", "no_proxy")
"""Build arguments that say where packages come from, not what they are: no digest covers them."""

# In a snapshot the Dockerfile lies beside the context, because it can be outside of it or ignored.
CONTEXT = "context"
DOCKERFILE = "Dockerfile"

_KEY_FILES = ("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc")
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist")


@dataclass(frozen=True)
class Context:
    """A build context: its members in the order of their paths, what a person should be told about it, and the file that ignores the rest."""

    root: Path
    members: tuple[Member, ...]
    warnings: tuple[str, ...] = ()
    rules: Path | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of the members."""
        return tuple(member.entry for member in self.members)


@dataclass
class _Walk:
    members: list[Member] = field(default_factory=list)
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


def _member(child: os.DirEntry[str], path: str) -> Member | None:
    """What of a context becomes part of its snapshot; None for what builders do not take. Raises ContextError."""
    try:
        entry = entry_of(child, path)
        return Member(entry, Path(child.path), child.stat(follow_symlinks=False)) if entry else None
    except OSError as error:
        raise ContextError(f"{child.path} cannot be read ({error.strerror}); run this again") from None


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
            position = len(walk.members)
            noted = len(walk.suspicious)
            below = _scan(root, path, patterns, results, walk)
            # A directory that is ignored itself is there only as the way to what an exception kept.
            if (below or not out) and (member := _member(child, path)):
                walk.members.insert(position, member)
                kept = True
                if child.name == ".git":
                    walk.suspicious[noted:] = [path + "/"]
            continue
        member = None if out else _member(child, path)
        if member is None:
            continue
        kept = True
        walk.members.append(member)
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
    return Context(root, tuple(walk.members), tuple(warnings), rules)


def members_of(context: Context, dockerfile: Path) -> list[Member]:
    """What a component's snapshot is made of: its context and its Dockerfile. Raises ContextError."""
    try:
        recipe = Member(Entry(DOCKERFILE, "f", 0o644), dockerfile, dockerfile.stat())
    except OSError as error:
        raise ContextError(f"{dockerfile} cannot be read ({error.strerror}); correct its permissions") from None
    inside = [
        replace(member, entry=replace(member.entry, path=f"{CONTEXT}/{member.entry.path}"))
        for member in context.members
    ]
    return [recipe, Member(Entry(CONTEXT, "d", 0o755), context.root), *inside]


def build_digest(snapshot: Snapshot, arguments: Mapping[str, str]) -> str:
    """Return the sha256 (hex) of what a builder is given: context, Dockerfile and build arguments.

    Times and owners do not count. The Dockerfile counts even where .dockerignore names it, because Docker sends it all
    the same; a .dockerignore counts by what it keeps out.
    """
    digest = hashlib.sha256(f"tree\0{snapshot.digest}\0".encode())
    for key, value in sorted(arguments.items()):
        if key in MIRRORS:
            continue
        for text in (key, value):
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def source_digest(build: str, bases: Mapping[str, str]) -> str:
    """Return the sha256 (hex) of everything an image is made of: what C(build) covers, and what it starts from.

    C(bases) are digests of the images that the Dockerfile starts from, by name, as far as they are known; their names
    are in the Dockerfile and the arguments.
    """
    digest = hashlib.sha256(f"build\0{build}\0".encode())
    for name, content in sorted(bases.items()):
        digest.update(f"base\0{name}\0{content}\0".encode())
    return digest.hexdigest()


def digest_paths(snapshot: Snapshot, paths: Sequence[str]) -> str:
    """Return the sha256 (hex) of some files and directories of a component's context, with all that is below them.

    Raises ContextError when the context holds nothing at one of the C(paths).
    """
    chosen: set[Entry] = set()
    for path in paths:
        clean = posixpath.normpath(f"{CONTEXT}/{path}")
        found = [one for one in snapshot.entries if one.path == clean or one.path.startswith(f"{clean}/")]
        if not found or not f"{clean}/".startswith(f"{CONTEXT}/"):
            raise ContextError(f"{path}: the build context has no such file")
        chosen.update(found)
    return digest_of(chosen, snapshot.sums)
