"""What every page must be for people who use a keyboard, a screen reader or a small screen; checked by a script of ours."""

from __future__ import annotations

from playwright.sync_api import Page

FAULTS = """
() => {
  const faults = [];
  const shown = (e) => e.getClientRects().length > 0;
  const name = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim()
    || [...e.querySelectorAll("img[alt]")].map((i) => i.alt).join("").trim();
  const said = (e) => e.outerHTML.slice(0, 90);
  if (document.documentElement.scrollWidth > innerWidth) faults.push("scrolls sideways: " + document.documentElement.scrollWidth);
  if (document.documentElement.lang !== "en") faults.push("no language");
  for (const [tag, count] of [["main", 1], ["header", 1], ["h1", 1]])
    if (document.querySelectorAll(tag).length !== count) faults.push(`not ${count} ${tag}`);
  let level = 0;
  for (const h of document.querySelectorAll("h1,h2,h3,h4,h5,h6")) {
    const here = Number(h.tagName[1]);
    if (here > level + 1) faults.push("heading skips a level: " + said(h));
    level = here;
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]),select,textarea"))
    if (!e.labels?.length && !e.getAttribute("aria-label")) faults.push("no label: " + said(e));
  for (const e of document.querySelectorAll("a[href],button,summary"))
    if (shown(e) && !name(e)) faults.push("no name: " + said(e));
  for (const e of document.querySelectorAll("svg"))
    if (e.getAttribute("aria-hidden") !== "true" && !e.getAttribute("aria-label")) faults.push("silent picture: " + said(e));
  for (const e of document.querySelectorAll("img:not([alt])")) faults.push("no alt: " + said(e));
  for (const e of document.querySelectorAll("table")) if (!e.caption) faults.push("no caption: " + said(e));
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) faults.push("id twice: " + id);
  for (const e of document.querySelectorAll("[aria-labelledby],[aria-describedby]"))
    for (const id of ((e.getAttribute("aria-labelledby") || "") + " " + (e.getAttribute("aria-describedby") || "")).split(" ").filter(Boolean))
      if (!document.getElementById(id)) faults.push("refers to nothing: " + id);
  for (const e of document.querySelectorAll("script:not([src]),style,[style],[onclick],[onload]")) faults.push("inline: " + said(e));
  for (const e of document.querySelectorAll("a[href],button")) if (shown(e) && innerWidth < 400 && e.closest("nav,.isthmus-page-actions")
    && e.getBoundingClientRect().height < 20) faults.push("too small to touch: " + said(e));
  return faults;
}
"""


def page_faults(page: Page) -> list[str]:
    """Return what is wrong with the page that is open, at its present width."""
    return page.evaluate(FAULTS)
