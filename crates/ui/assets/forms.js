// A form is sent without leaving its page: what was refused is said beside what was typed, and nothing
// that was typed is lost. Without this file the browser sends forms as it always did.
(() => {
  "use strict";
  const texts = document.getElementById("texts")?.dataset ?? {};
  const say = (text) => document.dispatchEvent(new CustomEvent("panel:say", { detail: text }));

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
    event.preventDefault();
    send(form, event.submitter, true);
  });

  async function send(form, submitter, again) {
    const data = new FormData(form, submitter);
    const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
    let answer;
    let text;
    try {
      answer = await fetch(form.getAttribute("action"), { method: "POST", headers: { "x-form": "1" }, body });
      text = await answer.text();
    } catch {
      delete form.dataset.busy;
      refuse(form, { text: texts.failed });
      return;
    }
    if ((answer.headers.get("content-type") ?? "").startsWith("text/html")) { turn(text); return; }
    let said;
    try { said = JSON.parse(text); } catch { said = { text: texts.failed }; }
    if (said.go) { keep(form); leave(said.go); return; }
    // The session was renewed elsewhere: with its new token the same form is good.
    if (said.stale && again && await renew()) { await send(form, submitter, false); return; }
    delete form.dataset.busy;
    refuse(form, said);
  }

  // What was typed into the page's other forms is there again when the page is.
  const KEY = "unsent";
  const typed = (field) => {
    if (!field.name || ["hidden", "password", "file", "submit", "button"].includes(field.type)) return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") {
      const first = [...field.options].findIndex((option) => option.defaultSelected);
      return field.selectedIndex !== Math.max(0, first);
    }
    return field.value !== field.defaultValue;
  };
  const others = (sent) => [...document.querySelectorAll("main form[method=post]:not([hx-post])")].filter((form) => form !== sent);
  function keep(sent) {
    const kept = others(sent).flatMap((form) => [...form.elements].filter(typed)
      .map((field) => [form.getAttribute("action"), field.name, field.value, field.checked]));
    if (kept.length) sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, kept }));
  }
  const unsent = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  sessionStorage.removeItem(KEY);
  if (unsent?.path === location.pathname) {
    for (const [action, name, value, checked] of unsent.kept) {
      for (const form of others()) {
        if (form.getAttribute("action") !== action) continue;
        for (const field of form.elements) {
          if (field.name !== name) continue;
          if (field.type === "checkbox" || field.type === "radio") { if (field.value === value) field.checked = checked; } else field.value = value;
        }
      }
    }
  }

  function leave(to) {
    const url = new URL(to, location.href);
    const same = url.href.split("#")[0] === location.href.split("#")[0];
    location.assign(url.href);
    // An address that differs in its fragment alone would not be fetched.
    if (same) location.reload();
  }

  // The page that a form is answered with takes the place of this one's content.
  function turn(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = page.getElementById("main");
    const here = document.getElementById("main");
    document.title = page.title;
    if (fresh && page.body.className === document.body.className) here.replaceWith(fresh);
    else { document.body.className = page.body.className; document.body.replaceChildren(...page.body.children); }
    const main = document.getElementById("main");
    window.htmx?.process(main);
    main.dispatchEvent(new CustomEvent("panel:page", { bubbles: true }));
    scrollTo(0, 0);
    const first = main.querySelector("[aria-invalid=true], [role=alert], [role=status], h1");
    if (first && !first.matches("input, textarea, select")) first.tabIndex = -1;
    first?.focus();
  }

  async function renew() {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const csrf = page.body.dataset.csrf;
    if (!answer.ok || !csrf || csrf === document.body.dataset.csrf) return false;
    document.body.dataset.csrf = csrf;
    if (document.body.hasAttribute("hx-headers")) document.body.setAttribute("hx-headers", page.body.getAttribute("hx-headers"));
    for (const field of document.querySelectorAll("[name=_csrf]")) field.value = csrf;
    return true;
  }

  function refuse(form, said) {
    for (const old of document.querySelectorAll("[data-refused]")) old.remove();
    for (const field of form.querySelectorAll("[aria-invalid=true]")) field.removeAttribute("aria-invalid");
    const line = document.createElement("p");
    line.dataset.refused = "";
    line.setAttribute("role", "alert");
    line.append(said.text ?? texts.failed);
    if (said.sign_in) {
      const link = document.createElement("a");
      link.href = said.sign_in;
      link.target = "_blank";
      link.textContent = texts.signIn;
      line.append(" ", link);
    }
    const named = said.field ? form.elements.namedItem(said.field) : null;
    const field = named instanceof HTMLElement && named.checkVisibility() ? named : null;
    if (field) {
      line.className = "error small";
      line.id = `${field.id || field.name}-refused`;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", `${field.getAttribute("aria-describedby") ?? ""} ${line.id}`.trim());
      const box = field.closest(".field");
      if (box) box.append(line);
      else field.after(line);
      field.focus();
      return;
    }
    const typed = form.querySelector("input:not([type=hidden]), textarea, select");
    if (!typed) { if (said.sign_in) location.reload(); else say(line.textContent); return; }
    line.className = "notice bad";
    form.prepend(line);
    line.scrollIntoView({ block: "nearest" });
  }
})();
