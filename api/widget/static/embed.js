// The comment section of Tidegate as a web component: no dependency, no cookie, no build step.
//
//   <script src="https://tidegate.example/embed.js" data-site="tg_pk_..." data-post="42" async></script>
//
// Text is only ever set as text, styles are constructed, and nothing is fetched but the API: it works under a policy of
// "script-src" and "connect-src" for the API's origin alone, with Trusted Types required. docs/embed.md has every attribute.
"use strict";

(() => {
  const script = document.currentScript;
  if (!script || !script.src) return;
  const base = script.src.slice(0, script.src.lastIndexOf("/embed.js"));
  const LANGUAGES = ["en", "de", "fr", "es"];
  const AWAY = {
    en: ["We could not reach the comments.", "Try again"],
    de: ["Wir konnten die Kommentare nicht erreichen.", "Noch einmal versuchen"],
    fr: ["Nous n’avons pas pu joindre les commentaires.", "Réessayer"],
    es: ["No hemos podido conectar con los comentarios.", "Intentar de nuevo"],
  };
  const PAGE = 50;
  const DEEPEST = 4;
  const SOON = 3000;
  const LATER = 30000;
  const REMEMBERED = 200;

  const CSS = `
:host { --_accent: var(--tidegate-accent, #0b5a6f); --_on: var(--tidegate-on-accent, #fff); --_quiet: var(--tidegate-quiet, #5a6068);
  --_line: var(--tidegate-line, #d5d9de); --_good: var(--tidegate-good, #1d6b3a); --_wait: var(--tidegate-wait, #7a5200);
  --_bad: var(--tidegate-bad, #9b1c1c); --_radius: var(--tidegate-radius, 6px); --_gap: var(--tidegate-gap, 1rem);
  display: block; accent-color: var(--_accent); font: inherit; line-height: 1.55; color: var(--tidegate-text, inherit); overflow-wrap: anywhere; }
@supports (color: light-dark(red, red)) {
  :host { --_accent: var(--tidegate-accent, light-dark(#0b5a6f, #7cc4d8)); --_on: var(--tidegate-on-accent, light-dark(#fff, #10211f));
    --_quiet: var(--tidegate-quiet, light-dark(#5a6068, #a4abb3)); --_line: var(--tidegate-line, light-dark(#d5d9de, #3a3f46));
    --_good: var(--tidegate-good, light-dark(#1d6b3a, #84cf9d)); --_wait: var(--tidegate-wait, light-dark(#7a5200, #e3bd66));
    --_bad: var(--tidegate-bad, light-dark(#9b1c1c, #f19a93)); } }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; text-transform: none; text-indent: 0; }
:not(button) { text-align: start; }
h2, h3 { line-height: 1.25; margin: 0 0 .5rem; font-size: 1.2em; }
h3 { font-size: 1em; }
form > h2 { margin-top: 1.2rem; }
.acts > a { font-size: .9em; }
p { margin: .3rem 0; }
ol { list-style: none; margin: 0; padding: 0; }
ol ol { padding-inline-start: var(--_gap); }
li > article { border-inline-start: 3px solid var(--_line); padding-inline-start: .9rem; margin-block: var(--_gap); }
li > article:focus { outline: none; border-color: var(--_accent); }
.bar, .acts { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.1rem; }
.bar { justify-content: space-between; margin-bottom: .5rem; }
.who { font-weight: 600; }
.who > * + * { margin-inline-start: .5rem; }
.quiet, time, .badge { color: var(--_quiet); font-size: .875em; font-weight: 400; }
.badge { border: 1px solid var(--_line); border-radius: 99px; padding: 0 .5rem; }
.body { white-space: pre-wrap; unicode-bidi: isolate; overflow: hidden; }
a { color: var(--_accent); }
.who a:not(:hover) { text-decoration: none; color: inherit; }
button, input, textarea, select { font: inherit; color: inherit; }
button { min-height: 2.75rem; padding: .4rem 1.2rem; border: 1px solid var(--_line); border-radius: var(--_radius); background: none; cursor: pointer; }
button.main { background: var(--_accent); color: var(--_on); border-color: transparent; }
button.link { min-height: 2rem; padding: 0; border: 0; color: var(--_accent); font-size: .9em; }
button[aria-disabled="true"] { opacity: .6; cursor: default; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
form { display: grid; gap: .3rem; justify-items: start; margin-block: .5rem; }
label { margin-top: .4rem; }
input:not([type="radio"], [type="checkbox"]), textarea { width: 100%; padding: .55rem .7rem; border: 1px solid var(--_quiet); border-radius: var(--_radius); background: none; }
select { padding: .3rem; border: 1px solid var(--_quiet); border-radius: var(--_radius); background: Canvas; color: CanvasText; max-width: 100%; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { font-weight: 600; padding: 0; }
.choice { display: flex; align-items: center; gap: .6rem; min-height: 2.5rem; margin: 0; }
.note { border-inline-start: 4px solid var(--_wait); padding: .5rem .8rem; margin-block: .6rem; }
.note:empty { display: none; }
.note.good { border-color: var(--_good); }
.note.bad { border-color: var(--_bad); }
.own { border: 1px solid var(--_line); border-radius: var(--_radius); padding: .6rem .9rem; margin-block: .8rem; }
blockquote { margin: .4rem 0; padding-inline-start: .8rem; border-inline-start: 2px solid var(--_line); }
.trap, .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 30rem) { ol ol { padding-inline-start: .4rem; } li > article { padding-inline-start: .6rem; } }
`;

  // ---------------------------------------------------------------------------------------------------- small things

  /** Make an element: attributes by name, listeners as functions, children as elements or text. */
  function h(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(key, value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  }

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
  const once = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  /** Once its styles are there a browser goes to the place that the address names, and where it finds none it takes the focus away. */
  async function settled() {
    if (document.readyState !== "complete") await new Promise((go) => addEventListener("load", go, { once: true }));
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  }

  let touched = false;
  for (const each of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(each, () => { touched = true; }, { once: true, passive: true });

  /** Remember something on this device; where that is forbidden, until the page is left. */
  const memory = new Map();
  const store = {
    get(key) {
      try {
        return JSON.parse(localStorage.getItem(`tidegate:${key}`)) ?? memory.get(key);
      } catch {
        return memory.get(key);
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        if (value === null) localStorage.removeItem(`tidegate:${key}`);
        else localStorage.setItem(`tidegate:${key}`, JSON.stringify(value));
      } catch {
        /* private windows and full disks: the memory has it */
      }
    },
  };

  /** What a login token says of its reader; who it really is the server judges. */
  function claimsOf(token) {
    try {
      const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0)))) || {};
    } catch {
      return {};
    }
  }

  function languageOf(element) {
    const asked = element.dataset.lang || element.closest("[lang]")?.lang || navigator.language || "en";
    const primary = asked.split("-")[0].toLowerCase();
    return LANGUAGES.includes(primary) ? primary : "en";
  }

  // ------------------------------------------------------------------------------------------------------ the section

  class Comments extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot) return;
      for (const [name, value] of Object.entries(script.dataset)) this.dataset[name] ??= value;
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
      if (this.dataset.theme) this.setAttribute("theme", this.dataset.theme);
      const canonical = document.querySelector('link[rel="canonical"]')?.href;
      const here = location.href.split("#")[0];
      const url = this.dataset.url || (canonical && new URL(canonical).origin === location.origin ? canonical : here);
      this.page = { url, title: (this.dataset.title || document.title).slice(0, 500), ...(this.dataset.post ? { id: this.dataset.post } : {}) };
      this.lang_ = languageOf(this);
      // Dates as this reader writes them, where that is the language of the page.
      this.locale = (navigator.languages || []).find((each) => each.split("-")[0] === this.lang_) || this.lang_;
      this.login ??= this.dataset.login || "";
      this.sort = this.dataset.sort === "newest" ? "newest" : "oldest";
      this.owns = new Map();
      this.sent = { said: "", key: "", body: "" };
      this.shownAt = performance.now();
      addEventListener("hashchange", () => this.goTo());
      document.addEventListener("visibilitychange", () => this.look());
      this.start();
    }

    get draftKey() {
      return `draft:${this.page.id || this.page.url}`;
    }

    // --------------------------------------------------------------------------------------------------- the API

    async call(method, path, { body, headers = {}, token, etag } = {}) {
      const sent = { Authorization: `Bearer ${this.dataset.site}`, ...headers };
      if (body !== undefined) sent["Content-Type"] = "application/json";
      if (token) sent["Author-Token"] = token;
      if (etag) sent["If-None-Match"] = etag;
      if (this.login && body !== undefined) sent["Author-Login"] = this.login;
      const answer = await fetch(`${base}/v1${path}`, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
      });
      if (answer.status === 304) return { status: 304 };
      const said = await answer.json();
      if (!answer.ok) {
        const detail = said.errors?.[0]?.detail || said.detail || said.title;
        throw Object.assign(new Error(detail), { told: answer.status === 429 ? this.t.page.slow_down : detail, status: answer.status });
      }
      return { status: answer.status, said, headers: answer.headers };
    }

    // ----------------------------------------------------------------------------------------------- the beginning

    async start() {
      try {
        const texts = fetch(`${base}/embed/texts/${this.lang_}.json`, { credentials: "omit" });
        const query = this.query();
        const thread = this.call("GET", `/threads?${query}`);
        thread.catch(() => {});
        this.t = await (await texts).json();
        this.thread = (await thread).said;
      } catch (error) {
        const [said, again] = this.t ? [error.told || this.t.offline.reading, this.t.offline.again] : AWAY[this.lang_];
        this.shadowRoot.replaceChildren(
          h("p", { class: "note bad", role: "status" }, said),
          h("button", { type: "button", click: () => this.start() }, again),
        );
        return;
      }
      this.build();
      this.show();
      await this.look(true);
      await this.goTo();
      await settled();
      if (!touched && document.activeElement === document.body) await this.goTo();
    }

    query(after) {
      const query = new URLSearchParams({ url: this.page.url, sort: this.sort, limit: PAGE });
      if (this.page.id) query.set("post", this.page.id);
      if (after) query.set("after", after);
      return query;
    }

    build() {
      const { t } = this;
      this.count = h("h2", { part: "title" });
      const select = h("select", { part: "order", change: () => { this.sort = select.value; this.refresh(); } },
        h("option", { value: "oldest" }, t.page.oldest), h("option", { value: "newest" }, t.page.newest));
      select.value = this.sort;
      this.order = h("label", { class: "quiet" }, `${t.page.order} `, select);
      this.list = h("div", { part: "thread" });
      this.more = h("button", { type: "button", part: "button", click: () => this.loadMore() }, t.page.more);
      this.own = h("div", { part: "own" });
      this.status = h("p", { class: "note", role: "status", part: "status", tabindex: "-1" });
      this.write = h("div");
      this.shadowRoot.replaceChildren(h("section", { "aria-label": t.page.comments },
        h("div", { class: "bar" }, this.count, this.order), this.list, this.more, this.write, this.status, this.own));
      if (this.thread.post.openness === "closed") this.write.append(h("p", { class: "note" }, t.page.closed));
      else this.write.append(this.form());
    }

    form() {
      const { t } = this;
      const draft = store.get(this.draftKey) || {};
      const known = store.get("who") || {};
      const login = this.login ? claimsOf(this.login) : {};
      const field = (id, label, input) => [h("label", { for: id }, label), input];
      const input = (id, more) => h("input", { id, part: "input", ...more });
      this.f = {
        name: input("name", { maxlength: 200, autocomplete: "nickname", dir: "auto", required: true }),
        email: input("email", { type: "email", maxlength: 254, autocomplete: "email" }),
        body: h("textarea", { id: "body", part: "input", rows: 5, maxlength: 20000, dir: "auto", required: true, "aria-describedby": "public" }),
        mail: h("input", { type: "checkbox", "aria-describedby": "mail" }),
        trap: input("website", { tabindex: "-1", autocomplete: "off" }),
        send: h("button", { class: "main", part: "button send" }, t.form.send),
      };
      this.f.name.value = draft.name ?? known.name ?? "";
      this.f.email.value = known.email ?? "";
      this.f.body.value = draft.body ?? "";
      this.f.body.addEventListener("input", () => this.keep());
      this.f.name.addEventListener("input", () => this.keep());
      this.answering = h("p", { hidden: true });
      this.nudge = h("div", { role: "group", "aria-label": t.nudge.title, class: "note", hidden: true });
      this.parent = null;
      const who = this.login
        ? [h("p", {}, fill(t.form.as, { name: login.name || t.page.anonymous }))]
        : [...field("name", t.form.name, this.f.name), ...field("email", t.form.email, this.f.email)];
      if (t.form.mail && (!this.login || login.email)) who.push(h("label", { class: "choice" }, this.f.mail, ` ${t.form.mail}`), h("p", { class: "quiet", id: "mail" }, login.email_verified === true ? fill(t.form.mail_known, { email: login.email }) : t.form.mail_how));
      const made = h("form", { part: "form", novalidate: true, submit: (event) => { event.preventDefault(); this.submit(); } },
        h("h2", {}, t.form.title), this.answering, ...who, ...field("body", t.form.body, this.f.body),
        h("div", { class: "trap", "aria-hidden": "true" }, ...field("website", t.form.trap, this.f.trap)),
        h("p", { class: "quiet", id: "public" }, t.form.public), this.nudge, this.f.send);
      return made;
    }

    keep() {
      const { body, name } = this.f;
      store.set(this.draftKey, body.value ? { body: body.value, name: name.value } : null);
    }

    // -------------------------------------------------------------------------------------------------- the thread

    async refresh() {
      try {
        this.thread = (await this.call("GET", `/threads?${this.query()}`)).said;
        this.show();
      } catch (error) {
        this.tell("bad", error.told || this.t.offline.reading);
      }
    }

    async loadMore() {
      try {
        const next = (await this.call("GET", `/threads?${this.query(this.thread.next)}`)).said;
        const first = next.comments[0]?.id;
        this.thread = { ...next, comments: [...this.thread.comments, ...next.comments] };
        this.show();
        if (first) this.shadowRoot.getElementById(first)?.focus();
      } catch (error) {
        this.tell("bad", error.told || this.t.offline.reading);
      }
    }

    show() {
      const { t, thread } = this;
      const focused = this.shadowRoot.activeElement?.dataset.k;
      const total = thread.total;
      this.count.textContent = total === 0 ? t.page.none : total === 1 ? t.page.one : fill(t.page.many, { n: total });
      this.order.hidden = total < 2;
      this.more.hidden = !thread.next;
      const top = h("ol");
      const places = new Map();
      for (const comment of thread.comments) {
        const item = h("li", {}, this.shown(comment));
        const above = places.get(comment.parent_id);
        let list = top;
        let level = 0;
        if (above) {
          level = Math.min(above.level + 1, DEEPEST);
          list = level > above.level ? (above.below ??= above.item.appendChild(h("ol"))) : above.list;
        }
        list.append(item);
        places.set(comment.id, { item, list, level, below: null });
      }
      this.list.replaceChildren(top);
      if (focused) this.shadowRoot.querySelector(`[data-k="${focused}"]`)?.focus();
    }

    shown(comment) {
      const { t } = this;
      const made = h("article", { id: comment.id, part: "comment", tabindex: "-1" });
      if (comment.removed) {
        made.append(h("p", { class: "quiet" }, t.page.removed));
        return made;
      }
      const name = comment.author.name || t.page.anonymous;
      const bdi = h("bdi", {}, name);
      const at = new Date(comment.created_at);
      const when = new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", timeStyle: "short" }).format(at);
      const address = `${this.page.url.split("#")[0]}#${comment.id}`;
      const inside = h("div");
      const acts = h("div", { class: "acts" });
      if (this.f) {
        acts.append(this.button(`reply-${comment.id}`, t.page.reply, fill(t.page.reply_to, { name }), () => this.answer(comment, name)));
      }
      const own = this.owns.get(comment.id);
      if (own?.view.public) this.offer(own, acts, inside);
      else acts.append(this.button(`report-${comment.id}`, t.page.report, fill(t.page.report_this, { name }), () => this.report(comment, inside)));
      made.append(
        h("p", { class: "who" },
          /^https?:/.test(comment.author.url || "") ? h("a", { href: comment.author.url, rel: "ugc nofollow noopener" }, bdi) : bdi,
          comment.author.verified ? h("span", { class: "badge" }, t.page.verified) : null,
          h("a", { href: address, "aria-label": `${fill(t.page.link, { name })}, ${when}`, "data-k": `link-${comment.id}` },
            h("time", { datetime: comment.created_at }, when)),
          comment.edited ? h("span", { class: "quiet" }, t.page.edited) : null),
        h("div", { class: "body", dir: "auto", part: "body" }, comment.body), acts, inside);
      return made;
    }

    button(key, text, label, click) {
      return h("button", { type: "button", class: "link", "aria-label": label, "data-k": key, part: "action", click }, text);
    }

    /** Show the comment that the address names, however far down it stands. */
    async goTo() {
      const id = location.hash.slice(1);
      if (!/^cmt_[0-9a-f]{32}$/.test(id) || !this.list) return;
      for (let page = 0; page < 20 && !this.shadowRoot.getElementById(id) && this.thread.next; page++) await this.loadMore();
      const found = this.shadowRoot.getElementById(id);
      found?.scrollIntoView({ block: "center" });
      found?.focus({ preventScroll: true });
    }

    answer(comment, name) {
      this.parent = comment ? comment.id : null;
      this.answering.hidden = !comment;
      if (comment) {
        const [before, after] = this.t.page.replying.split("{name}");
        this.answering.replaceChildren(before, h("bdi", {}, name), after, " ",
          h("button", { type: "button", class: "link", click: () => this.answer(null) }, this.t.page.not_replying));
      }
      this.f.body.focus();
    }

    // --------------------------------------------------------------------------------------------------- the sending

    tell(kind, text, ...more) {
      this.status.className = `note ${kind}`;
      this.status.replaceChildren(text, ...more);
    }

    async submit({ nudged = false } = {}) {
      const { t, f } = this;
      if (this.busy) return;
      const missing = [f.body, ...(this.login ? [] : [f.name])].find((field) => !field.value.trim()) || (this.login || (f.email.checkValidity() && (f.email.value || !f.mail.checked)) ? null : f.email);
      if (missing) {
        this.tell("bad", missing.validationMessage || t.form.empty);
        missing.setAttribute("aria-invalid", "true");
        missing.addEventListener("input", () => missing.removeAttribute("aria-invalid"), { once: true });
        missing.focus();
        return;
      }
      this.busy = true;
      f.send.setAttribute("aria-disabled", "true");
      this.nudge.hidden = true;
      this.tell("", t.form.sending);
      try {
        const part = nudged || this.nudged ? null : await this.attack();
        if (part) this.ask(part);
        else await this.send();
      } catch (error) {
        if (error.told) this.tell("bad", error.told);
        else {
          this.tell("bad", `${t.offline.said} `, h("button", { type: "button", click: () => this.submit({ nudged: true }) }, t.offline.again));
        }
      } finally {
        this.busy = false;
        f.send.removeAttribute("aria-disabled");
      }
    }

    /** Ask once for each comment whether a part of it may read as an attack; no answer is no nudge. */
    async attack() {
      const author = this.login ? {} : { name: this.f.name.value, ...(this.f.email.value ? { email: this.f.email.value } : {}) };
      try {
        return (await this.call("POST", "/nudge", { body: { body: this.f.body.value, post: this.page, ...author } })).said.part;
      } catch (error) {
        if (error.status) return null;
        throw error;
      }
    }

    ask(part) {
      const { t } = this;
      this.nudged = true;
      this.tell("", "");
      const change = h("button", { type: "button", part: "button", click: () => { this.nudge.hidden = true; this.f.body.focus(); } }, t.nudge.change);
      this.nudge.replaceChildren(
        h("p", { id: "nudge" }, t.nudge.said), h("blockquote", { dir: "auto" }, part),
        h("div", { class: "acts" }, change,
          h("button", { type: "button", part: "button", click: () => { this.f.send.focus(); this.submit({ nudged: true }); } }, t.nudge.post)));
      change.setAttribute("aria-describedby", "nudge");
      this.nudge.hidden = false;
      change.focus();
    }

    async send() {
      const { f } = this;
      const comment = {
        post: this.page,
        author: this.login ? {} : { name: f.name.value, ...(f.email.value ? { email: f.email.value } : {}) },
        body: f.body.value,
        honeypot: f.trap.value,
        ...(f.mail.checked ? { notify: true } : {}),
        ...(this.parent ? { parent_id: this.parent } : {}),
      };
      // What was not answered is sent again as it was, under the same key: one that did arrive is found and not doubled.
      const said = JSON.stringify(comment);
      if (said !== this.sent.said) {
        this.sent = { said, key: once(), body: { ...comment, seconds_to_submit: (performance.now() - this.shownAt) / 1000 } };
      }
      const { said: made, headers } = await this.call("POST", "/comments", {
        body: this.sent.body,
        headers: { "Idempotency-Key": this.sent.key, Prefer: "wait=2" },
      });
      this.sent = { said: "", key: "", body: "" };
      this.nudged = false;
      store.set("who", this.login ? store.get("who") : { name: f.name.value, email: f.email.value });
      store.set(this.draftKey, null);
      f.body.value = "";
      this.parent = null;
      this.answering.hidden = true;
      const token = headers.get("Author-Token");
      const mine = store.get("own") || [];
      store.set("own", [...mine.filter((each) => each.id !== made.id), { id: made.id, token, post: this.draftKey, base }].slice(-REMEMBERED));
      await this.see({ id: made.id, token }, true);
    }

    // ------------------------------------------------------------------------------------------ the author's comments

    /** Ask about the author's own comments here: all of them at the start, then those that somebody has yet to decide. */
    async look(first = false) {
      clearTimeout(this.timer);
      if (!this.t || !this.own || document.hidden) return;
      const mine = (store.get("own") || []).filter((each) => each.post === this.draftKey && each.base === base && !each.hidden).slice(-20);
      let soon = LATER;
      for (const each of mine) {
        const known = this.owns.get(each.id);
        if (first || (known && !known.view.settled)) await this.see(each, false).catch(() => {});
        if (this.owns.get(each.id)?.view.status === "pending") soon = SOON;
      }
      if ([...this.owns.values()].some((own) => !own.view.settled)) this.timer = setTimeout(() => this.look(), soon);
    }

    async see({ id, token }, announce) {
      const known = this.owns.get(id);
      const { status, said, headers } = await this.call("GET", `/own?lang=${this.lang_}`, { token, etag: announce ? null : known?.etag });
      if (status === 304) return;
      await this.take({ id, token, view: said, etag: headers.get("ETag") }, announce || Boolean(known));
    }

    /** Take over what the server says of an own comment, tell it where it is news, and bring the page up to date. */
    async take(own, announce) {
      const before = this.owns.get(own.id)?.view;
      this.owns.set(own.id, own);
      const { view } = own;
      // What the comment's own card shows is only read out here.
      if (announce && view.said !== before?.said) this.tell(this.hasCard(own) ? "unseen" : this.mood(view), view.said);
      else if (announce) this.tell("", "");
      if (before ? view.public || before.public : announce || view.public) await this.refresh();
      this.cards();
      clearTimeout(this.timer);
      if (!view.settled) this.timer = setTimeout(() => this.look(), view.status === "pending" ? SOON : LATER);
    }

    mood(view) {
      if (view.outcome === "published" || view.outcome === "overturned") return "good";
      return ["rejected", "removed", "upheld", "upheld_alone", "closed"].includes(view.outcome) ? "bad" : "";
    }

    hasCard({ id, view }) {
      const hidden = (store.get("own") || []).some((each) => each.hidden && each.id === id);
      return !view.public && !hidden && view.status !== "erased";
    }

    cards() {
      const { t } = this;
      const shown = [...this.owns.values()].filter((own) => this.hasCard(own));
      this.own.replaceChildren(...shown.reverse().map((own) => {
        const { view } = own;
        const inside = h("div");
        const acts = h("div", { class: "acts" });
        this.offer(own, acts, inside);
        acts.append(h("a", { href: view.page, rel: "noreferrer" }, t.own.status));
        if (view.settled) {
          acts.append(this.button(`hide-${own.id}`, t.own.hide, null, () => {
            store.set("own", (store.get("own") || []).map((each) => (each.id === own.id ? { ...each, hidden: true } : each)));
            this.cards();
            this.status.focus();
          }));
        }
        return h("article", { class: "own", "aria-label": t.own.title, tabindex: "-1", id: `own-${own.id}` },
          h("h3", {}, t.own.title), h("p", { class: `note ${this.mood(view)}` }, view.said),
          view.body === null ? null : h("div", { class: "body", dir: "auto" }, view.body),
          h("p", { class: "quiet" }, t.own.only_you), acts, inside);
      }));
    }

    /** Add what the author can do about a comment now. */
    offer(own, acts, inside) {
      const { t } = this;
      const act = async (method, path, body) => {
        try {
          const { said } = await this.call(method, `/own${path}?lang=${this.lang_}`, { token: own.token, body, headers: { Prefer: "wait=2" } });
          await this.take({ ...own, view: said, etag: null }, true);
          (this.shadowRoot.getElementById(`own-${own.id}`) ?? this.status).focus();
        } catch (error) {
          this.tell("bad", error.told || this.t.offline.said);
        }
      };
      const can = (name) => own.view.actions.includes(name);
      const close = (key) => { inside.replaceChildren(); this.shadowRoot.querySelector(`[data-k="${key}-${own.id}"]`)?.focus(); };
      if (can("second_look")) {
        const until = new Intl.DateTimeFormat(this.locale, { dateStyle: "long" }).format(new Date(own.view.second_look.until));
        acts.append(h("button", { type: "button", part: "button", "data-k": `look-${own.id}`, title: fill(t.own.second_look_how, { date: until }),
          click: () => act("POST", "/second-look") }, t.own.second_look));
      }
      if (can("edit")) {
        acts.append(this.button(`edit-${own.id}`, own.view.status === "rejected" ? t.own.edit_again : t.own.edit, null, () => {
          const id = `edit-${own.id}`;
          const area = h("textarea", { id, rows: 5, maxlength: 20000, dir: "auto", part: "input" });
          area.value = own.view.body;
          inside.replaceChildren(h("form", { novalidate: true, submit: (event) => {
            event.preventDefault();
            if (area.value.trim()) act("PATCH", "", { body: area.value });
            else { this.tell("bad", t.form.empty); area.focus(); }
          } }, h("label", { for: id }, t.form.body), area,
          h("div", { class: "acts" }, h("button", { class: "main", part: "button" }, t.own.save),
            h("button", { type: "button", part: "button", click: () => close("edit") }, t.own.cancel))));
          area.focus();
        }));
      }
      if (can("withdraw")) {
        acts.append(this.button(`withdraw-${own.id}`, t.own.withdraw, null, () => {
          const yes = h("button", { type: "button", part: "button", click: () => act("DELETE", "") }, t.own.withdraw_yes);
          inside.replaceChildren(h("div", { role: "group", "aria-label": t.own.withdraw_sure, class: "note" },
            h("p", {}, t.own.withdraw_sure),
            h("div", { class: "acts" }, yes, h("button", { type: "button", part: "button", click: () => close("withdraw") }, t.own.cancel))));
          yes.focus();
        }));
      }
    }

    // ----------------------------------------------------------------------------------------------------- a report

    report(comment, inside) {
      const { t } = this;
      const note = h("textarea", { id: `note-${comment.id}`, rows: 2, maxlength: 1000, dir: "auto", part: "input" });
      const said = h("p", { class: "note bad", role: "alert" });
      const choices = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((key) =>
        h("label", { class: "choice" }, h("input", { type: "radio", name: `reason-${comment.id}`, value: key }), t.report[key]));
      const send = async () => {
        const reason = Number(form.querySelector("input:checked")?.value || 0);
        said.textContent = "";
        if (!reason || (reason === 9 && !note.value.trim())) {
          said.textContent = t.report.note_needed;
          (reason ? note : form.querySelector("input")).focus();
          return;
        }
        try {
          await this.call("POST", `/comments/${comment.id}/reports`, { body: { reason, note: note.value } });
          const thanks = h("p", { class: "note good", role: "status", tabindex: "-1" }, t.report.thanks);
          inside.replaceChildren(thanks);
          thanks.focus();
        } catch (error) {
          said.textContent = error.told || t.offline.reading;
        }
      };
      const form = h("form", { novalidate: true, change: () => { said.textContent = ""; }, submit: (event) => { event.preventDefault(); send(); } },
        h("fieldset", {}, h("legend", {}, t.report.title), ...choices),
        h("label", { for: `note-${comment.id}` }, t.report.note), note, said,
        h("div", { class: "acts" }, h("button", { class: "main", part: "button" }, t.report.send),
          h("button", { type: "button", part: "button", click: () => {
            inside.replaceChildren();
            this.shadowRoot.querySelector(`[data-k="report-${comment.id}"]`)?.focus();
          } }, t.own.cancel)));
      inside.replaceChildren(form);
      form.querySelector("input").focus();
    }
  }

  // ------------------------------------------------------------------------------------------------ counts for indexes

  /** Write the number of comments into every element with data-tidegate-count="post". */
  async function counts() {
    const places = [...document.querySelectorAll("[data-tidegate-count]")];
    if (!places.length) return;
    const texts = await (await fetch(`${base}/embed/texts/${languageOf(script)}.json`, { credentials: "omit" })).json();
    for (let begin = 0; begin < places.length; begin += 100) {
      const some = places.slice(begin, begin + 100);
      const query = new URLSearchParams(some.map((place) => ["post", place.dataset.tidegateCount]));
      const answer = await fetch(`${base}/v1/posts/counts?${query}`, {
        headers: { Authorization: `Bearer ${script.dataset.site}` },
        credentials: "omit",
      });
      if (!answer.ok) return;
      const found = (await answer.json()).counts;
      for (const place of some) {
        const number = found[place.dataset.tidegateCount] || 0;
        place.textContent = number === 0 ? texts.page.none : number === 1 ? texts.page.one : fill(texts.page.many, { n: number });
      }
    }
  }

  function begin() {
    if (!customElements.get("tidegate-comments")) customElements.define("tidegate-comments", Comments);
    if ("counts" in script.dataset) counts().catch(() => {});
    else if (!document.querySelector("tidegate-comments")) script.after(document.createElement("tidegate-comments"));
  }

  // What stands in the page may still be on its way when a script is async.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
