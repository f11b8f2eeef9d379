// A form is sent without leaving its page: what was refused is said beside what was typed, and nothing
// that was typed is lost. Without this file the browser sends forms as it always did.
(() => {
  "use strict";
  const texts = document.getElementById("texts")?.dataset ?? {};
  const say = (text) => document.dispatchEvent(new CustomEvent("panel:say", { detail: text }));
  const parsed = (html) => new DOMParser().parseFromString(html, "text/html");

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
    event.preventDefault();
    send(form, event.submitter);
  });

  // One at a time, and seen to be under way.
  async function send(form, submitter) {
    form.dataset.busy = "1";
    form.setAttribute("aria-busy", "true");
    try {
      await deliver(form, submitter, true);
    } catch {
      refuse(form, { text: texts.failed });
    } finally {
      delete form.dataset.busy;
      form.removeAttribute("aria-busy");
    }
  }

  async function deliver(form, submitter, again) {
    const data = new FormData(form, submitter);
    const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
    const answer = await fetch(form.getAttribute("action"), { method: "POST", headers: { "x-form": "1" }, body });
    const text = await answer.text();
    const kind = answer.headers.get("content-type") ?? "";
    if (kind.startsWith("text/html")) {
      const page = parsed(text);
      // A proxy's page is not ours, and does not take the place of ours.
      if (page.getElementById("main") && page.body.dataset.csrf !== undefined) { turn(page); return; }
      refuse(form, { text: `${texts.refused} (${answer.status})` });
      return;
    }
    let said = {};
    try { said = JSON.parse(text); } catch { /* told by its number */ }
    if (said.go) { keep(form); leave(said.go); return; }
    // The session was renewed in another tab: with its new token the same form of the same person is good.
    if (said.stale && again && await renew()) { await deliver(form, submitter, false); return; }
    refuse(form, { ...said, text: said.text ?? `${texts.refused} (${answer.status})` });
  }

  // What was typed into the page's other forms is there again when the page is.
  const KEY = "unsent";
  const forms = () => [...document.querySelectorAll("main form[method=post]:not([hx-post])")];
  const secret = ["hidden", "password", "file", "submit", "button"];
  const typed = (field) => {
    if (!field.name || secret.includes(field.type)) return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") {
      const first = [...field.options].findIndex((option) => option.defaultSelected);
      return field.selectedIndex !== Math.max(0, first);
    }
    return field.value !== field.defaultValue;
  };
  // Forms of a list have the same action: what they are about is in their hidden fields.
  const mark = (form) => form.getAttribute("action") + JSON.stringify([...form.elements]
    .filter((field) => field.type === "hidden" && field.name !== "_csrf" && field.name !== "once").map((field) => [field.name, field.value]));
  function keep(sent) {
    const kept = forms().filter((form) => form !== sent).flatMap((form) => [...form.elements].filter(typed)
      .map((field) => [mark(form), field.name, field.value, field.checked]));
    if (kept.length) sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, kept }));
  }
  // The page reloads by itself: its visitor may no longer see it as it is.
  document.addEventListener("panel:leave", () => keep(null));
  const unsent = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  if (unsent?.path === location.pathname) {
    sessionStorage.removeItem(KEY);
    for (const [of, name, value, checked] of unsent.kept) {
      for (const form of forms().filter((form) => mark(form) === of)) {
        for (const field of form.elements) {
          if (field.name !== name || secret.includes(field.type)) continue;
          if (field.type === "checkbox" || field.type === "radio") { if (field.value === value) field.checked = checked; } else field.value = value;
        }
      }
    }
  }

  function leave(to) {
    const url = new URL(to, location.href);
    // A chosen file would be lost by a new page; the conversation shows what changed by itself.
    if (url.pathname === location.pathname && document.querySelector("#composer [type=file]")?.files.length) {
      document.body.dispatchEvent(new Event("live"));
      return;
    }
    const same = url.href.split("#")[0] === location.href.split("#")[0];
    location.assign(url.href);
    // An address that differs in its fragment alone would not be fetched.
    if (same) location.reload();
  }

  // The page that a form is answered with takes the place of this one's content.
  function turn(page) {
    const here = document.getElementById("main");
    document.title = page.title;
    if (page.body.className === document.body.className) here.replaceWith(page.getElementById("main"));
    else { document.body.className = page.body.className; document.body.replaceChildren(...page.body.children); }
    const main = document.getElementById("main");
    window.htmx?.process(main);
    main.dispatchEvent(new CustomEvent("panel:page", { bubbles: true }));
    scrollTo(0, 0);
    const first = main.querySelector("[aria-invalid=true], [role=alert], [role=status], h1");
    if (first && !first.matches("input, textarea, select")) first.tabIndex = -1;
    first?.focus();
    guard(main);
  }

  // What is shown once is not lost by a reload before it was copied.
  function guard(main) {
    const once = main.querySelector("[data-once]");
    if (!once) return;
    const ask = (event) => event.preventDefault();
    addEventListener("beforeunload", ask);
    main.addEventListener("click", (event) => {
      if (event.target.closest("[data-copy], a[href], button[type=submit]")) removeEventListener("beforeunload", ask);
    });
  }

  async function renew() {
    const answer = await fetch(location.href);
    const page = parsed(await answer.text());
    const { csrf, person } = page.body.dataset;
    // Who signed in meanwhile may be somebody else, who did not write this.
    if (!answer.ok || !csrf || csrf === document.body.dataset.csrf || person !== document.body.dataset.person) return false;
    document.body.dataset.csrf = csrf;
    if (document.body.hasAttribute("hx-headers")) document.body.setAttribute("hx-headers", page.body.getAttribute("hx-headers"));
    for (const field of document.querySelectorAll("[name=_csrf]")) field.value = csrf;
    return true;
  }

  function refuse(form, said) {
    for (const old of document.querySelectorAll("[data-refused]")) old.remove();
    for (const field of form.querySelectorAll("[aria-invalid=true]")) field.removeAttribute("aria-invalid");
    const wrong = said.fields?.length ? said.fields : [said];
    const marked = wrong.filter((one) => markField(form, one));
    if (marked.length) { form.querySelector("[aria-invalid=true]").focus(); return; }
    const line = alertLine(said.text);
    if (said.sign_in) {
      const link = document.createElement("a");
      link.href = said.sign_in;
      link.target = "_blank";
      link.textContent = texts.signIn;
      line.append(" ", link);
    }
    const written = form.querySelector("input:not([type=hidden]), textarea, select");
    if (written || said.sign_in) {
      line.className = "notice bad";
      (written ? form : document.getElementById("main")).prepend(line);
      line.scrollIntoView({ block: "nearest" });
    } else say(line.textContent);
  }

  function alertLine(text) {
    const line = document.createElement("p");
    line.dataset.refused = "";
    line.setAttribute("role", "alert");
    line.append(text);
    return line;
  }

  // Says why at the field; false when the form shows no such field.
  function markField(form, { field: name, text }) {
    const named = name ? form.elements.namedItem(name) : null;
    const one = named instanceof RadioNodeList ? named[0] : named;
    const field = one instanceof HTMLElement && one.checkVisibility() ? one : null;
    if (!field) return false;
    const line = alertLine(text);
    line.className = "error small";
    line.id = `${field.id || field.name}-refused`;
    field.setAttribute("aria-invalid", "true");
    const about = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== line.id);
    field.setAttribute("aria-describedby", [...about, line.id].join(" "));
    const box = (named === one ? null : field.closest("fieldset")) ?? field.closest(".field");
    if (box) box.append(line);
    else field.after(line);
    return true;
  }
})();
