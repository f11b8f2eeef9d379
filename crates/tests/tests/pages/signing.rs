//! Signing in and out: passwords, lock-out, second factor, invitations, resets, sessions.

use std::time::Duration;

use identity::Role;
use tenancy::hash_token;
use testkit::{PASSWORD, TestApp, both_engines};

/// The newest letter to somebody, and the path of its link.
async fn letter(app: &TestApp, to: &str) -> (String, String) {
    let mut tx = app.house.db.read_system().await.unwrap();
    let mails = identity::mailbox(&mut tx, 50).await.unwrap();
    let mail = mails.into_iter().find(|mail| mail.to == to).expect("a letter");
    let link = mail.body.lines().find(|line| line.contains("/painel/")).expect("a link").to_owned();
    let path = link[link.find("/painel/").unwrap()..].to_owned();
    (mail.subject, path)
}

both_engines! {
    async fn a_password_opens_the_panel_and_leaving_shuts_it(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        app.person("ana@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let ana = app.visitor();
        let page = ana.get("/painel").await.expect(200);
        assert!(page.text.contains("name=\"email\"") && page.text.contains("name=\"password\""));
        assert!(page.text.contains("lang=\"pt-BR\"") && page.text.contains("Entrar"));
        assert!(!page.text.contains("http://") && !page.text.contains("https://"), "no other host");
        let csp = page.headers["content-security-policy"].to_str().unwrap();
        assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{csp}");
        let wrong = ana.signs_in("ana@clinica.example", "outra senha qualquer").await.expect(401);
        assert!(wrong.text.contains("não conferem") && wrong.text.contains("ana@clinica.example"));
        let unknown = ana.signs_in("ninguem@clinica.example", PASSWORD).await.expect(401);
        assert!(unknown.text.contains("não conferem"), "nobody learns who has an account");
        let before = ana.cookie("sid");
        let opened = ana.signs_in("Ana@Clinica.example", PASSWORD).await.expect(303);
        assert_eq!(opened.location(), "/painel");
        let set = opened.headers["set-cookie"].to_str().unwrap();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
        assert!(before.is_none() && ana.cookie("sid").is_some());
        assert_eq!(ana.get("/painel").await.expect(303).location(), "/painel/t/clinica");
        assert!(ana.get("/painel/t/clinica").await.expect(200).text.contains("Loja clinica"));
        let stolen = ana.cookie("sid").unwrap();
        ana.post("/painel/sair", &[]).await.expect(303);
        assert!(ana.cookie("sid").is_none());
        let thief = app.visitor();
        thief.set_cookie("sid", &stolen);
        assert_eq!(thief.get("/painel/t/clinica").await.expect(303).location(), "/painel/entrar?next=/painel/t/clinica");
        // Only what was hashed is on disk.
        let mut tx = app.house.db.read_system().await.unwrap();
        let rows = tx.fetch_all("SELECT hash FROM sessions", Vec::new()).await.unwrap();
        assert!(rows.iter().all(|row| row.get::<String>(0).unwrap() != stolen));
    }
}

both_engines! {
    async fn the_wanted_page_is_returned_to_and_no_other_host(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        app.person("ana@clinica.example", &[(clinic.id, Role::Owner)]).await;
        for (next, to) in [
            ("/painel/t/clinica/canais", "/painel/t/clinica/canais"),
            ("https://evil.example/", "/painel"),
            ("//evil.example", "/painel"),
            ("/painel@evil.example", "/painel"),
        ] {
            let ana = app.visitor();
            ana.get("/painel/entrar").await.expect(200);
            let fields = [("email", "ana@clinica.example"), ("password", PASSWORD), ("next", next)];
            assert_eq!(ana.post("/painel/entrar", &fields).await.expect(303).location(), to);
        }
    }
}

both_engines! {
    async fn guessing_is_slowed_down_and_forms_of_others_are_refused(on: On) {
        let app = TestApp::start(on).await;
        app.person("ana@clinica.example", &[]).await;
        let ana = app.visitor();
        for _ in 0..5 {
            ana.signs_in("ana@clinica.example", "errada errada errada").await.expect(401);
        }
        let locked = ana.signs_in("ana@clinica.example", PASSWORD).await.expect(429);
        assert!(locked.text.contains("1 min"), "{}", locked.text);
        app.clock.advance(Duration::from_secs(61));
        ana.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        let mallory = app.visitor();
        mallory.get("/painel").await.expect(200);
        let fields = [("email", "ana@clinica.example".to_owned()), ("password", PASSWORD.to_owned())];
        mallory.post_raw("/painel/entrar", &fields).await.expect(403);
        let body = format!("_csrf={}&email=a&password=b", mallory.csrf());
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers = [kind, ("sec-fetch-site", "cross-site")];
        mallory.send("POST", "/painel/entrar", &headers, body.clone()).await.expect(403);
        let headers = [kind, ("host", "painel.example"), ("origin", "https://evil.example")];
        mallory.send("POST", "/painel/entrar", &headers, body).await.expect(403);
        // A session's own forms are held to its token, too.
        ana.post_raw("/painel/conta", &[("name", "Mallory".to_owned())]).await.expect(403);
        ana.post("/painel/conta", &[("name", "Ana Maria")]).await.expect(303);
    }
}

both_engines! {
    async fn a_second_factor_is_asked_for_and_each_code_opens_once(on: On) {
        let app = TestApp::start(on).await;
        app.person("ana@clinica.example", &[]).await;
        let ana = app.visitor();
        ana.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        let page = ana.post("/painel/conta/duas-etapas", &[]).await.expect(200);
        let at = page.text.find("secret=").unwrap();
        let secret: String = page.text[at + 7..].chars().take_while(char::is_ascii_alphanumeric).collect();
        ana.post("/painel/conta/duas-etapas/confirmar", &[("code", "000000")]).await.expect(422);
        let done = ana.post("/painel/conta/duas-etapas/confirmar", &[("code", &code(&app, &secret))]).await.expect(200);
        let text = &done.text[done.text.find("data-copy=\"").unwrap() + 11..];
        let recovery: Vec<String> = text[..text.find('"').unwrap()].split_whitespace().map(str::to_owned).collect();
        assert_eq!(recovery.len(), 10);
        app.clock.advance(Duration::from_secs(60));

        let again = app.visitor();
        let half = again.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        assert!(half.location().starts_with("/painel/entrar/codigo"));
        again.get("/painel/conta").await.expect(303);
        again.post("/painel/entrar/codigo", &[("code", "123456")]).await.expect(401);
        let good = code(&app, &secret);
        let first = again.cookie("sid");
        again.post("/painel/entrar/codigo", &[("code", &good)]).await.expect(303);
        assert_ne!(first, again.cookie("sid"), "the cookie changes with what it opens");
        again.get("/painel/conta").await.expect(200);

        let watcher = app.visitor();
        watcher.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        watcher.post("/painel/entrar/codigo", &[("code", &good)]).await.expect(401);
        watcher.post("/painel/entrar/codigo", &[("code", &recovery[0])]).await.expect(303);
        let other = app.visitor();
        other.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        other.post("/painel/entrar/codigo", &[("code", &recovery[0])]).await.expect(401);
        // Who finds the browser open later changes nothing that opens the account.
        app.clock.advance(Duration::from_secs(601));
        let shut = again.post("/painel/conta/duas-etapas/remover", &[]).await.expect(403);
        assert!(shut.text.contains("Confirme primeiro que é você"), "{}", shut.text);
        for path in ["/painel/conta/duas-etapas", "/painel/conta/duas-etapas/confirmar"] {
            again.post(path, &[("code", "000000")]).await.expect(403);
        }
        again.get("/painel/conta").await.expect(200);
        again.post("/painel/conta/confirmar", &[("password", "errada")]).await.expect(422);
        again.post("/painel/conta/confirmar", &[("password", PASSWORD)]).await.expect(303);
        // A factor that counts is replaced by taking it away first, never over it.
        again.post("/painel/conta/duas-etapas", &[]).await.expect(303);
        again.post("/painel/conta/duas-etapas/remover", &[]).await.expect(303);
        app.visitor().signs_in("ana@clinica.example", PASSWORD).await.expect(303);
    }
}

/// The code of this moment, computed as RFC 6238 says.
fn code(app: &TestApp, secret: &str) -> String {
    let step = u64::try_from(app.clock.now().0 / 1_000_000).unwrap() / 30;
    testkit::totp(&testkit::base32(secret), step)
}

both_engines! {
    async fn an_invitation_makes_a_member_once(on: On) {
        let app = TestApp::start_with(on, MAIL).await;
        let clinic = app.tenant("clinica").await;
        let owner = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        owner.post("/painel/t/clinica/equipe/convites", &[("email", "nada"), ("role", "attendant")]).await.expect(422);
        let sent = owner.post("/painel/t/clinica/equipe/convites", &[("email", "Bia@clinica.example"), ("role", "attendant")]).await.expect(200);
        let (subject, path) = letter(&app, "Bia@clinica.example").await;
        assert_eq!(subject, "Convite para Loja clinica");
        assert!(!sent.text.contains("/painel/convite/"), "only the letter carries the link");
        let bia = app.visitor();
        assert!(bia.get(&path).await.expect(200).text.contains("Atendimento"));
        let weak = bia.post(&path, &[("name", "Bia"), ("password", "bia12345678")]).await.expect(422);
        assert!(weak.text.contains("Fácil de adivinhar"), "{}", weak.text);
        let joined = bia.post(&path, &[("name", "Bia"), ("password", "quatro baleias dormindo")]).await.expect(303);
        assert_eq!(joined.location(), "/painel/t/clinica");
        bia.get("/painel/t/clinica/conversas").await.expect(200);
        bia.get("/painel/t/clinica/chaves").await.expect(403);
        app.visitor().get(&path).await.expect(410);
        let late = app.visitor();
        late.get("/painel").await.expect(200);
        late.post(&path, &[("name", "Eva"), ("password", "quatro baleias dormindo")]).await.expect(410);
        // An admin makes no owner; the last owner stays.
        let admin = app.signed_in("adm@clinica.example", &[(clinic.id, Role::Admin)]).await;
        admin.post("/painel/t/clinica/equipe/convites", &[("email", "x@x.example"), ("role", "owner")]).await.expect(403);
        let mut tx = app.house.db.read_system().await.unwrap();
        let members = identity::members(&mut tx, clinic.id).await.unwrap();
        drop(tx);
        let id = |email: &str| members.iter().find(|m| m.email == email).unwrap().person.to_string();
        admin.post(&format!("/painel/t/clinica/equipe/{}/remover", id("dona@clinica.example")), &[]).await.expect(403);
        owner.post(&format!("/painel/t/clinica/equipe/{}/papel", id("dona@clinica.example")), &[("role", "viewer")]).await.expect(409);
        owner.post(&format!("/painel/t/clinica/equipe/{}/remover", id("bia@clinica.example")), &[]).await.expect(303);
        bia.get("/painel/t/clinica/conversas").await.expect(404);
        // Who belongs to the team is not invited into another role.
        admin.post("/painel/t/clinica/equipe/convites", &[("email", "dona@clinica.example"), ("role", "viewer")]).await.expect(422);
        // An address that is easily taken for a member's is told, at once and on the list.
        let twin = [("email", "dona@c1inica.example"), ("role", "viewer")];
        let told = owner.post("/painel/t/clinica/equipe/convites", &twin).await.expect(200);
        assert!(told.text.contains("é parecido com o de dona (dona@clinica.example)"), "{}", told.text);
        let list = owner.get("/painel/t/clinica/equipe").await.expect(200);
        assert_eq!(list.text.matches("é parecido com").count(), 2, "both of them");
    }
}

/// A mail server that is set; nobody carries letters in these tests.
const MAIL: &[(&str, &str)] =
    &[("PORTARIA_SMTP_URL", "smtp://127.0.0.1:1"), ("PORTARIA_SMTP_FROM", "casa@casa.example")];

both_engines! {
    async fn an_invitation_opens_no_account_that_is_somebodys(on: On) {
        let app = TestApp::start_with(on, MAIL).await;
        let clinic = app.tenant("clinica").await;
        let admin = app.signed_in("adm@clinica.example", &[(clinic.id, Role::Admin)]).await;
        // Somebody who signs in at an identity provider only, and runs the house.
        let mut tx = app.house.db.begin_system().await.unwrap();
        let new = identity::NewPerson { email: "op@casa.example", name: "Op", password_hash: None, operator: true };
        let op = identity::create_person(&mut tx, &new, app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        admin.post("/painel/t/clinica/equipe/convites", &[("email", "op@casa.example"), ("role", "viewer")]).await.expect(200);
        let (_, path) = letter(&app, "op@casa.example").await;
        let thief = app.visitor();
        let page = thief.get(&path).await.expect(200);
        assert!(page.text.contains("/painel/entrar?next=") && !page.text.contains("name=\"password\""), "{}", page.text);
        thief.post(&path, &[("name", "Op"), ("password", "quatro baleias dormindo")]).await.expect(200);
        let mut tx = app.house.db.read_system().await.unwrap();
        assert_eq!(identity::password_hash(&mut tx, op).await.unwrap(), None, "no password was set");
        drop(tx);
        assert_eq!(thief.get("/painel/conta").await.expect(303).location(), "/painel/entrar?next=/painel/conta");
        // Signed in as the one who is invited, a click is enough.
        let own = app.session_of(op).await;
        own.get(&path).await.expect(200);
        own.post(&path, &[]).await.expect(303);
        own.get("/painel/t/clinica/conversas").await.expect(200);
        // A second invitation to a member changes no role.
        let mut tx = app.house.db.begin_system().await.unwrap();
        let by = (None, app.clock.now());
        let secret = identity::issue_link(&mut tx, identity::LinkKind::Invite, "adm@clinica.example", Some((clinic.id, Role::Viewer)), by).await.unwrap();
        tx.commit().await.unwrap();
        admin.post(&format!("/painel/convite/{secret}"), &[]).await.expect(303);
        admin.get("/painel/t/clinica/chaves").await.expect(200);
        // The house invites the first owner, and no operator as one.
        let operator = app.signed_in_operator("ana@casa.example").await;
        let invite = "/painel/operador/empresas/clinica/convidar";
        operator.post(invite, &[("email", "ana@casa.example")]).await.expect(422);
        let sent = operator.post(invite, &[("email", "dona@clinica.example")]).await.expect(200);
        assert!(!sent.text.contains("/painel/convite/"), "only the letter carries the link");
        app.person("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        operator.post(invite, &[("email", "outra@clinica.example")]).await.expect(422);
        // Without a mail server nothing is pretended.
        let silent = TestApp::start(on).await;
        let shop = silent.tenant("loja").await;
        let admin = silent.signed_in("adm@loja.example", &[(shop.id, Role::Admin)]).await;
        let said = admin.post("/painel/t/loja/equipe/convites", &[("email", "bia@loja.example"), ("role", "viewer")]).await.expect(422);
        assert!(said.text.contains("smtp.url"), "{}", said.text);
    }
}

both_engines! {
    async fn strangers_who_guess_do_not_lock_a_browser_that_is_known(on: On) {
        let app = TestApp::start(on).await;
        app.person("ana@clinica.example", &[]).await;
        let ana = app.visitor();
        ana.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        ana.post("/painel/sair", &[]).await.expect(303);
        for _ in 0..5 {
            app.visitor().signs_in("ana@clinica.example", "errada mesmo").await.expect(401);
        }
        // The right password does not help a browser that nobody knows.
        app.visitor().signs_in("ana@clinica.example", PASSWORD).await.expect(429);
        ana.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        let operator = app.signed_in_operator("op@casa.example").await;
        let trail = operator.get("/painel/operador/auditoria").await.expect(200);
        assert!(trail.text.contains("ana@clinica.example"), "{}", trail.text);
    }
}

both_engines! {
    async fn operators_are_listed_invited_and_removed(on: On) {
        let app = TestApp::start_with(on, MAIL).await;
        let ana = app.signed_in_operator("ana@casa.example").await;
        let bia = app.signed_in_operator("bia@casa.example").await;
        let page = "/painel/operador/equipe";
        ana.post(page, &[("email", "caio@casa.example")]).await.expect(200);
        let list = ana.get(page).await.expect(200).text;
        let withdraw = &list[list.find("/painel/operador/equipe/convites/").unwrap()..];
        ana.post(&withdraw[..withdraw.find('"').unwrap()], &[]).await.expect(303);
        let (_, path) = letter(&app, "caio@casa.example").await;
        app.visitor().get(&path).await.expect(410);
        let mut tx = app.house.db.read_system().await.unwrap();
        let operators = identity::operators(&mut tx).await.unwrap();
        drop(tx);
        let id = |email: &str| operators.iter().find(|o| o.email == email).unwrap().id.to_string();
        ana.post(&format!("{page}/{}/remover", id("ana@casa.example")), &[]).await.expect(403);
        ana.post(&format!("{page}/{}/remover", id("bia@casa.example")), &[]).await.expect(303);
        bia.get("/painel/operador").await.expect(303);
    }
}

both_engines! {
    async fn a_forgotten_password_is_set_anew_by_a_link_that_works_once(on: On) {
        // Without a mail server the page says so, instead of promising a letter.
        let none = TestApp::start(on).await;
        assert!(none.visitor().get("/painel/senha").await.expect(200).text.contains("não envia e-mails"));
        let app = TestApp::start_with(on, MAIL).await;
        app.person("ana@clinica.example", &[]).await;
        let old = app.visitor();
        old.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        let ana = app.visitor();
        ana.get("/painel/senha").await.expect(200);
        let known = ana.post("/painel/senha", &[("email", "ana@clinica.example")]).await.expect(200);
        let unknown = ana.post("/painel/senha", &[("email", "ninguem@clinica.example")]).await.expect(200);
        let words = |text: &str| text[text.find("<h1>").unwrap()..].to_owned();
        assert_eq!(words(&known.text), words(&unknown.text));
        let (_, path) = letter(&app, "ana@clinica.example").await;
        let secret = path.rsplit('/').next().unwrap();
        let mut tx = app.house.db.read_system().await.unwrap();
        let rows = tx.fetch_all("SELECT hash FROM links", Vec::new()).await.unwrap();
        drop(tx);
        assert_eq!(rows[0].get::<String>(0).unwrap(), hash_token(secret));
        ana.post(&path, &[("password", "curta")]).await.expect(422);
        ana.post(&path, &[("password", "cinco girafas lendo")]).await.expect(303);
        ana.post(&path, &[("password", "cinco girafas lendo")]).await.expect(410);
        old.get("/painel/conta").await.expect(303);
        ana.signs_in("ana@clinica.example", PASSWORD).await.expect(401);
        ana.signs_in("ana@clinica.example", "cinco girafas lendo").await.expect(303);
        // An hour later it would have been too late.
        ana.post("/painel/senha", &[("email", "ana@clinica.example")]).await.expect(200);
        let (_, path) = letter(&app, "ana@clinica.example").await;
        app.clock.advance(Duration::from_secs(3601));
        app.visitor().get(&path).await.expect(410);
    }
}

both_engines! {
    async fn sessions_are_listed_ended_and_end_by_themselves(on: On) {
        let app = TestApp::start(on).await;
        let id = app.person("ana@clinica.example", &[]).await;
        let (here, there) = (app.session_of(id).await, app.session_of(id).await);
        let page = here.get("/painel/conta").await.expect(200).text;
        assert_eq!(page.matches("/encerrar\"").count(), 2, "one other, and all others");
        let at = page.find("/painel/conta/sessoes/").unwrap();
        let path = page[at..].split('"').next().unwrap().to_owned();
        let path = if path.ends_with("sessoes/encerrar") {
            let rest = &page[at + 10..];
            let at = rest.find("/painel/conta/sessoes/").unwrap();
            rest[at..].split('"').next().unwrap().to_owned()
        } else { path };
        here.post(&path, &[]).await.expect(303);
        there.get("/painel/conta").await.expect(303);
        here.get("/painel/conta").await.expect(200);
        // Somebody else's session is nobody's.
        let eva = app.signed_in("eva@clinica.example", &[]).await;
        eva.post(&path, &[]).await.expect(404);
        app.clock.advance(Duration::from_secs(71 * 3600));
        let kept = app.session_of(id).await;
        kept.get("/painel/conta").await.expect(200);
        app.clock.advance(Duration::from_secs(73 * 3600));
        kept.get("/painel/conta").await.expect(303);
    }
}

both_engines! {
    async fn cookies_are_secure_where_the_address_is(on: On) {
        let app = TestApp::start_with(on, &[("PORTARIA_PUBLIC_URL", "https://painel.example")]).await;
        app.person("ana@clinica.example", &[]).await;
        let ana = app.visitor();
        let opened = ana.signs_in("ana@clinica.example", PASSWORD).await.expect(303);
        let set = opened.headers["set-cookie"].to_str().unwrap();
        assert!(set.starts_with("__Host-sid=") && set.contains("; Secure"), "{set}");
        assert!(opened.headers.contains_key("strict-transport-security"));
    }
}

both_engines! {
    async fn who_is_removed_does_not_come_back_by_an_old_letter(on: On) {
        let app = TestApp::start_with(on, MAIL).await;
        let clinic = app.tenant("clinica").await;
        let owner = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let admin = app.signed_in("adm@clinica.example", &[(clinic.id, Role::Admin)]).await;
        let invite = "/painel/t/clinica/equipe/convites";
        // An invitation ends with whoever gave it.
        admin.post(invite, &[("email", "eva@clinica.example"), ("role", "admin")]).await.expect(200);
        let (_, path) = letter(&app, "eva@clinica.example").await;
        app.visitor().get(&path).await.expect(200);
        let mut tx = app.house.db.begin_system().await.unwrap();
        let members = identity::members(&mut tx, clinic.id).await.unwrap();
        let adm = members.iter().find(|member| member.email == "adm@clinica.example").unwrap().person;
        // A link that was given to somebody who belongs to the team meanwhile.
        let by = (None, app.clock.now());
        let own = identity::issue_link(&mut tx, identity::LinkKind::Invite, "adm@clinica.example", Some((clinic.id, Role::Admin)), by).await.unwrap();
        tx.commit().await.unwrap();
        owner.post(&format!("/painel/t/clinica/equipe/{adm}/papel"), &[("role", "viewer")]).await.expect(303);
        app.visitor().get(&path).await.expect(410);
        owner.post(&format!("/painel/t/clinica/equipe/{adm}/papel"), &[("role", "admin")]).await.expect(303);
        app.visitor().get(&path).await.expect(200);
        owner.post(&format!("/painel/t/clinica/equipe/{adm}/remover"), &[]).await.expect(303);
        app.visitor().get(&path).await.expect(410);
        admin.get(&format!("/painel/convite/{own}")).await.expect(410);
        admin.post(&format!("/painel/convite/{own}"), &[]).await.expect(410);
        assert!(!owner.get("/painel/t/clinica/equipe").await.expect(200).text.contains("eva@clinica.example"));
    }
}

both_engines! {
    async fn invitations_are_few_a_day(on: On) {
        let app = TestApp::start_with(on, MAIL).await;
        let (clinic, shop) = (app.tenant("clinica").await, app.tenant("loja").await);
        let places = [(clinic.id, Role::Owner), (shop.id, Role::Owner)];
        let owner = app.signed_in("dona@clinica.example", &places).await;
        let invite = async |place: &str, email: &str| {
            let path = format!("/painel/t/{place}/equipe/convites");
            owner.post(&path, &[("email", email), ("role", "viewer")]).await
        };
        for _ in 0..3 {
            invite("clinica", "eva@x.example").await.expect(200);
        }
        for _ in 0..2 {
            invite("loja", "eva@x.example").await.expect(200);
        }
        let said = invite("loja", "eva@x.example").await.expect(422);
        assert!(said.text.contains("vários convites hoje"), "{}", said.text);
        for at in 3..30 {
            invite("clinica", &format!("p{at}@x.example")).await.expect(200);
        }
        let said = invite("clinica", "mais@x.example").await.expect(422);
        assert!(said.text.contains("30 convites hoje"), "{}", said.text);
        invite("loja", "outro@x.example").await.expect(200);
        app.clock.advance(std::time::Duration::from_secs(86_401));
        let owner = app.signed_in("outra@clinica.example", &places).await;
        owner.post("/painel/t/clinica/equipe/convites", &[("email", "mais@x.example"), ("role", "viewer")]).await.expect(200);
    }
}

both_engines! {
    async fn an_open_stream_ends_at_once_when_a_membership_does(on: On) {
        use futures_util::StreamExt as _;
        use tower::ServiceExt as _;
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let owner = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let open = async |email: &str, role: Role| {
            let id = app.person(email, &[(clinic.id, role)]).await;
            let visitor = app.session_of(id).await;
            let request = axum::http::Request::get("/painel/t/clinica/eventos")
                .header("cookie", format!("sid={}", visitor.cookie("sid").unwrap()))
                .body(axum::body::Body::empty())
                .unwrap();
            let response = app.router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let mut stream = response.into_body().into_data_stream();
            stream.next().await.unwrap().unwrap();
            (id, visitor, stream)
        };
        let ends = async |stream: axum::body::BodyDataStream| {
            let rest = tokio::time::timeout(Duration::from_secs(20), stream.collect::<Vec<_>>());
            let rest = rest.await.expect("the stream ends");
            let last = String::from_utf8(rest.last().unwrap().as_ref().unwrap().to_vec()).unwrap();
            assert!(last.starts_with("event: gone"), "{last}");
        };
        let (ana, _, removed) = open("ana@clinica.example", Role::Attendant).await;
        owner.post(&format!("/painel/t/clinica/equipe/{ana}/remover"), &[]).await.expect(303);
        ends(removed).await;
        let (_, bia, left) = open("bia@clinica.example", Role::Admin).await;
        bia.post("/painel/sair", &[]).await.expect(303);
        ends(left).await;
    }
}
