"use strict";
// Nothing here is needed: every page works without it.
addEventListener("DOMContentLoaded", () => {
  document.querySelector("#problems")?.focus();
  const holder = document.querySelector(".new-password");
  const rules = document.querySelector(".rules");
  if (holder) {
    const inputs = [...holder.querySelectorAll("input")];
    const box = document.createElement("input");
    box.type = "checkbox";
    box.id = "show-password";
    box.addEventListener("change", () => inputs.forEach((i) => (i.type = box.checked ? "text" : "password")));
    const label = document.createElement("label");
    label.htmlFor = box.id;
    label.textContent = holder.dataset.show;
    const line = document.createElement("div");
    line.className = "choice";
    line.append(box, label);
    holder.append(line);
    const name = document.querySelector("input[autocomplete=username]")?.value.toLowerCase() ?? "";
    const count = (rule) => Number(rules?.querySelector(`[data-rule=${rule}]`)?.dataset.count ?? 0);
    inputs[0].addEventListener("input", () => {
      const text = inputs[0].value;
      const lower = text.toLowerCase();
      const met = {
        "min-length": [...text].length >= count("min-length"),
        "max-length": text !== "" && [...text].length <= count("max-length"),
        "no-username": text !== "" && !(name.length > 2 && (lower.includes(name) || lower.includes([...name].reverse().join("")))),
      };
      for (const [rule, yes] of Object.entries(met))
        rules?.querySelector(`[data-rule=${rule}]`)?.classList.toggle("met", yes);
    });
  }
  const expiry = document.querySelector(".expiry[data-idle]");
  if (expiry) {
    const warn = Math.max(30, Number(expiry.dataset.idle) - 120) * 1000;
    setTimeout(() => (expiry.textContent = expiry.dataset.warning), warn);
  }
});
