# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of the cache: who may write, where things are made, what a killed run left. Private to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import typing as t
from collections.abc import Iterator

from ansible_collections.slipway.kube.plugins.module_utils._common import receipts
from ansible_collections.slipway.kube.plugins.module_utils._common.progress import Say
from ansible_collections.slipway.kube.plugins.module_utils._distribution.commands import BuildError

SCRATCH = ".making"
# Where earlier versions made things.
OLD_SCRATCH = (".making-*", ".unpacking-*", "artifacts/.making-*", "artifacts/.unpacking-*")


@contextlib.contextmanager
def lock(directory: pathlib.Path, say: Say) -> Iterator[None]:
    """Hold a directory of the cache for writing, and remove what a killed run left in it. Raises BuildError and OSError.

    A second run waits, and says for whom; the lock dies with its process.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"waiting for another run (process {file.read().strip() or 'unknown'}) that fills the cache")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise BuildError(
                f"{directory} cannot be locked ({error.strerror}): its file system has no locks. Set toolchain_cache_dir (or XDG_CACHE_HOME) "
                "to a directory on a local disk. Nothing was built."
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        _sweep(directory, say)
        yield


def _sweep(directory: pathlib.Path, say: Say) -> None:
    left = [path for pattern in (f"{SCRATCH}/*", *OLD_SCRATCH) for path in directory.glob(pattern)]
    for path in left:
        shutil.rmtree(path)
    if left:
        say(f"removed what {len(left)} interrupted steps of earlier runs had left in {directory}")


@contextlib.contextmanager
def scratch(directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new directory below one that is locked, removed when the block ends or, if that is killed, by the next run. Raises OSError."""
    (directory / SCRATCH).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory / SCRATCH, prefix="") as place:
        yield pathlib.Path(place)


@contextlib.contextmanager
def making(
    directory: pathlib.Path, path: pathlib.Path, inputs: t.Mapping[str, t.Any], compiler: str = ""
) -> Iterator[pathlib.Path]:
    """A path to write a file or directory to; it is moved to ``path``, with a receipt, when the block ends well.

    It lies alone in a scratch directory of ``directory``, which must be locked and of the same file system as ``path``. Raises OSError.
    """
    with scratch(directory) as place:
        yield place / path.name
        made = place / path.name
        receipts.keep(made, path, receipts.of(made, inputs, compiler))
