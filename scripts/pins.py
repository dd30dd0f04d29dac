#!/usr/bin/env python3
"""Compare what Slipway is made of with what the package registries have, and move one pin at a time.

scripts/pins.py outdated        list each pin for which its registry has a newer version, and the files that it would touch
scripts/pins.py raise NAME      move that pin to the newest version and write a changelog fragment

A pin is read from the file that holds it: go.mod, requirements, package.json, distribution/manifest.yml. The registries are those of
the machine's own configuration. A registry that does not answer for a pin is named, and is no failure.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = "distribution/programs"
GO_COMPILER = "plugins/module_utils/_distribution/go.py"
LOOKUPS_AT_ONCE = 8  # they wait for the network most of the time
PATIENCE = 300  # seconds, for a look-up or for one step of raising a pin
# Where versions of programs and images are named besides the files of the package managers.
MENTIONS = (
    "distribution/manifest.yml",
    "roles/*/defaults/main.yml",
    "roles/*/meta/argument_specs.yml",
    "plugins/modules/*.py",
    "docs/restricted-networks.md",
)
VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:\+incompatible)?\Z")


class PinError(Exception):
    """A pin cannot be moved; the text says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Pin:
    """One version that a file holds. ``package`` is its name in ``registry``, ``files`` hold it, relative to the repository."""

    registry: str
    package: str
    version: str
    files: tuple[str, ...]

    def is_called(self, name: str) -> bool:
        """Whether a person means this pin: by its package, or by one part of a module's path."""
        return name == self.package or name in self.package.split("/")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a registry says about a pin: its newest version, or why there is none."""

    version: str = ""
    refused: str = ""


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run(command: list[str], cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return its output; one that is not installed or does not end fails like any other."""
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {PATIENCE} s")
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]} is not installed")


# -- pins -----------------------------------------------------------------------------------------------------------------


def pins(root: Path) -> list[Pin]:
    """Every pin of the repository, by registry and package."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for read in (_go_pins, _python_pins, _npm_pins, _debian_pins):
        for registry, package, version, file in read(root):
            found.setdefault((registry, package, version), []).append(file.relative_to(root).as_posix())
    return sorted((Pin(*key, tuple(files)) for key, files in found.items()), key=dataclasses.astuple)


def _go_pins(root: Path) -> Iterator[tuple[str, str, str, Path]]:
    # One level only: what lies deeper belongs to an earlier version of Kubernetes, or stands in for a module.
    for file in sorted([*root.glob(f"{PROGRAMS}/*/go.mod"), *root.glob("tests/tools/*/go.mod")]):
        text = file.read_text(encoding="utf-8")
        replaced = set(re.findall(r"^\s*(?:replace )?(\S+) => ", text, re.MULTILINE))
        tools = re.findall(r"^(?:tool |\t)([^\s()]+/[^\s()]+)$", text, re.MULTILINE)
        for module, version, indirect in re.findall(
            r"^(?:require |\t)(\S+) (v\S+)( // indirect)?$", text, re.MULTILINE
        ):
            is_tool = any(tool == module or tool.startswith(f"{module}/") for tool in tools)
            if module not in replaced and (is_tool or not indirect):
                yield "Go modules", module, version, file


def _python_pins(root: Path) -> Iterator[tuple[str, str, str, Path]]:
    for pattern in ("requirements/*.txt", "examples/*/*/requirements*.txt", "distribution/images/*/requirements.txt"):
        for file in sorted(root.glob(pattern)):
            source = file.with_suffix(".in")
            wanted = set(_names(source.read_text(encoding="utf-8"))) if source.exists() else None
            for package, version in re.findall(
                r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", file.read_text(encoding="utf-8"), re.MULTILINE
            ):
                if wanted is None or package.lower() in wanted:
                    yield "PyPI", package.lower(), version, file
    compiler = root / GO_COMPILER
    found = re.search(r'^GO_PACKAGE = "([^"=]+)==([^"]+)"', compiler.read_text(encoding="utf-8"), re.MULTILINE)
    if found:
        yield "PyPI", found[1], found[2], compiler


def _names(requirements: str) -> Iterator[str]:
    for line in requirements.splitlines():
        found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
        if found:
            yield found[0].lower()


def _npm_pins(root: Path) -> Iterator[tuple[str, str, str, Path]]:
    for pattern in ("distribution/images/*/package.json", "examples/*/*/package.json"):
        for file in sorted(root.glob(pattern)):
            content = json.loads(file.read_text(encoding="utf-8"))
            for kind in ("dependencies", "devDependencies"):
                for package, version in content.get(kind, {}).items():
                    yield "npm", package, version, file


def _debian_pins(root: Path) -> Iterator[tuple[str, str, str, Path]]:
    manifest = root / "distribution/manifest.yml"
    for name, settings in yaml.safe_load(manifest.read_text(encoding="utf-8"))["rootfs"].items():
        yield "Debian", f"suite of {name}", settings["suite"], manifest


# -- registries -----------------------------------------------------------------------------------------------------------


def answers(wanted: Iterable[Pin], execute: Run = run) -> dict[Pin, Answer]:
    """What the registries say about each pin."""
    ask = {"Go modules": ask_go, "PyPI": ask_pypi, "npm": ask_npm, "Debian": ask_debian}
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as pool:
        asked = {pin: pool.submit(ask[pin.registry], pin, execute) for pin in wanted}
    return {pin: answer.result() for pin, answer in asked.items()}


def ask_go(pin: Pin, execute: Run) -> Answer:
    """The newest release of a module with the same major version, by `go list`."""
    command = ["go", "list", "-m", "-e", "-json", "-versions", pin.package]
    with tempfile.TemporaryDirectory() as empty:
        done = execute(command, cwd=Path(empty), GOWORK="off", GOFLAGS="-mod=mod")
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return Answer(refused=without_hosts(done.stderr))
    if said.get("Error"):
        return Answer(refused=without_hosts(said["Error"]["Err"]))
    return newest(said.get("Versions", []))


def ask_pypi(pin: Pin, execute: Run) -> Answer:
    """The newest release of a Python package, by `pip index`."""
    done = execute([sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", pin.package])
    found = re.search(r"^Available versions: (.*)$", done.stdout, re.MULTILINE)
    return newest(found[1].split(", ")) if found else Answer(refused=without_hosts(done.stderr))


def ask_npm(pin: Pin, execute: Run) -> Answer:
    """The version of an npm package that has the tag latest."""
    done = execute(["npm", "view", "--json", pin.package, "dist-tags.latest"])
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return Answer(refused=without_hosts(done.stderr))
    return Answer(said) if isinstance(said, str) else Answer(refused="it has no version with the tag latest")


def ask_debian(_pin: Pin, execute: Run) -> Answer:
    """The code name of Debian's stable suite, from the mirror and through the proxy that apt is configured with."""
    listed = execute(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)|$(CREATED_BY)"])
    mirrors = [line.split("|")[1] for line in listed.stdout.splitlines() if re.match(r"Debian\|.*\|Packages$", line)]
    mirrors = [uri for uri in mirrors if "security" not in uri]
    if not mirrors:
        return Answer(refused=without_hosts(listed.stderr) or "apt's configuration names no Debian mirror")
    proxy = (
        execute(["apt-config", "shell", "proxy", "Acquire::http::Proxy"]).stdout.strip().partition("=")[2].strip("'")
    )
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({"http": proxy})] if proxy else []))
    try:
        with opener.open(f"{mirrors[0].rstrip('/')}/dists/stable/Release", timeout=30) as response:
            text = response.read().decode("utf-8", "replace")
    except OSError as error:
        return Answer(refused=without_hosts(str(error)))
    found = re.search(r"^Codename: (\S+)$", text, re.MULTILINE)
    return Answer(found[1]) if found else Answer(refused="its suite stable has no code name")


def newest(versions: Iterable[str]) -> Answer:
    """The highest of the versions that are releases, without those before a release."""
    releases = [version for version in versions if VERSION.match(version)]
    if not releases:
        return Answer(refused="it lists no release")
    return Answer(max(releases, key=numbers))


def numbers(version: str) -> tuple[int, ...]:
    """The parts of a version as numbers, without a leading v and whatever follows them."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0].partition("+")[0]))


def is_newer(found: str, pinned: str) -> bool:
    """Whether a registry's version is another one than the pinned, and higher where both are numbers."""
    if numbers(found) and numbers(pinned):
        return numbers(found) > numbers(pinned)
    return found != pinned


def without_hosts(text: str) -> str:
    """The last line of what a tool says, without the addresses of the machine's registries."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    shown = re.sub(r"[a-z]+://\S*?(?=[/\s\"']|$)", "the registry", lines[-1] if lines else "no answer")
    return re.sub(r"\b(?:[\w-]+\.)+[\w-]+:\d+\b", "the registry", shown)[:200]


# -- commands -------------------------------------------------------------------------------------------------------------


def touched(pin: Pin, root: Path) -> list[str]:
    """The files in which a pin's version stands, and the lists that package managers make of them."""
    locks = {"package.json": "package-lock.json", "go.mod": "go.sum"}
    files = [path.relative_to(root) for path in _mentions(pin, root)]
    for path in map(Path, pin.files):
        files = [path, *([path.with_name(locks[path.name])] if path.name in locks else []), *files]
    return [path.as_posix() for path in files]


def _mentions(pin: Pin, root: Path) -> list[Path]:
    if pin.registry != "Go modules":
        return []
    paths = [path for pattern in MENTIONS for path in sorted(root.glob(pattern))]
    return [path for path in paths if _token(pin.version).search(path.read_text(encoding="utf-8"))]


def _token(version: str) -> re.Pattern[str]:
    """A version in a text, with or without its v, and not as a part of another one."""
    return re.compile(rf"(?<![\w.])(v?){re.escape(version.removeprefix('v'))}(?![\w.]*\d)")


def outdated(root: Path, execute: Run = run) -> list[str]:
    """The lines that `make outdated` prints."""
    said = answers(pins(root), execute)
    lines = []
    for registry in dict.fromkeys(pin.registry for pin in said):
        newer = [pin for pin in said if pin.registry == registry and said[pin].version]
        newer = [pin for pin in newer if is_newer(said[pin].version, pin.version)]
        lines.append(
            f"{registry}: {sum(pin.registry == registry for pin in said)} pins, {len(newer)} with a newer version"
        )
        for pin in newer:
            lines.append(f"  {pin.package} {pin.version} -> {said[pin].version}")
            lines.append(f"    touches {', '.join(touched(pin, root))}")
    refused = {pin: answer.refused for pin, answer in said.items() if answer.refused}
    if refused:
        lines.append("Not answered:")
        lines += [f"  {pin.registry}: {pin.package} {pin.version}: {why}" for pin, why in refused.items()]
    return lines


def find(name: str, root: Path) -> Pin:
    """The pin that a name means. Raises PinError."""
    known = pins(root)
    found = [pin for pin in known if pin.is_called(name)]
    if not found:
        raise PinError(f"There is no pin {name}. 'make outdated' lists those that can be raised.")
    if len(found) > 1:
        choice = ", ".join(f"{pin.package} {pin.version} ({pin.registry}; {', '.join(pin.files)})" for pin in found)
        raise PinError(
            f"{name} may be {choice}: give the whole name of one, and raise a package that stands twice by hand."
        )
    return found[0]


def move(name: str, root: Path, execute: Run = run) -> list[str]:
    """Move a pin to the newest version; what was done, as lines. Raises PinError before anything has changed."""
    pin = find(name, root)
    answer = answers([pin], execute)[pin]
    if answer.refused:
        raise PinError(f"{pin.registry} does not say which versions of {pin.package} there are: {answer.refused}.")
    if not is_newer(answer.version, pin.version):
        return [f"{pin.package} {pin.version} is the newest version."]
    raise_by: Mapping[str, Callable[[Pin, str, Path, Run], None]] = {
        "Go modules": _raise_module,
        "PyPI": _raise_python,
        "npm": _raise_npm,
    }
    if pin.registry not in raise_by or GO_COMPILER in pin.files:
        raise PinError(f"{pin.package} is raised by hand: distribution/README.md tells how.")
    files = touched(pin, root)
    raise_by[pin.registry](pin, answer.version, root, execute)
    fragment = _write_fragment(pin, answer.version, root)
    return [f"{pin.package} {pin.version} -> {answer.version}", *(f"  {file}" for file in (*files, fragment))]


def _raise_module(pin: Pin, version: str, root: Path, execute: Run) -> None:
    for file in pin.files:
        place = (root / file).parent
        _must(execute(["go", "get", f"{pin.package}@{version}"], cwd=place, GOWORK="off"))
        if pin.package == "k8s.io/kubernetes":
            # Its staging modules have the same numbers below v0.
            _replace(root / file, pin.version.replace("v1.", "v0.", 1), version.replace("v1.", "v0.", 1))
        _must(execute(["go", "mod", "tidy"], cwd=place, GOWORK="off"))
    if any(file.startswith(PROGRAMS) for file in pin.files):
        _must(execute(["go", "work", "sync"], cwd=root / PROGRAMS))
    for path in _mentions(pin, root):
        _replace(path, pin.version, version)
    for script in ("role_docs.py", "interface.py"):
        _must(execute([sys.executable, str(root / "scripts" / script)], cwd=root))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(_token(old).sub(rf"\g<1>{new.removeprefix('v')}", text), encoding="utf-8")


def _raise_python(pin: Pin, version: str, root: Path, execute: Run) -> None:
    for file in pin.files:
        target = root / file
        source = target.with_suffix(".in")
        command = ["uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--universal"]
        if source.exists():
            command += ["--python-version", "3.12", "--upgrade-package", f"{pin.package}=={version}", source.name]
            _must(execute([*command, "-o", target.name], cwd=target.parent))
        else:
            with tempfile.TemporaryDirectory() as scratch:
                wanted = Path(scratch) / "wanted.in"
                wanted.write_text(f"{pin.package}=={version}\n", encoding="utf-8")
                _must(execute([*command, "--no-deps", "--no-annotate", str(wanted), "-o", str(target)]))


def _raise_npm(pin: Pin, version: str, root: Path, execute: Run) -> None:
    command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"]
    for file in pin.files:
        # Lock files contain no addresses of registries.
        options = ["--omit-lockfile-registry-resolved", f"{pin.package}@{version}"]
        _must(execute([*command, *options], cwd=(root / file).parent))


def _must(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        shown = " ".join(Path(str(done.args[0])).name if part == done.args[0] else str(part) for part in done.args)
        raise PinError(f"'{shown}' failed: {without_hosts(done.stderr)}. 'git checkout' undoes what it changed.")


def _write_fragment(pin: Pin, version: str, root: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", pin.package.lower()).strip("-")
    file = f"changelogs/fragments/raise-{name}.yml"
    area = "example" if pin.files[0].startswith("examples/") else pin.files[0].partition("/")[0]
    content = {"minor_changes": [f"{area} - {pin.package} {version} instead of {pin.version}."]}
    (root / file).write_text(f"---\n{yaml.safe_dump(content, width=1000)}", encoding="utf-8")
    return file


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("outdated")
    commands.add_parser("raise").add_argument("name")
    options: Any = parser.parse_args(arguments)
    try:
        lines = outdated(ROOT) if options.command == "outdated" else move(options.name, ROOT)
    except PinError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
