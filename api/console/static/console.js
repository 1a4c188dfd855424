// Keys for the console, and the one Trusted Types policy that htmx writes pages with. Without this file every page still works.
"use strict";

(() => {
  const refuse = () => {
    throw new Error("the console runs no code from a page");
  };

  // Only what our own server answered passes here, and Jinja escaped every stranger's word in it. Code never passes.
  const policy = window.trustedTypes?.createPolicy("htmx", { createHTML: (html) => html, createScript: refuse });
  htmx.registerExtension("trusted-types", { init: (api) => api.initSecurity(policy, refuse, refuse) });

  let busy = false;
  const isWork = (event) => event.detail.ctx?.target?.id === "work";

  document.addEventListener("htmx:before:request", (event) => {
    if (!isWork(event)) return;
    busy = true;
    document.getElementById("work")?.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:finally:request", (event) => {
    busy = false;
    document.getElementById("work")?.removeAttribute("aria-busy");
  });
  document.addEventListener("htmx:error", () => {
    say("The console could not reach the server. Nothing was changed; please try again.");
  });
  document.addEventListener("htmx:after:swap", (event) => {
    if (!isWork(event)) return;
    document.getElementById("card-title")?.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
    say(document.getElementById("notice")?.innerText ?? "");
  });

  function say(words) {
    const live = document.getElementById("live");
    live.textContent = words;
    live.classList.toggle("unseen", words === "" || document.getElementById("notice") !== null);
  }

  function step(by) {
    const cases = [...document.querySelectorAll("a[data-case]")];
    const here = cases.findIndex((link) => link.hasAttribute("aria-current"));
    cases[here < 0 ? 0 : here + by]?.click();
  }

  function press(key) {
    const wanted = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!wanted) return false;
    if (wanted.matches("textarea")) wanted.focus();
    else wanted.click();
    if (key === "r" && reasons().open) document.querySelector("[data-reason]").focus();
    return true;
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
    if (busy || event.repeat) return;
    let done = true;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (/^[1-9]$/.test(event.key)) done = reject(event.key);
    else if (/^[aernu?]$/.test(event.key)) done = press(event.key);
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

  // On a phone the place one is at may lie outside of the row.
  document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
  });
})();
