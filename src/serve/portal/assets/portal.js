"use strict";
// Nothing here is needed: every page works without it.
addEventListener("DOMContentLoaded", () => {
  const one = (css, within = document) => within.querySelector(css);
  const make = (name, more) => Object.assign(document.createElement(name), more);
  // What went wrong comes first, also for who does not see the page.
  const news = one("#problems") ?? (one("[autofocus]") ? null : one(".told"));
  if (news) {
    news.tabIndex = -1;
    news.focus();
  }
  // What is sent twice by an impatient double click is sent once.
  addEventListener("submit", (event) => {
    const { dataset } = event.target;
    if (dataset.sent) event.preventDefault();
    dataset.sent = "1";
    setTimeout(() => delete dataset.sent, 3000);
  });
  // A page that comes back from the browser's memory can be sent again.
  addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));
  const holder = one(".new-password");
  if (holder) choosing(holder);
  const expiry = one(".expiry[data-idle]");
  if (expiry) expiring(expiry);

  function choosing(holder) {
    const inputs = [...holder.querySelectorAll("input")];
    const password = inputs[0];
    const rules = one(".rules");
    const box = make("input", { type: "checkbox", id: "show-password" });
    box.addEventListener("change", () => inputs.forEach((i) => (i.type = box.checked ? "text" : "password")));
    const line = make("div", { className: "choice" });
    line.append(box, make("label", { htmlFor: box.id, textContent: holder.dataset.show }));
    holder.append(line);
    // Passwords are never sent in sight, so that no browser remembers them as text.
    holder.closest("form").addEventListener("submit", () => inputs.forEach((i) => (i.type = "password")));

    const meter = make("div", { className: "strength" });
    const bar = make("div", { className: "bar", hidden: true });
    for (let part = 0; part < 5; part++) bar.append(make("i"));
    bar.setAttribute("aria-hidden", "true");
    const said = make("p");
    said.setAttribute("role", "status");
    meter.append(bar, said);
    password.closest(".field").after(meter);

    const tick = (rule, yes) => {
      const item = one(`[data-rule="${rule}"]`, rules ?? document);
      if (!item || item.classList.contains("met") === yes) return;
      item.classList.toggle("met", yes);
      one(".unseen", item)?.remove();
      if (yes) item.append(make("span", { className: "unseen", textContent: ` (${rules.dataset.met})` }));
    };
    const count = (rule) => Number(one(`[data-rule="${rule}"]`)?.dataset.count ?? 0);
    const ask = async (text) => {
      const form = one("input[name=form]", holder.closest("form")).value;
      const body = new URLSearchParams({ form, password: text });
      const answer = await fetch("/password/strength", { method: "POST", body }).catch(() => null);
      if (!answer?.ok || password.value !== text) return;
      const { score, strength, advice, met } = await answer.json();
      meter.dataset.score = score;
      bar.hidden = false;
      said.textContent = advice ? `${strength}. ${advice}` : strength;
      for (const item of rules?.querySelectorAll("[data-rule]") ?? [])
        tick(item.dataset.rule, met.includes(item.dataset.rule));
    };
    let waiting;
    password.addEventListener("input", () => {
      const text = password.value;
      const length = [...text].length;
      tick("min-length", length >= count("min-length"));
      tick("max-length", length > 0 && length <= count("max-length"));
      clearTimeout(waiting);
      if (text) waiting = setTimeout(ask, 350, text);
      else {
        delete meter.dataset.score;
        bar.hidden = true;
        said.textContent = "";
        rules?.querySelectorAll(".met").forEach((item) => tick(item.dataset.rule, false));
      }
    });
  }

  function expiring(expiry) {
    const { idle, warning, over, stay } = expiry.dataset;
    const before = expiry.textContent;
    let timers = [];
    const begin = () => {
      timers.forEach(clearTimeout);
      expiry.textContent = before;
      timers = [
        setTimeout(warn, Math.max(Number(idle) * 0.5, Number(idle) - 120) * 1000),
        setTimeout(() => (expiry.textContent = over), Number(idle) * 1000),
      ];
    };
    const warn = () => {
      const button = make("button", { type: "button", className: "second", textContent: stay });
      button.addEventListener("click", async () => {
        const answer = await fetch("/practices", { cache: "no-store" }).catch(() => null);
        if (answer?.ok) begin();
      });
      expiry.replaceChildren(warning, button);
    };
    begin();
  }
});
