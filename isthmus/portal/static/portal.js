// The portal's only script of its own: local times, closing messages, live pages, leaving nothing behind a sign-out.
(() => {
  "use strict";
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const spoken = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

  function localTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(element.getAttribute("datetime"));
      if (Number.isNaN(at.getTime())) continue;
      element.title = spoken.format(at);
      element.textContent = zone.format(at);
      element.dataset.local = "1";
    }
  }

  function announce(element) {
    const place = document.querySelector(element.dataset.announce || "none");
    const line = element.querySelector(".isthmus-live_line");
    if (!place || !line) return;
    const text = line.textContent.replace(/\s+/g, " ").trim();
    const now = Date.now();
    if (place.textContent !== text && now - Number(place.dataset.at || 0) > 4000) {
      place.textContent = text;
      place.dataset.at = String(now);
    }
  }

  function begin() {
    localTimes(document);
    document.querySelector("[data-toast-close]")?.addEventListener("click", (event) => {
      event.currentTarget.closest("[data-toast]").remove();
    });
    if (new URLSearchParams(location.search).has("done")) {
      const address = new URL(location.href);
      address.searchParams.delete("done");
      history.replaceState(null, "", address);
    }
    for (const element of document.querySelectorAll("[data-reload-on]")) {
      element.addEventListener(element.dataset.reloadOn, () => location.reload());
    }
    new MutationObserver((changes) => {
      for (const change of changes) {
        for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) localTimes(node.parentElement || node);
        const live = change.target.closest?.("[data-announce]");
        if (live) announce(live);
      }
    }).observe(document.body, { childList: true, subtree: true });
  }

  // A page that comes back from the browser's memory may belong to a session that has ended: ask the server again.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
})();
