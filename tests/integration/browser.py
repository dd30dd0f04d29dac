# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at the application's page: Chromium with real clicks, and an eye on what goes wrong meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Request, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
PATIENCE = 30_000  # ms until something must have appeared


class BrowserError(Exception):
    """No browser can be had; the text says why and what to do."""


def chromium() -> str:
    """Path of the machine's Chromium, installed by apt where it is missing and this may be done. Raises BrowserError."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found:
        return found
    remedy = f"Install Chromium ('apt-get install {' '.join(PACKAGES)}' as root on Debian) and run this again."
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise BrowserError(f"None of {', '.join(PROGRAMS)} is on PATH, and this user cannot install it here. {remedy}")
    options = ["-q", "-y", "--no-install-recommends", "-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=120"]
    for command in (["update", "-q", "-o", "Acquire::Retries=5"], ["install", *options, *PACKAGES]):
        done = subprocess.run(
            ["apt-get", *command],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BrowserError(f"'apt-get {command[0]}' failed: {(done.stderr or done.stdout)[-500:].strip()} {remedy}")
    found = shutil.which(PROGRAMS[0])
    if not found:
        raise BrowserError(f"apt installed {PACKAGES[0]}, but there is no program of this name on PATH. {remedy}")
    return found


@contextmanager
def started() -> Iterator[Browser]:
    """A headless browser. Raises BrowserError."""
    # Chromium's own sandbox refuses root and needs user namespaces, which containers often lack.
    with sync_playwright() as tools:
        try:
            browser = tools.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        except Error as error:
            raise BrowserError(f"Chromium does not start: {error.message.splitlines()[0]}") from error
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Screen:
    """A size of screen, in CSS pixels, and how many of the device's pixels make one of them."""

    name: str
    width: int
    height: int
    scale: float = 2
    touch: bool = False


DESKTOP = Screen("desktop", 1280, 760)
PHONE = Screen("phone", 390, 780, touch=True)


@dataclass
class Visitor:
    """Somebody at the page. ``troubles`` collects what a person would not see, one sentence each."""

    page: Page
    url: str
    screen: Screen
    name: str = "Ada Lovelace"
    email: str = field(default_factory=lambda: f"ada-{uuid.uuid4().hex[:12]}@example.com")
    password: str = field(default_factory=lambda: uuid.uuid4().hex)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        expect.set_options(timeout=PATIENCE)
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.on("websocket", lambda socket: self.troubles.append(f"web socket to {socket.url}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.troubles.append(f"request to another host: {request.url}")

    def find(self, test_id: str) -> Locator:
        """Elements by their data-testid."""
        return self.page.get_by_test_id(test_id)

    def task(self, title: str) -> Locator:
        """The row of a task."""
        return self.find("task-item").filter(has_text=title)

    def register(self) -> None:
        """From the front page to an account of one's own."""
        self.page.goto(f"{self.url}/")
        self.find("show-register").click()
        self.find("register-form").wait_for()
        self.find("name").fill(self.name)
        self._sign_in()

    def log_in(self) -> None:
        """From the front page to one's list."""
        self.page.goto(f"{self.url}/")
        self.find("login-form").wait_for()
        self._sign_in()

    def _sign_in(self) -> None:
        self.find("email").fill(self.email)
        self.find("password").fill(self.password)
        self.find("submit").click()
        expect(self.find("task-summary")).to_contain_text(".")  # the list is loaded
        expect(self.find("tasks-loading")).to_have_count(0)

    def log_out(self) -> None:
        """Back to the log-in page."""
        self.find("logout").click()
        self.find("login-form").wait_for()

    def add(self, title: str) -> None:
        """Write a task and see it on the list."""
        self.show("tasks")
        self.find("new-task").press_sequentially(title)
        self.find("add-task").click()
        expect(self.task(title)).to_be_visible()

    def complete(self, title: str) -> None:
        """Tick a task off."""
        self.show("tasks")
        self.task(title).get_by_test_id("task-complete").click()
        expect(self.task(title)).to_have_attribute("data-completed", "true")

    def delete(self, title: str) -> None:
        """Remove a task and see it go."""
        self.show("tasks")
        self.task(title).get_by_test_id("task-delete").click()
        expect(self.task(title)).to_have_count(0)

    def say(self, message: str) -> str:
        """The assistant's answer to a message."""
        self.show("chat")
        answers = self.find("chat-message").and_(self.page.locator("[data-role=assistant]"))
        before = answers.count()
        self.find("chat-input").press_sequentially(message)
        self.find("chat-send").click()
        expect(answers).to_have_count(before + 1, timeout=60_000)  # a language model takes its time
        return answers.last.inner_text()

    def show(self, view: str) -> None:
        """Go to a view (``tasks`` or ``chat``) where the screen has room for one only."""
        button = self.find(f"view-{view}")
        if button.is_visible():
            button.click()

    def too_wide(self) -> int:
        """Pixels by which the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def leave(self) -> None:
        """Remove the account, which no page offers."""
        removed: Any = self.page.evaluate(
            """async () => {
              const {token} = JSON.parse(sessionStorage.getItem("todo.session"));
              const headers = {Authorization: `Bearer ${token}`};
              return (await fetch("/api/auth/me", {method: "DELETE", headers})).status;
            }"""
        )
        assert removed == 204, f"removing the account answered {removed}"


@contextmanager
def visiting(browser: Browser, url: str, screen: Screen) -> Iterator[Visitor]:
    """Somebody who has just opened a window."""
    context = browser.new_context(
        viewport={"width": screen.width, "height": screen.height},
        device_scale_factor=screen.scale,
        is_mobile=screen.touch,
        has_touch=screen.touch,
        reduced_motion="reduce",
        locale="en-GB",
    )
    try:
        yield Visitor(context.new_page(), url, screen)
    finally:
        context.close()


def furnish(visitor: Visitor) -> None:
    """Put a day's tasks on the list and talk about them: what a picture of the application shows."""
    for title in ("Write the release notes", "Book a table for Friday", "Send the invoice to Grace"):
        visitor.add(title)
    visitor.say("Add a task to water the plants")
    visitor.say("Complete water the plants")
    visitor.say("What is left to do?")


def picture(visitor: Visitor, path: Path) -> None:
    """Keep what the page shows, without the mark of the keyboard's focus."""
    visitor.page.evaluate("document.activeElement?.blur()")
    visitor.page.screenshot(path=path)
