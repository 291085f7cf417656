"use strict";
// Puts the part of the page that changes in its place once a second, while somebody looks.
(() => {
  const part = document.getElementById("part");
  const live = document.getElementById("live");
  const pause = 1000;
  let before = null, timer = 0, asking = false;

  const say = (text) => { if (live.textContent !== text) live.textContent = text; };

  // Requests a second, which the server does not know, since the last answer.
  const rate = () => {
    const now = { at: performance.now(), requests: Number(document.getElementById("requests").dataset.value) };
    if (before && now.requests >= before.requests) {
      const perSecond = (now.requests - before.requests) / (now.at - before.at) * 1000;
      document.getElementById("rate").textContent = perSecond.toFixed(perSecond < 10 ? 1 : 0) + " a second";
    }
    before = now;
  };

  const update = async () => {
    clearTimeout(timer);
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch("part", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const text = await answer.text();
      // Whoever is selecting text keeps it.
      if (document.getSelection().isCollapsed) {
        part.innerHTML = text;
        rate();
        say("Live");
      } else {
        say("Live; waits while text is selected");
      }
    } catch (e) {
      say("The server does not answer (" + e.message + ")");
      before = null;
    } finally {
      asking = false;
    }
    if (!document.hidden) timer = setTimeout(update, pause);
  };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetch("refork", { method: "POST", headers: { Accept: "text/html" }, redirect: "manual" }).catch(() => {});
    update();
  });
  update();
})();
