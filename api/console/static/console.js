// Keys for the console, and the one Trusted Types policy that htmx writes pages with. Without this file every page still works.
"use strict";

(() => {
  const refuse = () => {
    throw new Error("the console runs no code from a page");
  };

  // Only what our own server answered passes here, and Jinja escaped every stranger's word in it. Code never passes.
  const policy = window.trustedTypes?.createPolicy("htmx", { createHTML: (html) => html, createScript: refuse });
  htmx.registerExtension("trusted-types", { init: (api) => api.initSecurity(policy, refuse, refuse) });

  // What was asked for the work and is not answered yet. A claim or the news beside it keep nobody waiting, and end no waiting.
  const asked = new Set();
  let scrolled = 0;
  const isWork = (event) => event.detail.ctx?.target?.id === "work";

  document.addEventListener("htmx:before:request", (event) => {
    if (!isWork(event)) return;
    asked.add(event.detail.ctx);
    scrolled = document.querySelector(".list")?.scrollTop ?? 0;
    document.getElementById("work")?.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:finally:request", (event) => {
    asked.delete(event.detail.ctx);
    if (asked.size === 0) document.getElementById("work")?.removeAttribute("aria-busy");
  });
  document.addEventListener("htmx:error", () => {
    say("The console could not reach the server. Nothing was changed; please try again.");
  });
  document.addEventListener("htmx:after:swap", (event) => {
    if (!isWork(event)) return;
    document.getElementById("card-title")?.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
    settle();
    say(document.getElementById("notice")?.innerText ?? "");
  });

  function say(words) {
    const live = document.getElementById("live");
    live.textContent = words;
    live.classList.toggle("unseen", words === "" || document.getElementById("notice") !== null);
  }

  // The list stands where it stood, and shows the case that lies open.
  function settle() {
    const list = document.querySelector(".list");
    const current = list?.querySelector("[aria-current]");
    if (!current) return;
    list.scrollTop = scrolled;
    const seen = Math.min(list.clientHeight, window.innerHeight - list.getBoundingClientRect().top);
    const lowest = current.offsetTop + current.offsetHeight - seen;
    if (list.scrollTop > current.offsetTop || list.scrollTop < lowest) list.scrollTop = (current.offsetTop + lowest) / 2;
  }

  function press(key) {
    const wanted = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!wanted) return false;
    if (wanted.matches("textarea, input")) wanted.focus();
    else wanted.click();
    if (key === "r" && reasons().open) document.querySelector("[data-reason]").focus();
    return true;
  }

  // Who speaks to the machine, or strikes keys by accident, turns them off (WCAG 2.1.4); where nothing can be kept they stay on.
  const KEYS = "tidegate-keys";
  let keysOn = true;
  try {
    keysOn = localStorage.getItem(KEYS) !== "off";
  } catch {
    // Storage is off in this browser.
  }

  function switchKeys(on) {
    keysOn = on;
    document.body.classList.toggle("keyless", !on);
    try {
      if (on) localStorage.removeItem(KEYS);
      else localStorage.setItem(KEYS, "off");
    } catch {
      // For this page alone, then.
    }
  }

  const reasons = () => document.getElementById("reasons");

  function reject(key) {
    if (!reasons()?.open) return false;
    const note = document.getElementById("note");
    if (key === "9" && note.value.trim() === "") {
      say("Reason 9 needs a sentence that the author can read.");
      note.focus();
    } else {
      document.querySelector(`[data-reason="${key}"]`).click();
    }
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const help = document.getElementById("help");
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || help?.open) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (asked.size > 0 || event.repeat || (!keysOn && event.key !== "Escape")) return;
    let done = true;
    if (/^[1-9]$/.test(event.key)) done = reject(event.key);
    else if (/^[abejkrnu?/]$/.test(event.key)) done = press(event.key);
    else if (event.key === "Escape" && reasons()?.open) reasons().open = false;
    else done = false;
    if (done) event.preventDefault();
  });

  // What is selected in the comment's text is what somebody may want to take out of it.
  document.addEventListener("selectionchange", () => {
    const chosen = document.getSelection();
    const words = document.getElementById("words");
    const body = document.querySelector(".card > .body");
    if (!words || !body || chosen.isCollapsed || !body.contains(chosen.anchorNode) || !body.contains(chosen.focusNode)) return;
    words.value = chosen.toString();
  });

  settle();

  // Who chooses a reason sees all of them and, on a phone as well, the comment above them.
  const narrow = window.matchMedia("(max-width: 59.99rem)");
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target !== reasons() || !event.target.open) return;
      const card = event.target.closest(".card");
      if (card && narrow.matches) card.scrollIntoView({ block: "start" });
      else event.target.scrollIntoView({ block: "nearest" });
    },
    true,
  );

  // On a phone the place one is at may lie outside of the row.
  document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

  document.body.classList.toggle("keyless", !keysOn);
  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") switchKeys(event.target.checked);
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener?.dataset.opens === "help") document.getElementById("keys-on").checked = keysOn;
    if (opener) document.getElementById(opener.dataset.opens).showModal();
  });
})();
