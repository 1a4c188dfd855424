// Asks once for the number of comments under every article. Without this script the page is complete but for the numbers.
"use strict";

(async () => {
  const list = document.querySelector(".articles");
  if (!list.dataset.api) return;
  const places = [...document.querySelectorAll(".count")];
  const query = new URLSearchParams(places.map((place) => ["post", place.dataset.post]));
  const answer = await fetch(`${list.dataset.api}/v1/posts/counts?${query}`, {
    headers: { Authorization: `Bearer ${list.dataset.key}` },
  }).catch(() => null);
  if (!answer || !answer.ok) return;
  const { counts } = await answer.json();
  for (const place of places) {
    const count = counts[place.dataset.post] || 0;
    place.textContent = count === 0 ? "No comments" : count === 1 ? "1 comment" : `${count} comments`;
  }
})();
