"""The portal in a real browser over the real product and two real emulated orgs, at both widths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.page_checks import page_faults
from tests.support.portal import NARROW, WIDE, Portal, Product, start_browser, start_product

HOSTILE_NAME = "<img src=x onerror=alert(1)>\"'{{7*7}}"
SHOTS = os.environ.get("ISTHMUS_TEST_SCREENSHOTS")


@dataclass
class World:
    """Everything that runs, and what the journey through the portal left."""

    product: Product
    source: Orgsim
    target: Orgsim
    browser: Browser
    portal: Portal
    pages: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with (
        start_product() as product,
        start_orgsim(name="acme", profile="demo", rows={"Account": 300, "Contact": 600, "Opportunity": 200}) as source,
        start_orgsim(name="target") as target,
        start_browser() as browser,
    ):
        _plant_hostile_name(source)
        portal = Portal(browser, product)
        portal.sign_in(product.sign_in_url)
        made = World(product, source, target, browser, portal)
        _connect(made)
        _audit(made)
        _sync(made)
        yield made
        portal.context.close()


def _plant_hostile_name(org: Orgsim) -> None:
    row = next(user for user in org.rows("User") if user["IsActive"] and user["UserType"] == "Standard")
    kept = {key: value for key, value in row.items() if key != "Id" and value is not None}
    hostile = {**kept, "LastName": HOSTILE_NAME, "Name": HOSTILE_NAME, "Username": "hostile@acme.example"}
    org.add_rows("User", [{**hostile, "CreatedDate": "2020-01-01T00:00:00.000+0000", "LastLoginDate": None}])


def _connect(world: World) -> None:
    world.portal.connect(world.source, "acme", "audit")
    world.pages["org"] = world.portal.page.url.removeprefix(world.product.url).partition("?")[0]
    world.portal.connect(world.source, "acme", "sync")
    world.portal.connect(world.target, "target", "sync")


def _audit(world: World) -> None:
    page = world.portal.open("/audits")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="Findings").or_(page.get_by_text("The audit did not finish")).first.wait_for()
    world.pages["audit"] = page.url.removeprefix(world.product.url).partition("?")[0]


def _sync(world: World) -> None:
    page = world.portal.open("/syncs/new")
    page.get_by_label("Source org").select_option(label="acme")
    page.get_by_label("Target org").select_option(label="target")
    page.get_by_label("Name of the sync").fill("Accounts and people")
    page.get_by_role("button", name="Save and check the plan").click()
    page.get_by_role("button", name="Activate").click()
    page.get_by_role("button", name="Run now").wait_for()
    world.pages["sync"] = page.url.removeprefix(world.product.url).partition("?")[0]
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("heading", name="Counts", exact=True).wait_for()
    world.pages["run"] = page.url.removeprefix(world.product.url).partition("?")[0]
    page.locator("[data-reload-on]").wait_for(state="detached")


def _everything(world: World) -> list[str]:
    return ["/", "/orgs", "/orgs/connect", world.pages["org"], "/audits", world.pages["audit"], "/syncs", "/syncs/new",
            world.pages["sync"], world.pages["run"], "/trust", "/nowhere"]  # fmt: skip


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_page_fits_and_can_be_used_without_a_mouse_or_eyes(world: World, width: int) -> None:
    page = world.portal.page
    page.set_viewport_size({"width": width, "height": 900})
    faults: dict[str, list[str]] = {}
    for path in _everything(world):
        world.portal.open(path)
        faults[path] = page_faults(page)
        _shoot(page, path, width)
    page.set_viewport_size({"width": WIDE, "height": 900})
    assert {path: found for path, found in faults.items() if found} == {}


def _shoot(page: Page, path: str, width: int) -> None:
    if SHOTS:
        name = path.strip("/").split("/")[0] + ("-one" if path.count("/") > 1 else "") or "home"
        page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png", full_page=True)


def test_the_first_tab_leads_to_the_content(world: World) -> None:
    page = world.portal.open("/trust")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_audit_shows_its_figures_and_names_nobody_as_a_script(world: World) -> None:
    page = world.portal.open(world.pages["audit"])
    expect(page.get_by_role("heading", name="Savings a year")).to_be_visible()
    expect(page.get_by_role("img", name="purchased").first).to_be_visible()
    page.get_by_label("Text", exact=True).fill("hostile@acme.example")
    expect(page.locator("#findings .isthmus-finding", has_not_text="hostile@acme.example")).to_have_count(0)
    expect(page.locator("#findings strong").first).to_contain_text("onerror=alert(1)")
    assert page.locator("#findings img").count() == 0


def test_a_filter_shows_only_what_it_admits_and_evidence_opens(world: World) -> None:
    page = world.portal.open(world.pages["audit"] + "?grade=A")
    badges = page.locator("#findings summary .isthmus-badge", has_text="Grade")
    assert set(badges.all_inner_texts()) == {"Grade A"}
    page.locator("#findings summary").first.click()
    expect(page.locator("#findings details[open] dl").first).to_be_visible()


def test_each_document_downloads(world: World) -> None:
    page = world.portal.open(world.pages["audit"])
    sizes: dict[str, int] = {}
    for link in page.locator(".isthmus-documents a").all():
        with page.expect_download() as started:
            link.click()
        sizes[started.value.suggested_filename] = Path(started.value.path()).stat().st_size
    assert set(sizes) == {"report.pdf", "report.xlsx", "findings.csv", "report.json", "bundle.zip"}
    assert min(sizes.values()) > 200


def test_the_run_wrote_every_row_and_says_so(world: World) -> None:
    page = world.portal.open(world.pages["sync"])
    expect(page.get_by_role("row").filter(has_text="Done").first).to_be_visible()
    assert len(world.target.rows("Account")) == len(world.source.rows("Account"))


LOOK_IN_THE_BROWSER = """async (sync) => {
  const b64 = (bytes) => btoa(String.fromCharCode(...bytes));
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const curve = {name: "ECDH", namedCurve: "P-256"};
  const pair = await crypto.subtle.generateKey(curve, false, ["deriveBits"]);
  const ours = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const csrf = (await (await fetch("/api/v1/session")).json()).csrf;
  const reply = await fetch(`/api/v1/syncs/${sync}/inspect`, {
    method: "POST",
    headers: {"Content-Type": "application/json", "X-CSRF-Token": csrf},
    body: JSON.stringify({viewer_key: b64(ours), rows: 5}),
  });
  const told = await reply.json();
  const look = Uint8Array.from(told.look.replaceAll("-", "").match(/../g), (h) => parseInt(h, 16));
  const opened = [];
  for (const sealed of told.sealed.map(bytes)) {
    const sender = sealed.slice(0, 65), number = sealed.slice(65, 69), nonce = new Uint8Array(12);
    nonce.set(number, 8);
    const theirs = await crypto.subtle.importKey("raw", sender, curve, false, []);
    const secret = await crypto.subtle.deriveBits({name: "ECDH", public: theirs}, pair.privateKey, 256);
    const info = new Uint8Array([...new TextEncoder().encode("isthmus inspect 1"), ...look, ...sender, ...ours]);
    const salt = new Uint8Array(0), base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
    const key = await crypto.subtle.deriveKey(
      {name: "HKDF", hash: "SHA-256", salt, info}, base, {name: "AES-GCM", length: 256}, false, ["decrypt"]);
    const plain = await crypto.subtle.decrypt({name: "AES-GCM", iv: nonce, additionalData: number}, key, sealed.slice(69));
    opened.push(JSON.parse(new TextDecoder().decode(plain)));
  }
  return {status: reply.status, cache: reply.headers.get("cache-control"), raw: JSON.stringify(told), opened};
}"""


def test_rows_that_fail_are_shown_to_the_browser_that_asks_and_to_the_command(world: World) -> None:
    last = world.target.rows("Account")[0]["Name"]
    fault = {"object": "Account", "where": {"Name": last}}
    error = {"code": "STRING_TOO_LONG", "fields": ["Name"], "message": f"{last} is too long"}
    world.target.control("POST", "/faults", {**fault, "row_error": error})
    source = next(row["Id"] for row in world.source.rows("Account") if row["Name"] == last)
    world.source.control("PATCH", f"/rows/Account/{source}", {"Phone": "+1 555"})
    try:
        assert world.product.command("sync", "run", "Accounts and people", "--json").returncode == 1
        page = world.portal.open(world.pages["sync"])
        told = page.evaluate(LOOK_IN_THE_BROWSER, world.pages["sync"].rsplit("/", 1)[1])
        assert (told["status"], told["cache"]) == (200, "no-store")
        assert last not in told["raw"]
        assert [shown["last"] for shown in told["opened"]] == [False, True]
        assert told["opened"][0]["rows"][0]["message"] == error["message"]
        seen = world.product.command("sync", "inspect", "Accounts and people")
        assert seen.returncode == 1, seen.stderr
        assert error["message"] in seen.stdout
        assert "STRING_TOO_LONG (Name)" in seen.stdout
    finally:
        world.target.control("DELETE", "/faults")


def test_the_trust_page_hides_no_promise(world: World) -> None:
    page = world.portal.open("/trust")
    verdicts = {
        section.locator("h2").inner_text(): section.locator(".isthmus-badge").first.inner_text()
        for section in page.locator(".isthmus-promise").all()
    }
    assert len(verdicts) == 12
    assert verdicts["Nothing of a record is stored"] == "Kept"
    assert verdicts["Row-level security on every table"] == "Kept"
    assert verdicts["Only listed requests, only to Salesforce"] == "Withdrawn", "plain http is switched on here"


def test_nothing_is_asked_of_anyone_but_the_portal_and_the_orgs_login(world: World) -> None:
    assert world.portal.requested <= {world.product.url, world.source.instance_url, world.target.instance_url}
    assert world.portal.complaints == []


def test_revoking_an_org_stops_its_syncs(world: World) -> None:
    page = world.portal.open(world.pages["org"])
    sync = page.locator("section", has=page.get_by_role("heading", name="Sync connection"))
    sync.get_by_role("link", name="Revoke").click()
    expect(page.get_by_text("Accounts and people")).to_be_visible()
    page.get_by_role("button", name="Revoke now").click()
    expect(page.get_by_role("status").filter(has_text="The connection is revoked")).to_be_visible()
    world.portal.open(world.pages["sync"])
    expect(page.get_by_text("Paused: the source org was revoked")).to_be_visible()


def test_after_signing_out_the_back_button_shows_nothing(world: World) -> None:
    other = Portal(world.browser, world.product)
    other.sign_in(world.product.new_sign_in_url())
    page = other.open("/orgs")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Isthmus")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert page.get_by_text("acme").count() == 0
    other.context.close()


def test_a_denied_consent_is_explained_and_can_be_begun_again(world: World) -> None:
    other = Portal(world.browser, world.product)
    other.sign_in(world.product.new_sign_in_url())
    other.begin_connecting(world.target, "denied", "audit")
    other.page.get_by_role("link", name="Log in at Salesforce").click()
    other.page.get_by_role("button", name="Cancel").click()
    expect(other.page.get_by_role("heading", name="Access was denied at Salesforce")).to_be_visible()
    other.page.get_by_role("link", name="Start again").click()
    expect(other.page.get_by_role("heading", name="Connect an org")).to_be_visible()
    other.context.close()
