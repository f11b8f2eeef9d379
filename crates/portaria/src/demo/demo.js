"use strict";
// One phone per business. What is shown is read back from the house, never made up here.
for (const phone of document.querySelectorAll(".phone")) {
  const tenant = phone.dataset.tenant;
  const thread = phone.querySelector(".thread");
  const form = phone.querySelector(".composer");
  const input = form.querySelector("input");
  const button = form.querySelector("button");
  let shown = "";

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const bubble = (message) => {
    const item = element("li", "bubble " + message.from, message.text || "");
    const sources = Array.isArray(message.sources) ? message.sources : [];
    if (sources.length > 0) {
      const details = element("details");
      const sure = typeof message.confidence === "number"
        ? ", confiança " + Math.round(message.confidence * 100) + " %" : "";
      details.append(element("summary", "", "Fontes (" + sources.length + sure + ")"));
      for (const source of sources) {
        const where = source.heading ? source.title + " · " + source.heading : source.title;
        details.append(element("strong", "", where), element("blockquote", "", source.text));
      }
      item.append(details);
    }
    return item;
  };

  const refresh = async () => {
    let state;
    try {
      const answer = await fetch("/demo/messages?tenant=" + encodeURIComponent(tenant));
      if (!answer.ok) return;
      state = await answer.json();
    } catch {
      return; // The next look tries again.
    }
    const visible = state.messages.filter((m) => m.state !== "cancelled");
    const key = JSON.stringify([visible.map((m) => [m.id, m.text]), state.person]);
    if (key === shown) return;
    shown = key;
    const open = new Set([...thread.querySelectorAll("details[open]")].map((d) => d.parentElement.dataset.id));
    thread.replaceChildren();
    if (visible.length === 0) thread.append(element("li", "empty", "Escreva a primeira mensagem ou toque numa sugestão."));
    for (const message of visible) {
      const item = bubble(message);
      item.dataset.id = message.id;
      if (open.has(message.id)) item.querySelector("details").open = true;
      thread.append(item);
    }
    const last = visible.at(-1);
    if (state.person) thread.append(element("li", "divider", "Uma pessoa da equipe foi chamada; a assistente não responde mais."));
    else if (last && last.from === "in") thread.append(element("li", "writing", "escrevendo…"));
    thread.scrollTop = thread.scrollHeight;
  };

  const send = async (text) => {
    const trimmed = text.trim();
    if (!trimmed || button.disabled) return;
    button.disabled = true;
    try {
      const answer = await fetch("/demo/messages", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ tenant, text: trimmed }),
      });
      if (answer.ok) input.value = "";
      else input.setCustomValidity("Não foi possível enviar; tente de novo.");
    } finally {
      button.disabled = false;
      input.reportValidity();
      input.setCustomValidity("");
      await refresh();
    }
  };

  form.addEventListener("submit", (event) => { event.preventDefault(); send(input.value); });
  for (const hint of phone.querySelectorAll(".hint")) hint.addEventListener("click", () => send(hint.textContent));
  refresh();
  setInterval(refresh, 700);
}
