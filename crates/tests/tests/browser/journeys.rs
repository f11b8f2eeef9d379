//! What people do, from beginning to end.

use kernel::Clock;
use testkit::{EVOLUTION_KEY, PASSWORD};

use crate::driver::{Browser, PHONE, both_windows};
use crate::world::{Demo, OWNER, World};

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

both_windows! {
    async fn an_attendant_takes_over_by_keyboard_while_messages_arrive(window: Window) {
        let demo = Demo::start();
        let browser = Browser::open(window).await;
        demo.signed_in(&browser, "atendente@demo.example").await;
        demo.customer_writes(&browser, "Quanto custa o clareamento?").await;
        browser.go(&format!("{}/painel/t/clinica/conversas", demo.url)).await;
        // The list is live: nobody reloads it.
        browser.until(&format!("return document.querySelector('.threads a[data-row] .name')?.textContent.includes('{}') === true", window.t("Cliente de teste", "Test customer"))).await;
        browser.keys("j").await;
        browser.keys(ENTER).await;
        browser.shows("#composer").await;
        browser.says("R$ 950").await;
        // Whoever turned them on hears and sees that somebody waits.
        browser.run("localStorage.setItem('sound', '1'); localStorage.setItem('notify', '1'); window.told = []; \
            const any = new Proxy(function () {}, { get: (_, key) => key === Symbol.toPrimitive ? () => 0 : any, apply: () => any, set: () => true }); \
            window.AudioContext = function () { told.push('sound'); return any; }; \
            window.Notification = class { static permission = 'granted'; constructor(text) { told.push(text); } };").await;
        demo.customer_writes(&browser, "Quero falar com um atendente").await;
        browser.owned("Esperando uma pessoa", "Waiting for a person").await;
        browser.until(&format!("return told.includes('sound') && told.includes('{}')", window.t("Alguém espera por uma pessoa", "Somebody waits for a person"))).await;
        browser.run("localStorage.removeItem('sound'); localStorage.removeItem('notify');").await;
        browser.until("return Number(document.querySelector('[data-count]').textContent) >= 1").await;
        browser.keys("t").await;
        browser.owned("Com você", "With you").await;
        browser.keys("r").await;
        browser.until("return document.activeElement.id === 'texto'").await;
        browser.keys("Oi! Aqui é o Artur.").await;
        browser.keys(ENTER).await;
        browser.until("return [...document.querySelectorAll('.bubble.out.person')].some(b => b.textContent.includes('Aqui é o Artur'))").await;
        browser.until("return document.getElementById('texto').value === ''").await;
        // Another reply is another message, though the form is the same.
        browser.keys("Já vejo o horário.").await;
        browser.keys(ENTER).await;
        browser.until("return [...document.querySelectorAll('.bubble.out.person')].some(b => b.textContent.includes('Já vejo'))").await;
        // A note by its key; what is typed into it is text, not keys. A reload keeps it a note.
        browser.keys(ESCAPE).await;
        browser.keys("n").await;
        browser.until("return document.activeElement.id === 'texto' && document.getElementById('mode-note').checked").await;
        browser.keys("ele prefere de manhã").await;
        browser.run("location.reload()").await;
        browser.until("return document.getElementById('texto')?.value === 'ele prefere de manhã' && document.getElementById('mode-note').checked").await;
        browser.run("document.getElementById('texto').focus()").await;
        browser.keys(ENTER).await;
        browser.until("return document.querySelector('.bubble.note')?.textContent.includes('de manhã') === true").await;
        browser.owned("Com você", "With you").await;
        browser.click("label[for=mode-reply]").await;
        browser.run("document.getElementById('texto').focus()").await;
        // Nothing of what is being written is lost when something comes in.
        browser.keys("Um momento").await;
        demo.customer_writes(&browser, "Pode ser amanhã?").await;
        browser.says("Pode ser amanhã?").await;
        assert_eq!(browser.run("return document.getElementById('texto').value").await, "Um momento");
        browser.run("location.reload()").await;
        browser.until("return document.getElementById('texto')?.value === 'Um momento'").await;
        browser.run("const t = document.getElementById('texto'); t.value = ''; t.dispatchEvent(new Event('input', { bubbles: true }));").await;
        // A ready reply by its shortcut.
        browser.keys("r").await;
        browser.until("return document.activeElement.id === 'texto'").await;
        browser.keys("/pi").await;
        browser.until("return document.getElementById('canned').matches(':popover-open')").await;
        browser.screenshot(&format!("ready-replies-{}", window.width)).await;
        browser.keys(ENTER).await;
        browser.until("return document.getElementById('texto').value.startsWith('A chave Pix')").await;
        // A colleague takes the conversation over meanwhile: the reply is refused, and not lost.
        let colleague = Browser::open(window).await;
        demo.signed_in(&colleague, "dona@demo.example").await;
        let talk = browser.run("return location.pathname").await.as_str().unwrap().to_owned();
        colleague.go(&format!("{}{talk}", demo.url)).await;
        colleague.click(".owner-bar button.primary").await;
        colleague.owned("Com você", "With you").await;
        browser.owned("Com Diana Dona", "With Diana Dona").await;
        browser.run("document.getElementById('texto').focus()").await;
        browser.keys(ENTER).await;
        browser.until(&format!("return document.getElementById('problem').textContent.includes('{}')", window.t("Outra pessoa está atendendo", "somebody else attends"))).await;
        assert!(browser.run("return document.getElementById('texto').value").await.as_str().unwrap().starts_with("A chave Pix"));
        browser.only_refusals().await;
        browser.run("const t = document.getElementById('texto'); t.value = ''; t.dispatchEvent(new Event('input', { bubbles: true })); t.blur();").await;
        browser.keys("t").await;
        browser.owned("Com você", "With you").await;
        browser.keys("d").await;
        browser.owned("Com a assistente", "With the assistant").await;
        demo.customer_writes(&browser, "Vocês atendem criança?").await;
        browser.until(&format!("return [...document.querySelectorAll('.bubble.out')].at(-1)?.textContent.includes('{}') === true && document.querySelector('.thread').textContent.includes('Vocês atendem criança?')", window.t("Assistente", "Assistant"))).await;
        browser.keys("e").await;
        browser.tells("Conversa resolvida", "Conversation resolved").await;
        browser.keys("?").await;
        browser.until("return document.getElementById('keys').open").await;
        browser.keys(ESCAPE).await;
        browser.keys("/").await;
        browser.until("return document.activeElement.id === 'q'").await;
        browser.keys("clareamento").await;
        browser.keys(ENTER).await;
        browser.until("return location.search.includes('q=clareamento') && document.querySelectorAll('.threads a[data-row]').length === 1").await;
        assert_eq!(browser.console_errors().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attendant_works_by_thumb_in_english_on_a_slow_line() {
    let demo = Demo::start();
    let browser = Browser::open(PHONE).await;
    demo.signed_in(&browser, "atendente@demo.example").await;
    demo.customer_writes(&browser, "Quero falar com um atendente").await;
    browser.go(&format!("{}/painel/t/clinica/conversas?ver=esperando", demo.url)).await;
    browser.until("return document.querySelector('.threads a[data-row] .name')?.textContent.includes('Test customer') === true").await;
    browser.click(".threads a[data-row]").await;
    browser.shows("#composer").await;
    browser.owned("Esperando uma pessoa", "Waiting for a person").await;
    browser.click(".owner-bar button.primary").await;
    browser.owned("Com você", "With you").await;
    browser.slow_line(700).await;
    browser.type_into("#texto", "One moment, please").await;
    // Impatient: the button is pressed again and again while the line is slow.
    browser.run("for (let n = 0; n < 5; n++) document.querySelector('#composer button[type=submit]').click();").await;
    browser.run("const f = document.getElementById('composer'); for (let n = 0; n < 3; n++) f.requestSubmit();").await;
    let said = "return [...document.querySelectorAll('.bubble.out.person')].filter(b => b.textContent.includes('One moment')).length";
    browser.until(&format!("{said} >= 1")).await;
    browser.until("return document.getElementById('texto').value === ''").await;
    demo.customer_writes(&browser, "Obrigado!").await;
    browser.says("Obrigado!").await;
    assert_eq!(browser.run(said).await, 1, "sent once");
    browser.slow_line(0).await;
    browser.click(".owner-bar button:not(.primary)").await;
    browser.owned("Com a assistente", "With the assistant").await;
    // A slip of the thumb is taken back.
    browser.click(".toast button").await;
    browser.owned("Com você", "With you").await;
    // The contact's side comes and goes.
    browser.click("[data-show=show-person]").await;
    browser.until("return document.querySelector('.person-pane').checkVisibility()").await;
    browser.is_sound("the contact's side on a phone").await;
    browser.screenshot("person-390").await;
    browser.click(".person-pane [data-show=show-person]").await;
    browser.until("return !document.querySelector('.person-pane').checkVisibility()").await;
    browser.click("a.back-link").await;
    browser.shows("#q").await;
    browser.arrives("/painel/t/clinica/conversas").await;
    browser.type_into("#q", "quebrei").await;
    browser.keys(ENTER).await;
    browser.until("return location.search.includes('q=quebrei') && document.querySelector('.threads .name')?.textContent.includes('João') === true").await;
    browser.is_sound("a search on a phone").await;
}

both_windows! {
    async fn an_owner_teaches_a_file_and_the_draft_is_tried(window: Window) {
        let demo = Demo::start();
        let browser = Browser::open(window).await;
        demo.signed_in(&browser, "dona@demo.example").await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("estacionamento.md");
        std::fs::write(
            &file,
            "# Estacionamento\n\nO estacionamento custa R$ 12 por hora para pacientes.\n",
        )
        .unwrap();
        browser.go(&format!("{}/painel/t/clinica/conhecimento", demo.url)).await;
        browser.type_into("#arquivos", &file.display().to_string()).await;
        browser.says("estacionamento.md").await;
        browser.until("return document.querySelector('.list')?.textContent.includes('estacionamento.md') === true").await;
        browser
            .type_into("form[hx-target='#resposta'] input[name=q]", "Quanto custa o estacionamento?")
            .await;
        browser.keys(ENTER).await;
        browser.until("return document.getElementById('resposta').textContent.includes('R$ 12')").await;

        browser.go(&format!("{}/painel/t/clinica/assistente", demo.url)).await;
        browser.type_into("#f-name", "Sol").await;
        browser.type_into("#f-greeting", "Olá! Sou a Sol.").await;
        browser.type_into("#f-question", "quanto custa a limpeza?").await;
        browser.keys(ENTER).await;
        browser.until("return document.querySelector('#teste .bubble.out')?.textContent.includes('R$ 180') === true").await;
        browser.screenshot(&format!("assistant-draft-{}", window.width)).await;
        browser.click("#assistant-form button.primary").await;
        browser.tells("Salvo", "Saved").await;
        browser.tells("mudou a assistente", "changed the assistant").await;

        // What is refused is said at its field; what was typed, there and in the other form, stays.
        browser.type_into("#f-name", " e Mar").await;
        browser.run("for (const [day, hours] of [['day1', '8h às 18h'], ['day2', 'cedo'], ['day4', 'tarde']]) document.getElementById(`f-${day}`).value = hours;").await;
        browser.click("#horario button").await;
        browser.until("return document.activeElement.id === 'f-day2' && document.getElementById('f-day2').getAttribute('aria-invalid') === 'true'").await;
        browser.until(&format!("return document.getElementById('f-day2-refused').textContent.includes('{}')", window.t("não é um horário", "is no span of hours"))).await;
        browser.only_refusals().await;
        browser.is_sound("a form with a refused field").await;
        browser.screenshot(&format!("refused-{}", window.width)).await;
        browser.until("return document.querySelectorAll('#horario [aria-invalid=true]').length === 2").await;
        browser.run("for (const day of ['f-day2', 'f-day4']) document.getElementById(day).value = ''").await;
        browser.click("#horario button").await;
        browser.tells("Confirmado", "Confirmed").await;
        assert_eq!(browser.run("return document.getElementById('f-name').value").await, "Sol e Mar");
        assert_eq!(browser.run("return document.getElementById('f-day1').value").await, "08:00-18:00");

        // Of forms that go to the same address, each keeps its own.
        browser.go(&format!("{}/painel/t/clinica/ajustes", demo.url)).await;
        browser.type_into("#f-shortcut", "rua").await;
        browser.type_into("#f-body", "Rua Domingos de Morais").await;
        browser.type_into("#etiqueta", "VIP").await;
        browser.keys(ENTER).await;
        browser.says("VIP").await;
        assert_eq!(browser.run("return document.getElementById('f-body').value").await, "Rua Domingos de Morais");
        let other = browser.run("return document.querySelector('textarea[id^=r-]').value").await;
        assert!(other.as_str().unwrap().starts_with("A chave Pix"), "{other}");
        browser.click("form.panel.stack button.primary").await;
        browser.says("/rua").await;

        browser.go(&format!("{}/painel/t/clinica/marca", demo.url)).await;
        let colour =
            "return getComputedStyle(document.querySelector('.count, button.primary')).backgroundColor";
        let before = browser.run(colour).await;
        browser.type_into("#f-name", "Sorriso Aberto").await;
        browser.run("document.getElementById('f-accent').value = '#b3006b'").await;
        browser.click("form.panel button.primary").await;
        browser.until("return document.querySelector('nav.side .brand')?.textContent.includes('Sorriso Aberto') === true").await;
        assert_ne!(browser.run(colour).await, before);
        browser.is_sound("a branded page").await;
        browser.screenshot(&format!("brand-set-{}", window.width)).await;
        browser.go(&format!("{}/painel/t/clinica/auditoria", demo.url)).await;
        browser.tells("mudou a assistente", "changed the assistant").await;
        browser.is_sound("a trail of changes").await;
        browser.screenshot(&format!("audit-changes-{}", window.width)).await;

        // What nobody knew is answered once, and known.
        demo.customer_writes(&browser, "Vocês aplicam toxina botulínica?").await;
        browser.go(&format!("{}/painel/t/clinica/conversas", demo.url)).await;
        browser.until(&format!("return document.querySelector('.threads a[data-row] .last')?.textContent.startsWith('{}') === true", window.t("Nós:", "Us:"))).await;
        browser.go(&format!("{}/painel/t/clinica/conhecimento/sem-resposta", demo.url)).await;
        browser.says("toxina").await;
        browser.click("li:first-child > details > summary").await;
        browser.type_into("textarea[name=answer]", "Sim, a partir de R$ 900, às quintas.").await;
        browser.is_sound("questions without an answer").await;
        browser.screenshot(&format!("unanswered-asked-{}", window.width)).await;
        browser.click("form.stack button.primary").await;
        browser.tells("Nada sem resposta", "Nothing unanswered").await;
        browser.go(&format!("{}/painel/t/clinica/conhecimento", demo.url)).await;
        browser
            .type_into("form[hx-target='#resposta'] input[name=q]", "Vocês aplicam toxina botulínica?")
            .await;
        browser.keys(ENTER).await;
        browser.until("return document.getElementById('resposta').textContent.includes('R$ 900')").await;
        browser.is_sound("what a question finds").await;
        browser.screenshot(&format!("knowledge-asked-{}", window.width)).await;
    }
}

both_windows! {
    async fn an_owner_corrects_what_was_understood_of_a_messy_list(window: Window) {
        let demo = Demo::start();
        let browser = Browser::open(window).await;
        demo.signed_in(&browser, "dona@demo.example").await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tabela nova.txt");
        // As an owner types it: capitals, leaders, prices far from their names, one line that contradicts the old list.
        let list = "TABELA DE PREÇOS 2026\n\nLimpeza........R$ 210\nclareamento a laser - R$ 1.100,00\nRestauração simples R$ 250\n\
            Canal\nR$ 780\nRaio-x panorâmico: 90 reais\n\nseg a sex 8h as 18h, sáb até 12h\n";
        std::fs::write(&file, list).unwrap();
        browser.go(&format!("{}/painel/t/clinica/conhecimento", demo.url)).await;
        browser.type_into("#arquivos", &file.display().to_string()).await;
        browser.until("return document.querySelector('.list')?.textContent.includes('tabela nova.txt') === true").await;

        browser.click("nav.tabs a[href$='/o-que-entendi']").await;
        browser.until("return document.querySelector('#para-olhar')?.textContent.includes('R$ 210') === true").await;
        browser.is_sound("what was understood").await;
        browser.screenshot(&format!("understood-odd-{}", window.width)).await;
        browser.run("[...document.querySelectorAll('nav.filters a')].find((a) => a.textContent.includes('tabela nova')).click()").await;
        browser.until("return [...document.querySelectorAll('table tr')].some((row) => row.textContent.includes('Canal') && row.textContent.includes('R$ 780'))").await;
        browser.run("[...document.querySelectorAll('table tr')].find((row) => row.textContent.includes('Canal')).setAttribute('data-canal', '')").await;
        browser.click("[data-canal] summary").await;
        browser.run("document.querySelector('[data-canal] input[name=value]').value = ''").await;
        browser.type_into("[data-canal] input[name=value]", "820").await;
        browser.screenshot(&format!("understood-correcting-{}", window.width)).await;
        browser.keys(ENTER).await;
        browser.tells("corrigido por você", "corrected by you").await;
        browser.is_sound("a corrected fact").await;
        browser.screenshot(&format!("understood-corrected-{}", window.width)).await;

        browser.go(&format!("{}/painel/t/clinica/conhecimento", demo.url)).await;
        browser.type_into("form[hx-target='#resposta'] input[name=q]", "quanto custa o canal?").await;
        browser.keys(ENTER).await;
        browser.until("return document.getElementById('resposta').textContent.includes('R$ 820,00')").await;
    }
}

both_windows! {
    async fn somebody_is_invited_and_turns_two_steps_on(window: Window) {
        let demo = Demo::start();
        let browser = Browser::open(window).await;
        demo.signed_in(&browser, "dona@demo.example").await;
        browser.go(&format!("{}/painel/t/clinica/equipe", demo.url)).await;
        browser.type_into("#f-email", "nova@demo.example").await;
        browser.click("form.panel button.primary").await;
        browser.tells("O convite está a caminho", "The invitation is on its way").await;
        let guest = Browser::open(window).await;
        guest.go(&format!("{}/painel/caixa", demo.url)).await;
        guest.says("nova@demo.example").await;
        guest.is_sound("a mailbox with a letter").await;
        guest.screenshot(&format!("mailbox-letter-{}", window.width)).await;
        guest.click("article a").await;
        guest.shows("#f-name").await;
        guest.is_sound("an invitation").await;
        guest.screenshot(&format!("invitation-{}", window.width)).await;
        guest.type_into("#f-name", "Nova").await;
        guest.type_into("#f-password", "quatro baleias dormindo").await;
        guest.click("button.primary").await;
        guest.arrives("/painel/t/clinica").await;

        guest.go(&format!("{}/painel/conta", demo.url)).await;
        guest.click("form[action='/painel/conta/duas-etapas'] button").await;
        guest.shows(".qr svg").await;
        guest.is_sound("enrolment").await;
        guest.screenshot(&format!("two-steps-{}", window.width)).await;
        let secret = guest.run("return document.querySelector('.copyable code').textContent").await;
        let code = || {
            let now = u64::try_from(Clock::System.now().0 / 1_000_000).unwrap();
            testkit::totp(&testkit::base32(secret.as_str().unwrap()), now / 30)
        };
        let used = code();
        guest.type_into("#f-code", &used).await;
        guest.keys(ENTER).await;
        guest.tells("Guarde estes códigos de recuperação", "Keep these recovery codes").await;
        guest.screenshot(&format!("recovery-codes-{}", window.width)).await;
        let recovery = guest
            .run("return document.querySelector('.copyable code').textContent.split(/\\s+/)[0]")
            .await;
        guest.run("document.querySelector('form[action=\"/painel/sair\"]').requestSubmit()").await;
        guest.arrives("/painel").await;
        guest.type_into("[name=email]", "nova@demo.example").await;
        guest.type_into("[name=password]", "quatro baleias dormindo").await;
        guest.click("button.primary").await;
        guest.shows("#f-code").await;
        guest.is_sound("the second step").await;
        guest.screenshot(&format!("second-step-{}", window.width)).await;
        // A code opens once: the one that confirmed is spent for its half minute.
        let fresh = code();
        let opens = if fresh == used { recovery.as_str().unwrap().to_owned() } else { fresh };
        guest.type_into("#f-code", &opens).await;
        guest.keys(ENTER).await;
        guest.arrives("/painel/t/clinica").await;
    }
}

both_windows! {
    async fn a_new_business_goes_from_nothing_to_a_connected_phone(window: Window) {
        let world = World::start().await;
        let browser = Browser::open(window).await;
        browser.go(&format!("{}/painel", world.url)).await;
        browser.type_into("[name=email]", OWNER).await;
        browser.type_into("[name=password]", PASSWORD).await;
        browser.click("button.primary").await;
        browser.arrives("/painel/t/padaria").await;
        browser.tells("Primeiros passos", "First steps").await;
        browser.is_sound("an empty home").await;
        browser.screenshot(&format!("home-empty-{}", window.width)).await;
        for (name, path) in
            [("inbox", "/conversas"), ("knowledge", "/conhecimento"), ("channels", "/canais")]
        {
            browser.go(&format!("{}/painel/t/padaria{path}", world.url)).await;
            browser.is_sound(&format!("an empty {name}")).await;
            browser.screenshot(&format!("{name}-empty-{}", window.width)).await;
        }
        browser.go(&format!("{}/painel/t/padaria/canais/novo/evolution", world.url)).await;
        browser.type_into("#f-base_url", &world.evolution.base_url()).await;
        browser.type_into("#f-api_key", EVOLUTION_KEY).await;
        browser.click("form.panel button.primary").await;
        browser.shows("#codigo .qr").await;
        browser.is_sound("a QR code").await;
        browser.screenshot(&format!("channel-qr-{}", window.width)).await;
        world.evolution.pair("padaria");
        browser.click("form[action$='/estado'] button").await;
        browser.tells("Conectado", "Connected").await;
        browser.tells("Desconectar celular", "Disconnect the phone").await;
        browser.go(&format!("{}/painel/t/padaria", world.url)).await;
        browser.until("return document.querySelectorAll('.steps-done li').length >= 1").await;
        world.stop().await;
    }
}

both_windows! {
    async fn a_passkey_is_made_and_opens_the_panel_alone(window: Window) {
        let world = World::start().await;
        let browser = Browser::open(window).await;
        browser.has_authenticator().await;
        browser.go(&format!("{}/painel", world.url)).await;
        browser.is_sound("sign-in with a passkey").await;
        browser.type_into("[name=email]", OWNER).await;
        browser.type_into("[name=password]", PASSWORD).await;
        browser.click("button.primary").await;
        browser.arrives("/painel/t/padaria").await;
        browser.go(&format!("{}/painel/conta", world.url)).await;
        browser.click("[data-passkey=create]").await;
        browser.shows("form[action*='/painel/conta/chaves/']").await;
        browser.is_sound("an account with a passkey").await;
        browser.run("document.querySelector('form[action=\"/painel/sair\"]').requestSubmit()").await;
        browser.arrives("/painel").await;
        browser.click("[data-passkey=get]").await;
        browser.arrives("/painel/t/padaria").await;
        browser.go(&format!("{}/painel/conta", world.url)).await;
        browser.tells("chave de acesso", "passkey").await;
        // Removed, it opens nothing any more.
        browser.click("form[action*='/painel/conta/chaves/'] button").await;
        browser
            .until("return document.querySelector(\"form[action*='/painel/conta/chaves/']\") === null")
            .await;
        browser.run("document.querySelector('form[action=\"/painel/sair\"]').requestSubmit()").await;
        browser.arrives("/painel").await;
        browser.click("[data-passkey=get]").await;
        browser.tells("A chave não foi usada", "The passkey was not used").await;
        world.stop().await;
    }
}
