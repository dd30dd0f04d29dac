# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of profiles: where they lie, whose they are, and which go with a profile. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import pwd
import shutil
import typing as t

from ansible_collections.slipway.kube.plugins.module_utils._common import paths
from ansible_collections.slipway.kube.plugins.module_utils._common.files import link_or_copy, unwritable, write_text
from ansible_collections.slipway.kube.plugins.module_utils._common.receipts import is_copy
from ansible_collections.slipway.kube.plugins.module_utils._minikube.errors import MinikubeError

with contextlib.suppress(ImportError):  # the modules say so, by _requires
    import yaml

OWNER_FILE = "slipway-owner.json"


def minikube_dir(home: pathlib.Path) -> pathlib.Path:
    """Where Minikube keeps its files: it appends .minikube to MINIKUBE_HOME unless it is named so already."""
    return home if home.name == ".minikube" else home / ".minikube"


def lock_file(home: pathlib.Path, profile: str) -> pathlib.Path:
    """The file that is locked for as long as somebody starts, stops or deletes the profile."""
    return minikube_dir(home) / "slipway" / f"{profile}.lock"


@contextlib.contextmanager
def locked(home: pathlib.Path, profile: str) -> t.Iterator[int]:
    """Keep other runs from starting, stopping or deleting the same profile; yields the file descriptor that holds the lock.

    The lock dies with its process and with those that inherit the descriptor.
    """
    place = lock_file(home, profile)
    while True:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever deleted the last profile meanwhile has deleted the file too, and the next run locks a new one.
            if _lies_at(place, file.fileno()):
                yield file.fileno()
                return


def _lies_at(path: pathlib.Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def is_locked(home: pathlib.Path, profile: str) -> bool:
    """Whether somebody starts, stops or deletes the profile."""
    try:
        with lock_file(home, profile).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def owned_profiles(home: pathlib.Path) -> list[str]:
    """The profiles of a MINIKUBE_HOME that Slipway created."""
    return sorted(note.parent.name for note in minikube_dir(home).glob(f"slipway/*/{OWNER_FILE}"))


def owner_note(home: pathlib.Path, profile: str) -> dict[str, t.Any]:
    """What Slipway noted of a profile that it created; empty for one that it did not."""
    try:
        return t.cast("dict[str, t.Any]", json.loads(note_file(home, profile).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def homes_with_note(profile: str, kubeconfig: pathlib.Path) -> list[pathlib.Path]:
    """The MINIKUBE_HOMEs with Slipway's note of a profile, as far as they can be guessed.

    Those are where the certificates of the kubeconfig's context are, and the state directories of this user by default.
    """
    homes = [paths.state_dir()]
    with contextlib.suppress(KeyError):
        homes.append(pathlib.Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".local" / "state" / "slipway")
    homes += _homes_of_certificates(kubeconfig, profile)
    return [home for home in dict.fromkeys(homes) if owner_note(home, profile)]


def _homes_of_certificates(kubeconfig: pathlib.Path, profile: str) -> list[pathlib.Path]:
    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        clusters = [one["cluster"] for one in content["clusters"] if one["name"] == profile]
        certificates = [pathlib.Path(one["certificate-authority"]) for one in clusters]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return []
    return [path.parent.parent for path in certificates if path.parent.name == ".minikube"]


def write_owner_note(home: pathlib.Path, profile: str, started: bool) -> None:
    """Note that Slipway created a profile, and whether a start has ended well."""
    write_text(note_file(home, profile), json.dumps({"profile": profile, "started": started}) + "\n")


def note_file(home: pathlib.Path, profile: str) -> pathlib.Path:
    """Where the note lies that Slipway created a profile."""
    # Outside of the profile's directory: Minikube lists every directory there as a profile.
    return minikube_dir(home) / "slipway" / profile / OWNER_FILE


@dataclasses.dataclass(frozen=True)
class ProfileFiles:
    """What goes from a MINIKUBE_HOME with a profile: ``paths``; ``kept`` is a sentence that says what stays and why, or empty."""

    paths: tuple[pathlib.Path, ...] = ()
    kept: str = ""


def files_of(home: pathlib.Path, profile: str, state_dir: pathlib.Path | None) -> ProfileFiles:
    """What goes with the profile: all of ``.minikube`` in Slipway's ``state_dir`` with the last one, otherwise the profile's own files."""
    place = minikube_dir(home)
    if not place.exists():
        return ProfileFiles()
    owned = owned_profiles(home)
    others = [name for name in owned if name != profile]
    foreign = sorted(one.name for one in place.glob("profiles/*") if one.is_dir() and one.name not in owned)
    if others:
        reason = f"of {_profiles(others)}, which Slipway created too"
    elif foreign:
        reason = f"of {_profiles(foreign)}, which Slipway did not create"
    elif state_dir is None or home.resolve() != state_dir.resolve():
        reason = "it is not in Slipway's own state directory"
    else:
        return ProfileFiles((place,))
    # Not the lock file: a run that waits for it must meet those that come after it.
    own = (place / "profiles" / profile, place / "machines" / profile, place / "slipway" / profile)
    present = tuple(path for path in own if path.exists()) if profile in owned else ()
    return ProfileFiles(
        present, f"{place} stays, because {reason}. Only what belongs to profile {profile} is removed from it."
    )


def _profiles(names: t.Sequence[str]) -> str:
    return f"the Minikube profile{'s' if len(names) > 1 else ''} {', '.join(names)}"


def remove_files(unneeded: t.Iterable[pathlib.Path]) -> None:
    """Remove files and directories; one that has gone already is no error. Raises MinikubeError."""
    for path in unneeded:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise MinikubeError(
                f"{path} cannot be removed: {error.strerror} ({error.filename}). Remove it yourself, with the required permissions."
            ) from None


def remove_if_empty(kubeconfig: pathlib.Path) -> None:
    """Remove a kubeconfig that names no cluster, context or user any more: the skeleton that Minikube leaves behind."""
    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return
    if (
        isinstance(content, dict)
        and content.get("kind") == "Config"
        and not any(content.get(key) for key in ("clusters", "contexts", "users"))
    ):
        kubeconfig.unlink()
        with contextlib.suppress(OSError):
            kubeconfig.parent.rmdir()


def place_preload(source: pathlib.Path, target: pathlib.Path) -> None:
    """Put the preload where Minikube looks for it: a link where that can be, otherwise a copy. Raises MinikubeError."""
    try:
        if not is_copy(target, source):
            link_or_copy(source, target)
    except OSError as error:
        raise MinikubeError(unwritable(error, target.parent)) from None
