// Sends the form from the browser with the publishable key, says what became of the comment, and keeps the thread fresh while it
// is undecided. Without this script the form goes to the blog, which sends it on. Text is only ever set as text.
"use strict";

(() => {
  const section = document.getElementById("comments");
  const { api, key, post, url, title, excerpt } = section.dataset;
  if (!api) return;
  const form = section.querySelector("form");
  const outcome = document.getElementById("outcome");
  const answering = document.getElementById("answering");
  const thread = document.getElementById("thread");
  const headers = { Authorization: `Bearer ${key}` };
  const shownAt = performance.now();
  let sent = { said: "", once: "", body: "" };

  const MESSAGES = {
    approved: "Thank you. Your comment is published.",
    flagged: "Thank you. A moderator will read your comment before it appears.",
    pending: "Thank you. Your comment is being checked.",
    rejected: "Your comment was not published.",
  };
  const PATIENCE = 120000;
  const PAUSE = 2000;

  function say(kind, text) {
    outcome.className = `outcome is-${kind}`;
    outcome.textContent = text;
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function answerTo(id) {
    form.elements.parent_id.value = id;
    answering.hidden = !id;
    if (id) form.elements.body.focus();
  }

  function shown(comment) {
    const item = element("li", `comment depth-${Math.min(comment.depth, 6)}`);
    item.id = comment.id;
    if (comment.removed) {
      item.append(element("p", "quiet", "This comment was removed."));
      return item;
    }
    const who = element("p", "who");
    who.append(element("bdi", "", comment.author.name || "Anonymous"));
    const when = element("time", "", comment.created_at.slice(0, 10));
    when.dateTime = comment.created_at;
    who.append(" ", when);
    if (comment.edited) who.append(" ", element("span", "", "edited"));
    const body = element("div", "body", comment.body);
    body.dir = "auto";
    const reply = element("p");
    const link = element("a", "reply", "Reply");
    link.href = `?reply_to=${encodeURIComponent(comment.id)}#write`;
    reply.append(link);
    item.append(who, body, reply);
    return item;
  }

  async function refresh() {
    const answer = await fetch(`${api}/v1/posts/${encodeURIComponent(post)}/comments?limit=200`, { headers, cache: "no-cache" });
    if (!answer.ok) return [];
    const { comments } = await answer.json();
    if (comments.length) {
      const list = element("ol", "thread");
      list.append(...comments.map(shown));
      thread.replaceChildren(list);
    } else {
      thread.replaceChildren(element("p", "quiet", "No comments"));
    }
    return comments.map((comment) => comment.id);
  }

  async function watch(id) {
    for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      const ids = await refresh().catch(() => []);
      if (ids.includes(id)) {
        say("approved", MESSAGES.approved);
        return;
      }
    }
  }

  // What was not answered is sent again as it was, under the same key, so that one which did arrive is found and not doubled.
  function prepare() {
    const fields = form.elements;
    const comment = {
      post: { id: post, url, title, excerpt },
      author: { name: fields.name.value, ...(fields.email.value ? { email: fields.email.value } : {}) },
      body: fields.body.value,
      ...(fields.parent_id.value ? { parent_id: fields.parent_id.value } : {}),
      honeypot: fields.website.value,
    };
    const said = JSON.stringify(comment);
    if (said !== sent.said) {
      const seconds = (performance.now() - shownAt) / 1000;
      sent = { said, once: crypto.randomUUID(), body: JSON.stringify({ ...comment, seconds_to_submit: seconds }) };
    }
    return sent;
  }

  async function send() {
    const { once, body } = prepare();
    const answer = await fetch(`${api}/v1/comments`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json", "Idempotency-Key": once, Prefer: "wait=5" },
      body,
    });
    const said = await answer.json();
    if (!answer.ok) {
      const first = said.errors && said.errors[0];
      say("fault", (first && first.detail) || said.detail || said.title || "The comment could not be sent.");
      return;
    }
    say(said.status, MESSAGES[said.status] || MESSAGES.pending);
    sent = { said: "", once: "", body: "" };
    form.elements.body.value = "";
    answerTo("");
    await refresh().catch(() => []);
    if (said.status === "pending" || said.status === "flagged") watch(said.id);
  }

  thread.addEventListener("click", (event) => {
    if (!event.target.matches(".reply")) return;
    event.preventDefault();
    answerTo(event.target.closest(".comment").id);
  });
  document.getElementById("not-answering").addEventListener("click", (event) => {
    event.preventDefault();
    answerTo("");
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    say("pending", "Sending ...");
    await send().catch(() => say("fault", "The comment could not be sent. Please try again."));
    button.disabled = false;
  });
})();
