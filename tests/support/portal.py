"""Starting the whole product as real processes for tests, and using its portal in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.orgsim import Orgsim

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("ISTHMUS_TEST_CHROMIUM", "/usr/bin/chromium")
STOP_TIMEOUT_S = 20
WAIT_MS = 40_000
WIDE, NARROW = 1440, 375


@dataclass(frozen=True)
class Product:
    """One running installation."""

    url: str
    sign_in_url: str
    environ: dict[str, str] = field(repr=False)
    home: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an `isthmus` command against this installation."""
        return subprocess.run(
            [str(Path(sys.executable).with_name("isthmus")), *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def new_sign_in_url(self) -> str:
        """Make another one-time link, as the operator would."""
        made = self.command("link", "--json")
        assert made.returncode == 0, made.stderr
        return next(value for value in json.loads(made.stdout).values() if "/sign-in/" in str(value))


@contextmanager
def start_product(more: Mapping[str, str] | None = None) -> Iterator[Product]:
    """Run `isthmus up` in a new place until the block ends, with `more` settings."""
    place = Path(tempfile.mkdtemp(prefix="isp-"))
    port = free_port()
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("ISTHMUS_")},
        "ISTHMUS_HOME": str(place / "h"),
        "ISTHMUS_SECRETS_DIR": str(place / "s"),
        "ISTHMUS_PORT": str(port),
        "ISTHMUS_ALLOW_LOOPBACK_HTTP": "1",
        **(more or {}),
    }
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("isthmus")), "up", "--json"],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, f"isthmus up ended: {process.stderr.read()}"
        ready = json.loads(line)
        assert "portal_url" in ready, ready
        yield Product(ready["portal_url"], ready["sign_in_url"], environ, place)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Portal:
    """A person in a browser, signed in or not. Keeps every origin that the browser asked and every complaint it made."""

    def __init__(self, browser: Browser, product: Product, *, width: int = WIDE) -> None:
        self.product = product
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 900}, accept_downloads=True
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.requested: set[str] = set()
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requested.add("/".join(request.url.split("/")[:3])))
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        """Open a page of the portal."""
        self.page.goto(self.product.url + path)
        return self.page

    def sign_in(self, url: str) -> None:
        """Use a one-time link."""
        self.page.goto(url)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="What to do next").wait_for()

    def begin_connecting(self, org: Orgsim, alias: str, purpose: str) -> None:
        """Fill in the form and stop before Salesforce's login page."""
        page = self.open("/orgs/connect")
        page.locator(f"#purpose-{purpose}").check()
        page.locator("#environment-emulator").check()
        page.get_by_label("Address of My Domain or emulator").fill(org.instance_url)
        page.get_by_label("Alias").fill(alias)
        page.get_by_label("Client id").fill(org.client_id)
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("link", name="Log in at Salesforce").wait_for()

    def connect(self, org: Orgsim, alias: str, purpose: str) -> None:
        """Connect an org through its own login and consent pages."""
        self.begin_connecting(org, alias, purpose)
        self.page.get_by_role("link", name="Log in at Salesforce").click()
        self.log_in_there(org, "#oaapprove")
        self.page.get_by_role("heading", name=alias).wait_for()

    def log_in_there(self, org: Orgsim, answer: str) -> None:
        """Log in at the org, unless it remembers this browser, and answer its question."""
        page = self.page
        stops = page.locator(f"#username, {answer}, .isthmus-main")
        stops.first.wait_for()
        if page.locator("#username").count():
            page.locator("#username").fill(org.username)
            page.locator("#password").fill(org.password)
            page.locator("#Login").click()
            page.locator(f"{answer}, .isthmus-main").first.wait_for()
        if page.locator(answer).count():
            page.locator(answer).click()
        page.locator(".isthmus-main").wait_for()


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
