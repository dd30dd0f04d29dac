# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a Dockerfile starts from, and what is known of them before there is an engine. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.slipway.kube.plugins.module_utils._distribution import artifacts
from ansible_collections.slipway.kube.plugins.module_utils._images.plan import normal_name

# https://docs.docker.com/reference/dockerfile/#environment-replacement: $name, ${name}, ${name:-word}, ${name:+word}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::([-+])([^}]*))?\}|(\w+))")
_INSTRUCTION = re.compile(r"\s*(ARG|FROM|COPY)\s+(.*)", re.IGNORECASE)


def base_images(dockerfile: str, arguments: Mapping[str, str]) -> list[str]:
    """Normal names of the images that a Dockerfile's stages start from or copy from, in order and without repetition.

    ``arguments`` are the build arguments; what they leave open has the default of its ARG. Stages of the file itself
    and C(scratch) are no images.
    """
    known: dict[str, str] = {}
    stages: set[str] = set()
    found: dict[str, None] = {}
    first_stage = False
    for line in re.sub(r"\\[ \t]*\r?\n", " ", dockerfile).splitlines():
        match = _INSTRUCTION.match(line)
        if not match:
            continue
        instruction, rest = match[1].upper(), match[2].strip()
        words = rest.split()
        if instruction == "ARG" and not first_stage:
            # Only those before the first FROM count in a FROM.
            for word in words:
                name, _, default = word.partition("=")
                known[name] = arguments.get(name, _replaced(default.strip("\"'"), known))
        elif instruction == "FROM":
            first_stage = True
            words = [word for word in words if not word.startswith("--")]
            _note(_replaced(words[0], known) if words else "", stages, found)
            if len(words) == 3 and words[1].upper() == "AS":
                stages.add(words[2].lower())
        elif instruction == "COPY":
            for word in words:
                if word.startswith("--from=") and not word.removeprefix("--from=").isdigit():
                    _note(word.removeprefix("--from="), stages, found)
    return list(found)


def _note(name: str, stages: set[str], found: dict[str, None]) -> None:
    if name and name != "scratch" and name.lower() not in stages:
        found[normal_name(name)] = None


def _replaced(text: str, known: Mapping[str, str]) -> str:
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
