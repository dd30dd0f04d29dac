# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Dockerfile says: its instructions and stages, and the images that it starts from. Private to the collection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import normal_name

# https://docs.docker.com/reference/dockerfile/#environment-replacement: $name, ${name}, ${name:-word}, ${name:+word}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::([-+])([^}]*))?\}|(\w+))")
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
# https://docs.docker.com/reference/dockerfile/#parser-directives
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([`\\])\s*", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=.*")
# https://docs.docker.com/reference/dockerfile/#here-documents
_HERE_DOCUMENT = re.compile(r"<<(-?)([\"']?)(\w+)\2")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its first line, its name in capitals, its flags such as C(--from=build), and the rest without them."""

    line: int
    name: str
    flags: tuple[str, ...]
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows the flags: the elements of the JSON form, or the words."""
        if self.rest.startswith("["):
            try:
                found = json.loads(self.rest)
            except ValueError:
                found = None
            if isinstance(found, list) and all(isinstance(word, str) for word in found):
                return found
        return self.rest.split()

    def flag(self, name: str) -> str | None:
        """The value of a flag, None without it."""
        return next((one.partition("=")[2] for one in self.flags if one.partition("=")[0] == f"--{name}"), None)


@dataclass(frozen=True)
class Stage:
    """A stage of a build: the line of its FROM, what it starts from, its name in small letters, and the instructions that follow."""

    line: int
    base: str
    name: str
    instructions: list[Instruction]


def instructions(dockerfile: str) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile; lines that are continued are joined, here-documents are left out."""
    lines = dockerfile.splitlines()
    escape = _escape(lines)
    number = 0
    while number < len(lines):
        start = number
        text = ""
        while number < len(lines):
            line = lines[number]
            number += 1
            if line.lstrip().startswith("#") or (text and not line.strip()):
                continue  # a comment ends no instruction that is continued, and nor does an empty line
            if not text:
                start = number
            stripped = line.rstrip()
            if not stripped.endswith(escape):
                text += line
                break
            text += stripped.removesuffix(escape) + " "
        found = _INSTRUCTION.match(text)
        if not found:
            continue
        name, rest = found[1].upper(), found[2].strip()
        if name in ("RUN", "COPY", "ADD"):
            for dash, _quote, end in _HERE_DOCUMENT.findall(rest):
                while number < len(lines) and (lines[number].lstrip("\t") if dash else lines[number]) != end:
                    number += 1
                number += 1
        flags = []
        while rest.startswith("--"):
            flag, _, rest = rest.partition(" ")
            flags.append(flag)
            rest = rest.lstrip()
        yield Instruction(start, name, tuple(flags), rest)


def _escape(lines: Sequence[str]) -> str:
    """The letter that continues a line; directives stand before everything else."""
    for line in lines:
        if found := _ESCAPE.fullmatch(line.strip()):
            return found[1]
        if not _DIRECTIVE.fullmatch(line.strip()):
            break
    return "\\"


def read_stages(dockerfile: str, arguments: Mapping[str, str]) -> list[Stage]:
    """The stages of a Dockerfile, in order.

    ``arguments`` are the build arguments; what they leave open has the default of its ARG.
    """
    known: dict[str, str] = {}
    stages: list[Stage] = []
    for one in instructions(dockerfile):
        if one.name == "FROM":
            words = one.words
            name = words[2].lower() if len(words) == 3 and words[1].upper() == "AS" else ""
            stages.append(Stage(one.line, replaced(words[0], known) if words else "", name, []))
        elif stages:
            stages[-1].instructions.append(one)
        elif one.name == "ARG":
            # Only those before the first FROM count in a FROM.
            for word in one.words:
                name, _, default = word.partition("=")
                known[name] = arguments.get(name, replaced(default.strip("\"'"), known))
    return stages


def index_of(stages: Sequence[Stage], reference: str) -> int | None:
    """Which stage a FROM or C(--from) means, by name or number; None for an image."""
    if reference.isdigit():
        return int(reference) if int(reference) < len(stages) else None
    found = [index for index, stage in enumerate(stages) if stage.name and stage.name == reference.lower()]
    return found[-1] if found else None


def base_images(dockerfile: str, arguments: Mapping[str, str]) -> list[str]:
    """Normal names of the images that a Dockerfile's stages start from or copy from, in order and without repetition.

    ``arguments`` are the build arguments. Stages of the file itself and C(scratch) are no images.
    """
    stages = read_stages(dockerfile, arguments)
    found: dict[str, None] = {}
    for index, stage in enumerate(stages):
        sources = [one.flag("from") or "" for one in stage.instructions if one.name == "COPY"]
        for name in (stage.base, *(source for source in sources if not source.isdigit())):
            if name and name != "scratch" and index_of(stages[:index], name) is None:
                found[normal_name(name)] = None
    return list(found)


def line_of_base(dockerfile: str, arguments: Mapping[str, str], image: str) -> int | None:
    """The first line that starts or copies from an image; None when no line does."""
    for stage in read_stages(dockerfile, arguments):
        named = [(stage.line, stage.base)]
        named += [(one.line, one.flag("from") or "") for one in stage.instructions]
        for line, name in named:
            if name and normal_name(name) == normal_name(image):
                return line
    return None


def replaced(text: str, known: Mapping[str, str]) -> str:
    """A text with its variables replaced; those that are not known are empty."""

    def value(match: re.Match[str]) -> str:
        name, sign, word = match[1] or match[4], match[2], match[3]
        found = known.get(name, "")
        if sign == "+":
            return word if found else ""
        return found or (word if sign == "-" else "")

    return _VARIABLE.sub(value, text)


def made_here(distribution: Path) -> dict[str, str]:
    """Digest of the recipe of each image that the distribution makes, by the image's normal name.

    It is the same on every machine: neither the machine's architecture nor its certificates count. Raises
    ManifestError.
    """
    graph = artifacts.load(distribution, {"architecture": "", "ca_bundle": ""})
    return {
        normal_name(name): artifact.digest
        for artifact in graph.artifacts.values()
        if artifact.kind == "image"
        for name in artifact.settings.get("names", [])
    }
