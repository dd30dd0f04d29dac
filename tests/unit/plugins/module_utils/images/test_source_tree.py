# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build contexts: what .dockerignore keeps out, and what the digest depends on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.snapshots import Snapshot, read
from ansible_collections.slipway.kube.plugins.module_utils._images.dockerignore import (
    ContextError,
    ignored,
    parse_dockerignore,
)
from ansible_collections.slipway.kube.plugins.module_utils._images.source_tree import (
    build_digest,
    digest_paths,
    members_of,
    read_context,
    source_digest,
)


@pytest.mark.parametrize(
    ("rules", "path", "out"),
    [
        # plain names are anchored at the root of the context
        ("node_modules", "node_modules", True),
        ("node_modules", "node_modules/a/b.js", True),
        ("node_modules", "src/node_modules/a.js", False),
        ("node_modules", "node_modules2", False),
        ("/node_modules", "node_modules/a", True),
        ("./a", "a", True),
        ("a/", "a/b", True),
        ("a//b/../c", "a/c", True),
        ("foo.txt", "fooxtxt", False),
        ("a+b(c){d}|$", "a+b(c){d}|$", True),
        # one level of wildcards
        ("*", "a", True),
        ("*", "a/b", True),
        ("*/temp*", "dir/temporary.txt", True),
        ("*/temp*", "dir/sub/temporary.txt", False),
        ("*/*/temp*", "dir/sub/temporary.txt", True),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("temp?", "temp/a", False),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("[a-c].txt", "b.txt", True),
        ("[^a-c].txt", "b.txt", False),
        ("[^a-c].txt", "d.txt", True),
        (r"\*.txt", "*.txt", True),
        (r"\*.txt", "a.txt", False),
        # any number of levels
        ("**/*.go", "main.go", True),
        ("**/*.go", "a/b/main.go", True),
        ("**/foo", "foo", True),
        ("**/foo", "a/b/foo", True),
        ("**/foo", "a/b/foo/c", True),
        ("**/foo", "afoo", False),
        ("**/foo/**", "a/foo/b", True),
        ("**/foo/**", "a/foo", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("a/**", "a/x/y", True),
        ("a/**", "a", False),
        ("**", "x/y", True),
        ("**/__pycache__", "a/__pycache__/m.pyc", True),
        # Docker's own reading of two stars beside a name: they end and begin it, across slashes
        ("**foo", "afoo", True),
        ("**foo", "x/afoo", True),
        ("foo**", "foobar/x", True),
        # the last pattern that matches decides
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md", "OTHER.md", True),
        ("!README.md\n*.md", "README.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-open.md", False),
        ("*\n!src", "src/a/b.ts", False),
        ("*\n!src", "other/a", True),
        ("*\n!src\nsrc/secret", "src/secret/key", True),
        ("dir\n!dir/keep", "dir/keep", False),
        ("dir\n!dir/keep", "dir/keep/below", False),
        ("dir\n!dir/keep", "dir/other", True),
        ("*\n!**/*.py", "a/b/c.py", False),
        ("! a", "a", False),
        ("a\n! a", "a", False),
        # comments, blanks, byte order mark, Windows line ends
        ("# a\n\n  \nb", "b", True),
        ("#a", "#a", False),
        (" #a", "#a", True),
        ("  a  ", "a", True),
        ("\ufeffa", "a", True),
        ("a\r\nb", "a", True),
        ("", "a", False),
    ],
)
def test_dockerignore_follows_docker(rules: str, path: str, out: bool) -> None:
    assert ignored(parse_dockerignore(rules), path) is out


@pytest.mark.parametrize(("rules", "line"), [("a\n!", 2), ("[a", 1), ("[]a", 1), ("a\\\\", 1)])
def test_bad_pattern_is_refused_with_its_line(rules: str, line: int) -> None:
    with pytest.raises(ContextError, match=f"line {line}:"):
        parse_dockerignore(rules)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small context."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/app.py").write_text("print()")
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    return tmp_path


def snapshot(root: Path, dockerfile: str = "Dockerfile") -> Snapshot:
    return read(members_of(read_context(root, dockerfile), root / dockerfile))


def digest(root: Path, dockerfile: str = "Dockerfile", **arguments: str) -> str:
    return build_digest(snapshot(root, dockerfile), arguments)


def paths(root: Path) -> list[str]:
    return [entry.path for entry in read_context(root).entries]


def test_entries_are_files_and_directories_in_order(source: Path) -> None:
    (source / "empty").mkdir()
    assert paths(source) == ["Dockerfile", "empty", "src", "src/app.py"]


def test_ignored_directory_is_kept_only_as_the_way_to_an_exception(source: Path) -> None:
    (source / "vendor/deep").mkdir(parents=True)
    (source / "vendor/deep/keep.txt").write_text("")
    (source / "vendor/deep/drop.txt").write_text("")
    (source / ".dockerignore").write_text("vendor\n!vendor/deep/keep.txt\n")
    assert [path for path in paths(source) if "vendor" in path] == ["vendor", "vendor/deep", "vendor/deep/keep.txt"]
    (source / ".dockerignore").write_text("vendor\n!vendor/deep/missing.txt\n")
    assert not [path for path in paths(source) if "vendor" in path]


def test_exception_with_wildcard_reaches_into_ignored_directories(source: Path) -> None:
    (source / ".dockerignore").write_text("*\n!**/*.py\n")
    assert paths(source) == ["src", "src/app.py"]


def test_ignored_directory_is_not_read(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "node_modules").mkdir()
    (source / ".dockerignore").write_text("*\n!src\n")
    read: list[str] = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (read.append(str(path)), real(path))[1])
    read_context(source)
    assert not [path for path in read if "node_modules" in path]


def test_digest_does_not_depend_on_time_place_or_order(source: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "Dockerfile").write_text("FROM scratch")
    (other / "src").mkdir()
    (other / "src/app.py").write_text("print()")
    os.utime(other / "src/app.py", (1, 1))
    # As under another umask.
    (other / "src/app.py").chmod(0o666)
    (other / "src").chmod(0o775)
    assert digest(source) == digest(other)


def test_digest_depends_on_content_name_mode_and_kind(source: Path) -> None:
    seen = [digest(source)]
    (source / "src/app.py").write_text("print(1)")
    seen.append(digest(source))
    (source / "src/app.py").chmod(0o600)
    seen.append(digest(source))
    (source / "src").chmod(0o700)
    seen.append(digest(source))
    (source / "src/app.py").chmod(0o755)
    seen.append(digest(source))
    (source / "src/app.py").rename(source / "src/main.py")
    seen.append(digest(source))
    (source / "empty").mkdir()
    seen.append(digest(source))
    (source / "link").symlink_to("src/main.py")
    seen.append(digest(source))
    (source / "link").unlink()
    (source / "link").symlink_to("nowhere")
    seen.append(digest(source))
    (source / "link").unlink()
    (source / "link").write_text("nowhere")
    seen.append(digest(source))
    (source / "Dockerfile").write_text("FROM scratch AS x")
    seen.append(digest(source))
    seen.append(digest(source, A="1"))
    seen.append(digest(source, A="2"))
    seen.append(digest(source, B="2"))
    assert len(set(seen)) == len(seen)


def test_digest_depends_on_what_is_known_of_base_images(source: Path) -> None:
    build = digest(source)
    found = {source_digest(build, bases) for bases in ({}, {"python": "1"}, {"python": "2"}, {"node": "1"})}
    assert len(found) == 4


def test_mirrors_are_not_part_of_the_digest(source: Path) -> None:
    assert digest(source, PIP_INDEX_URL="https://one", A="1") == digest(source, NPM_CONFIG_REGISTRY="b", A="1")


def test_content_cannot_pass_for_another_file(source: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Names and contents are kept apart: ab + c is not a + bc."""
    roots = []
    for name, content in (("ab", "c"), ("a", "bc")):
        root = tmp_path_factory.mktemp("pair")
        (root / "Dockerfile").write_text("")
        (root / name).write_text(content)
        roots.append(digest(root))
    assert roots[0] != roots[1]


def test_dockerfile_counts_although_it_is_ignored(source: Path) -> None:
    (source / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    before = digest(source)
    assert "Dockerfile" not in paths(source)
    (source / "Dockerfile").write_text("FROM other")
    assert digest(source) != before


def test_change_of_an_ignored_file_changes_nothing(source: Path) -> None:
    (source / ".dockerignore").write_text("*.log\n.dockerignore\n")
    before = digest(source)
    (source / "debug.log").write_text("x")
    assert digest(source) == before
    # Another way to say the same is the same context.
    (source / ".dockerignore").write_text("# logs\n*.log\n.dockerignore\n")
    assert digest(source) == before


def test_dockerfile_with_rules_of_its_own(source: Path) -> None:
    (source / "web.Dockerfile").write_text("FROM scratch")
    (source / ".dockerignore").write_text("src\n")
    (source / "web.Dockerfile.dockerignore").write_text("*\n!src\n")
    context = read_context(source, "web.Dockerfile")
    assert [entry.path for entry in context.entries] == ["src", "src/app.py"]


def test_dockerfile_outside_with_rules_of_its_own(source: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    recipes = tmp_path_factory.mktemp("recipes")
    dockerfile = os.path.relpath(recipes / "web.Dockerfile", source)
    (recipes / "web.Dockerfile").write_text("FROM scratch")
    before = digest(source, dockerfile)
    assert [entry.path for entry in read_context(source, dockerfile).entries] == ["Dockerfile", "src", "src/app.py"]
    (recipes / "web.Dockerfile.dockerignore").write_text("Dockerfile\n")
    assert [entry.path for entry in read_context(source, dockerfile).entries] == ["src", "src/app.py"]
    (recipes / "web.Dockerfile").write_text("FROM scratch AS web")
    assert digest(source, dockerfile) != before


def test_symlink_to_a_directory_is_not_followed(source: Path) -> None:
    (source / "loop").symlink_to(".")
    assert [entry for entry in read_context(source).entries if entry.path == "loop"][0].kind == "l"


@pytest.mark.parametrize("name", [".env", ".env.production", "server.pem", "tls.key", "id_rsa", "id_ed25519", ".netrc"])
def test_secret_in_the_context_is_named(source: Path, name: str) -> None:
    (source / "src" / name).write_text("x")
    (warning,) = read_context(source).warnings
    assert f"src/{name}" in warning and ".dockerignore" in warning
    (source / ".dockerignore").write_text(f"**/{name}\n")
    assert read_context(source).warnings == ()


@pytest.mark.parametrize("name", [".env.example", "keyboard.py", "pem.txt", "environment"])
def test_harmless_file_is_not_named(source: Path, name: str) -> None:
    (source / name).write_text("x")
    assert read_context(source).warnings == ()


def test_git_directory_is_named_once(source: Path) -> None:
    (source / ".git/objects").mkdir(parents=True)
    (source / ".git/objects/a.pem").write_text("x")
    (warning,) = read_context(source).warnings
    assert ".git/" in warning and "a.pem" not in warning


def test_odd_names_are_hashed(source: Path) -> None:
    os.mkdir(os.fsencode(source) + b"/\xff")
    assert digest(source)


def test_digest_of_paths_covers_what_is_named_and_below_it_and_nothing_else(tmp_path: Path) -> None:
    for name in ("db/1.sql", "db/more/2.sql", "db2/3.sql", "dbx", "main.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "Dockerfile").write_text("FROM scratch")

    def named(*paths: str) -> str:
        return digest_paths(snapshot(tmp_path), paths)

    whole, file = named("db"), named("main.py")
    assert named("db/") == named("./db") == named("db", "db/more") == whole != file
    (tmp_path / "db2/3.sql").write_text("other")
    (tmp_path / "dbx").write_text("other")
    assert (named("db"), named("main.py")) == (whole, file)
    (tmp_path / "db/more/2.sql").write_text("other")
    assert named("db") != whole
    (tmp_path / "main.py").write_text("other")
    assert named("main.py") != file
    for path in ("gone", "..", "../Dockerfile"):
        with pytest.raises(ContextError, match=f"^{path}: the build context "):
            named(path)


@pytest.mark.parametrize("count", [5, 6, 8])
def test_five_suspicious_files_are_named_and_the_others_counted(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / f"{number}.pem").write_text("secret")
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (warning,) = read_context(tmp_path).warnings
    assert warning.startswith(
        "0.pem, 1.pem, 2.pem, 3.pem, 4.pem" + (f" and {count - 5} more" if count > 5 else " would")
    )
