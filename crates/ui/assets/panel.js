// What pages do beyond forms and links: live updates, keys, drafts, uploads, passkeys.
// Everything is told by data attributes; without this file every form still works.
(() => {
  "use strict";
  const root = document.documentElement;
  const texts = document.getElementById("texts")?.dataset ?? {};
  const csrf = () => document.body.dataset.csrf ?? "";
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  // What an element needs from its beginning, also one that a form's answer brought later.
  const each = (selector, start) => {
    all(selector).forEach(start);
    document.addEventListener("panel:page", (event) => all(selector, event.target).forEach(start));
  };

  // Light or dark, kept on this device.
  const theme = localStorage.getItem("theme");
  if (theme) root.dataset.theme = theme;
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-toggle],[data-copy],[data-text],[data-show],[data-open-dialog]");
    if (!target) return;
    if ("themeToggle" in target.dataset) {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
    } else if ("copy" in target.dataset) {
      navigator.clipboard?.writeText(target.dataset.copy).then(() => toast(texts.copied));
    } else if ("text" in target.dataset) {
      // A ready text goes into the field that the form names.
      const field = $(target.dataset.into);
      if (field) { field.value = target.dataset.text; field.focus(); field.dispatchEvent(new Event("input", { bubbles: true })); }
    } else if ("show" in target.dataset) {
      $(".inbox")?.classList.toggle(target.dataset.show);
    } else {
      $(target.dataset.openDialog)?.showModal();
    }
  });

  function toast(text, undo) {
    if (!text) return;
    const box = document.createElement("div");
    box.className = "toast";
    box.append(text);
    if (undo) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = texts.undo;
      button.addEventListener("click", () => { box.remove(); undo(); });
      box.append(button);
    }
    $("#toasts")?.append(box);
    setTimeout(() => box.remove(), 5000);
  }
  // What the last page did, said once.
  const said = $("[data-toast]");
  if (said) {
    const undo = $("form[data-undo]");
    toast(said.dataset.toast, undo ? () => undo.requestSubmit() : undefined);
  }

  document.addEventListener("panel:say", (event) => toast(event.detail));

  // A form is sent once: the button rests until there is an answer.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.dataset.again === "") return;
    if (form.dataset.busy) { event.preventDefault(); return; }
    if (form.dataset.confirm && !confirm(form.dataset.confirm)) { event.preventDefault(); return; }
    if (form.hasAttribute("hx-post")) {
      form.dataset.busy = "1";
      setTimeout(() => delete form.dataset.busy, 8000);
    }
  });
  // What was refused is shown too, which htmx then holds for a success.
  const accepted = (event) => event.detail.xhr?.status >= 200 && event.detail.xhr.status < 400;
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest?.("form");
    if (form) delete form.dataset.busy;
    if (form && accepted(event)) $("#problem")?.replaceChildren();
    if (event.detail.failed && event.detail.xhr?.status === 0) toast(texts.failed);
  });
  // A session that ended sends the whole page to sign-in, not a fragment of it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401) { event.detail.shouldSwap = false; location.reload(); }
    if (status < 400 || status === 401 || event.detail.requestConfig.verb === "get") return;
    // Why something was refused is said beside what is on the page, not instead of it.
    const problem = $("#problem");
    if (problem) { event.detail.target = problem; event.detail.swapOverride = "innerHTML"; }
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  });

  // An id that a form is sent with, so that sending it twice does it once.
  const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  // Drafts survive a reload, with what they are to become.
  each("[data-draft]", (field) => {
    const key = "draft:" + field.dataset.draft;
    const form = field.form;
    const kept = sessionStorage.getItem(key);
    if (kept && !field.value) {
      field.value = kept;
      const mode = sessionStorage.getItem(key + ":mode") === "note" && $("[name=mode][value=note]", form);
      if (mode) { mode.checked = true; form.classList.add("is-note"); }
    }
    const forget = () => { sessionStorage.removeItem(key); sessionStorage.removeItem(key + ":mode"); };
    const keep = () => {
      if (!field.value) { forget(); return; }
      sessionStorage.setItem(key, field.value);
      sessionStorage.setItem(key + ":mode", new FormData(form).get("mode") ?? "");
    };
    field.addEventListener("input", keep);
    form?.addEventListener("change", keep);
    form?.addEventListener("htmx:afterRequest", (event) => {
      if (!accepted(event)) return;
      forget();
      field.value = "";
      const file = $("input[type=file]", form);
      if (file?.value) { file.value = ""; file.dispatchEvent(new Event("change", { bubbles: true })); }
      const once = $("[name=once]", form);
      if (once) once.value = fresh();
    });
    form?.addEventListener("submit", () => { if (!form.hasAttribute("hx-post")) forget(); });
  });
  // A chosen file is named beside the field, and can be taken back.
  each("[data-chosen]", (chosen) => {
    const file = $(chosen.dataset.chosen);
    file?.addEventListener("change", () => {
      chosen.hidden = !file.files.length;
      $("span", chosen).textContent = file.files[0]?.name ?? "";
    });
    $("button", chosen).addEventListener("click", () => { file.value = ""; chosen.hidden = true; });
  });
  // "/pix" finds the ready reply, and Enter takes the first.
  const shortcuts = (field) => /^\/\S*$/.test(field.value) ? all("#canned [data-short]") : [];
  document.addEventListener("input", (event) => {
    const menu = $("#canned");
    if (!menu || !event.target.matches("textarea[data-enter]")) return;
    const buttons = shortcuts(event.target);
    for (const button of all("#canned [data-short]")) {
      button.closest("li").hidden = buttons.length > 0 && !button.dataset.short.startsWith(event.target.value.slice(1).toLowerCase());
    }
    const any = buttons.some((button) => !button.closest("li").hidden);
    if (any !== menu.matches(":popover-open")) menu.togglePopover(any);
  });
  $("#canned")?.addEventListener("toggle", (event) => {
    const box = $("#composer").getBoundingClientRect();
    event.target.style.left = `${box.left + 12}px`;
    event.target.style.bottom = `${innerHeight - box.top}px`;
  });
  // Enter sends, Shift+Enter breaks the line.
  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && field.matches?.("textarea[data-enter]")) {
      event.preventDefault();
      const ready = shortcuts(field).find((button) => !button.closest("li").hidden);
      if (ready) ready.click();
      else field.form.requestSubmit();
    }
  });
  // A note looks like one while it is written.
  document.addEventListener("change", (event) => {
    if (event.target.name === "mode") {
      const note = event.target.value === "note";
      event.target.form.classList.toggle("is-note", note);
      const field = $("[data-note]", event.target.form);
      if (field) {
        field.dataset.reply ??= field.placeholder;
        field.placeholder = note ? field.dataset.note : field.dataset.reply;
      }
    }
    if (event.target.matches("select[data-go]")) location.href = event.target.value;
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // Threads open at their end and stay there while one reads the newest.
  const threads = () => all(".thread");
  const atEnd = new WeakMap();
  for (const thread of threads()) thread.scrollTop = thread.scrollHeight;
  document.addEventListener("htmx:beforeSwap", () => {
    for (const thread of threads()) atEnd.set(thread, thread.scrollHeight - thread.scrollTop - thread.clientHeight < 80);
  });
  document.addEventListener("htmx:afterSettle", () => {
    countdowns();
    // The 24-hour window shut or opened: another form is needed. The draft survives.
    const now = $("#talk [name=w]")?.value;
    const had = $("#composer")?.dataset.window;
    if (now && had && now !== had) location.reload();
    for (const thread of threads()) if (atEnd.get(thread) ?? true) thread.scrollTop = thread.scrollHeight;
  });
  const open = $(".threads [aria-current]");
  open?.scrollIntoView({ block: "nearest" });
  for (const chosen of all(".filters [aria-current], .tabs [aria-current]")) chosen.scrollIntoView({ block: "nearest", inline: "center" });

  // How many wait, in the tab's title.
  let title = document.title;
  document.addEventListener("panel:page", () => { title = document.title; });
  const titled = (waiting) => { document.title = waiting > 0 ? `(${waiting}) ${title}` : title; };
  titled(Number($("[data-count]:not([hidden])")?.textContent ?? 0));

  // Live: one stream per browser. The tab that holds the lock listens, and tells the others.
  const events = document.body.dataset.events;
  const look = () => { if (!document.hidden) document.body.dispatchEvent(new Event("live")); };
  if (events) {
    const channel = "BroadcastChannel" in window ? new BroadcastChannel("live:" + events) : null;
    const reload = () => {
      document.dispatchEvent(new Event("panel:leave"));
      location.reload();
    };
    const heard = (message) => {
      if (message.gone) return reload();
      look();
      if (message.waiting === undefined) return;
      for (const count of all("[data-count]")) { count.textContent = message.waiting; count.hidden = message.waiting === 0; }
      titled(message.waiting);
    };
    if (channel) channel.onmessage = (event) => heard(event.data);
    let before = null;
    const listen = () => {
      const source = new EventSource(events);
      source.onmessage = (event) => {
        const message = JSON.parse(event.data);
        const more = before !== null && message.waiting > before;
        before = message.waiting;
        heard(message);
        channel?.postMessage(message);
        if (more) call();
      };
      // Who may no longer see this page sees what they may.
      source.addEventListener("gone", () => {
        source.close();
        channel?.postMessage({ gone: true });
        reload();
      });
      source.onerror = () => {
        // A browser gives up for good on an answer that is no stream: a server that starts, a session that ended.
        if (source.readyState !== EventSource.CLOSED) return;
        setTimeout(listen, 4000 + Math.random() * 2000);
        look();
      };
    };
    // Without locks, which plain http lacks, every tab listens for itself.
    if ("locks" in navigator) navigator.locks.request("live:" + events, () => new Promise(listen));
    else listen();
    // What was missed while the page slept.
    document.addEventListener("visibilitychange", look);
  }
  // Somebody waits: a sound and a notification, if the person turned them on here.
  function call() {
    if (localStorage.getItem("sound") === "1") {
      const audio = new AudioContext();
      const tone = audio.createOscillator();
      const level = audio.createGain();
      tone.frequency.value = 660;
      level.gain.setValueAtTime(0.08, audio.currentTime);
      level.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.5);
      tone.connect(level).connect(audio.destination);
      tone.start();
      tone.stop(audio.currentTime + 0.5);
    }
    if (localStorage.getItem("notify") === "1" && "Notification" in window && Notification.permission === "granted") {
      new Notification(texts.waiting, { tag: "waiting" });
    }
  }
  each("[data-device]", (box) => {
    const name = box.dataset.device;
    box.checked = localStorage.getItem(name) === "1";
    box.addEventListener("change", async () => {
      if (name === "notify" && box.checked && await Notification.requestPermission() !== "granted") box.checked = false;
      localStorage.setItem(name, box.checked ? "1" : "0");
    });
  });

  // Times that run: the 24-hour window, and how long somebody waits.
  const minutes = (ms) => {
    const all = Math.floor(ms / 60000);
    if (all < 60) return `${all} min`;
    return all % 60 ? `${Math.floor(all / 60)} h ${all % 60} min` : `${all / 60} h`;
  };
  function countdowns() {
    for (const element of all("[data-until]")) {
      const left = Math.max(0, Number(element.dataset.until) - Date.now());
      element.textContent = minutes(left);
      if (left === 0 && element.dataset.over !== "1") { element.dataset.over = "1"; look(); }
    }
    for (const element of all("[data-since]")) {
      const time = Date.now() - Number(element.dataset.since);
      if (time >= 60000 && time < 86400000) element.textContent = minutes(time);
    }
  }
  countdowns();
  setInterval(countdowns, 20000);

  // Keys of the inbox.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input:not([type=radio]):not([type=checkbox]), textarea, select");
    if (event.key === "Escape") $(".inbox")?.classList.remove("show-person");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing) return;
    if (event.key === "?") { $("#keys")?.showModal(); event.preventDefault(); return; }
    if (event.key === "/") {
      const search = $("input[type=search]");
      if (!search) return;
      event.preventDefault();
      // On a phone the list, with its search, is a page before the conversation.
      if (search.checkVisibility()) search.focus();
      else location.href = `${$("a.back-link").href.split("#")[0]}#${search.id}`;
      return;
    }
    const rows = all(".threads a[data-row]");
    if (rows.length && (event.key === "j" || event.key === "k")) {
      const now = rows.findIndex((row) => row === document.activeElement);
      const from = now >= 0 ? now : rows.findIndex((row) => row.hasAttribute("aria-current"));
      const next = Math.min(rows.length - 1, Math.max(0, from + (event.key === "j" ? 1 : -1)));
      rows[next].focus();
      event.preventDefault();
      return;
    }
    const action = $(`[data-key="${CSS.escape(event.key)}"]`);
    if (action) {
      event.preventDefault();
      if (action.matches("[type=radio]")) { action.click(); $("textarea", action.form)?.focus(); }
      else if (action.matches("textarea, input")) action.focus();
      else action.click();
    }
  });

  // Uploads, one file after the other, each with its progress.
  each("form[data-upload]", (drop) => {
    const input = $("input[type=file]", drop);
    const list = $("[data-progress]", drop);
    const send = (file) => new Promise((done) => {
      const row = document.createElement("div");
      const bar = document.createElement("progress");
      bar.max = 100;
      bar.setAttribute("aria-label", `${texts.uploading} ${file.name}`);
      const name = document.createElement("small");
      name.textContent = file.name;
      row.append(name, bar);
      list.append(row);
      const body = new FormData(drop);
      body.delete(input.name);
      body.append(input.name, file);
      const request = new XMLHttpRequest();
      request.open("POST", drop.action);
      request.setRequestHeader("x-csrf-token", csrf());
      request.setRequestHeader("accept", "application/json");
      request.upload.onprogress = (event) => { bar.value = event.loaded * 100 / event.total; };
      request.onloadend = () => {
        let answer = null;
        try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page */ }
        bar.remove();
        const result = document.createElement("small");
        const good = request.status >= 200 && request.status < 300;
        result.className = good ? "badge good" : "badge bad";
        result.textContent = answer?.message ?? texts.failed;
        row.append(" ", result);
        done(good);
      };
      request.send(body);
    });
    const sendAll = async (files) => {
      let good = true;
      for (const file of files) good = await send(file) && good;
      if (good && files.length) location.reload();
    };
    input.addEventListener("change", () => sendAll([...input.files]));
    drop.addEventListener("submit", (event) => { event.preventDefault(); sendAll([...input.files]); });
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); sendAll([...event.dataTransfer.files]); });
  });

  // Passkeys. The server speaks JSON as WebAuthn level 3 writes it.
  async function post(path, body) {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": csrf() }, body: JSON.stringify(body ?? {}) });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }
  each("[data-passkey]", (button) => {
    if (!("PublicKeyCredential" in window) || !PublicKeyCredential.parseCreationOptionsFromJSON) { button.hidden = true; return; }
    button.addEventListener("click", async () => {
      try {
        const start = await post(button.dataset.start, {});
        const credential = button.dataset.passkey === "create"
          ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(start.publicKey) })
          : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(start.publicKey) });
        const done = await post(button.dataset.finish, { ceremony: start.ceremony, next: button.dataset.next ?? "", credential: credential.toJSON() });
        location.href = done.next;
      } catch { toast(texts.passkey) ?? alertInline(button); }
    });
  });
  function alertInline(button) {
    let line = button.nextElementSibling;
    if (!line?.matches("[role=alert]")) {
      line = document.createElement("p");
      line.setAttribute("role", "alert");
      line.className = "small";
      button.after(line);
    }
    line.textContent = texts.passkey;
  }
})();
