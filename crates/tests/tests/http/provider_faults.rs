//! A provider that cannot be reached, or whose clock is not ours: said on the channel, and unsaid.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

const ANA: &str = "5511987654321";
const QUIET: Duration = Duration::from_secs(5);

async fn alarm(tenant: &TestTenant<'_>) -> Value {
    tenant.get("/v1/channels").await.expect(200).json()[0]["alarm"].clone()
}

/// A message whose time is so many seconds before our clock's.
async fn hears_old(app: &TestApp, tenant: &TestTenant<'_>, who: &str, id: &str, old: i64) {
    let at = app.clock.now().0 / 1_000_000 - old;
    let mut body = sandbox::customer_message(&tenant.slug, who, "Ana", "Que horas abrem?", id, at);
    body["data"]["key"]["remoteJid"] = json!(format!("{who}@s.whatsapp.net"));
    app.webhook(&tenant.token(), &body).await.expect(202);
}

both_engines! {
    async fn a_clock_that_differs_is_told_of_and_allowed_for(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Que horas vocês abrem?", "Das 8h às 18h.").await;
        let answered = async |id: &str, old: i64| {
            let before = app.sent().len();
            hears_old(&app, &tenant, &format!("55119876500{id}"), id, old).await;
            app.pass(QUIET).await;
            app.sent().len() > before
        };
        assert!(answered("10", 2).await);
        assert_eq!(alarm(&tenant).await, Value::Null);
        // Late, or a clock: a person sees the message, and somebody is told of both.
        assert!(!answered("11", 1200).await);
        let told = alarm(&tenant).await;
        assert!(told.as_str().unwrap().contains("20 minutes old"), "{told}");
        for (id, old) in [("12", 1201), ("18", 1199)] {
            app.pass(Duration::from_secs(300)).await;
            assert!(!answered(id, old).await);
        }
        app.pass(Duration::from_secs(300)).await;
        // The same by each, over ten minutes, is the clock.
        assert!(answered("13", 1199).await);
        let told = alarm(&tenant).await;
        assert!(told.as_str().unwrap().contains("20 minutes behind"), "{told}");
        assert!(answered("14", 1200).await, "at once from now on");
        assert!(!answered("15", 1200 + 1200).await, "what is late is late all the same");
        // A new connection says nothing of clocks.
        let open = json!({ "event": "connection.update", "instance": "loja", "data": { "state": "open" } });
        app.webhook(&tenant.token(), &open).await.expect(202);
        assert!(alarm(&tenant).await.is_string());
        assert!(answered("16", 1).await, "somebody set it right");
        assert!(answered("17", 1).await);
        assert_eq!(alarm(&tenant).await, Value::Null);
    }
}

both_engines! {
    async fn the_providers_own_clock_tells_at_once(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Que horas vocês abrem?", "Das 8h às 18h.").await;
        // Twenty minutes ahead of everybody else's clock, the stand-in's too.
        let real = kernel::Clock::System.now().0 / 1_000_000;
        app.clock.step(real + 1200 - app.clock.now().0 / 1_000_000);
        for (id, answers) in [("20", 1), ("21", 2)] {
            hears_old(&app, &tenant, &format!("55119876500{id}"), id, 1200).await;
            app.pass(QUIET).await;
            if id == "20" {
                // Nobody knew; the alarm had the provider asked for what it has.
                assert!(alarm(&tenant).await.as_str().unwrap().contains("20 minutes old"));
                hears_old(&app, &tenant, ANA, "22", 1200).await;
                app.pass(QUIET).await;
            }
            assert_eq!(app.sent().len(), answers, "{id}");
        }
        assert!(alarm(&tenant).await.as_str().unwrap().contains("20 minutes behind"));
    }
}

both_engines! {
    async fn alarms_of_two_kinds_do_not_hide_one_another(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.evolution.faults().always(Some(sandbox::Fault::Status(503)));
        tenant.hears("5511987650099", "atendente").await;
        app.pass(QUIET).await;
        app.pass(Duration::from_secs(5)).await;
        assert!(alarm(&tenant).await.as_str().unwrap().contains("answered 503"));
        hears_old(&app, &tenant, ANA, "OLD", 1200).await;
        assert!(alarm(&tenant).await.as_str().unwrap().contains("answered 503"), "the worse first");
        app.evolution.faults().always(None);
        app.pass(Duration::from_secs(120)).await;
        assert!(alarm(&tenant).await.as_str().unwrap().contains("minutes old"), "the other still is");
        hears_old(&app, &tenant, ANA, "NEW", 1).await;
        assert_eq!(alarm(&tenant).await, Value::Null);
    }
}

both_engines! {
    async fn what_an_outage_held_back_is_no_clock(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        for step in 0..10_i64 {
            let id = format!("BACK{step}");
            hears_old(&app, &tenant, &format!("551198765{step:04}"), &id, 3600 - step * 200).await;
            app.pass(Duration::from_secs(20)).await;
        }
        let told = alarm(&tenant).await;
        assert!(told.as_str().unwrap().contains("delivers late"), "{told}");
        hears_old(&app, &tenant, ANA, "NOW", 1).await;
        assert_eq!(alarm(&tenant).await, Value::Null, "it ends with the first that is on time");
    }
}

both_engines! {
    async fn many_late_messages_have_the_provider_asked_once(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.run_jobs().await;
        let mut looks = 0;
        for step in 0..5_i64 {
            let id = format!("LATE{step}");
            hears_old(&app, &tenant, &format!("551198765{step:04}"), &id, 3600 - step * 200).await;
            let ran = app.run_jobs().await;
            looks += ran.iter().filter(|(kind, _)| kind == "channels.catch_up_due").count();
        }
        assert_eq!(looks, 1);
    }
}

/// Answers every connection in TLS, with a certificate of its own making for another name.
fn self_signed() -> std::net::SocketAddr {
    let made = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    serve(move |mut stream| {
        let Ok(mut tls) = rustls::ServerConnection::new(config.clone()) else { return };
        while tls.is_handshaking() {
            if tls.complete_io(&mut stream).is_err() {
                return;
            }
        }
    })
}

fn serve(
    answer: impl Fn(std::net::TcpStream) + Send + Sync + Clone + 'static,
) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

both_engines! {
    async fn why_a_provider_is_not_reached_is_said_on_the_channel(on: On) {
        let app = TestApp::start(on).await;
        let tls = self_signed();
        let plain = serve(|mut stream| {
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        });
        let closed = testkit::free_port();
        for (slug, base, said) in [
            ("propria", format!("https://{tls}"), "certificate"),
            ("clara", format!("https://{plain}"), "speaks no TLS"),
            ("fechada", format!("http://127.0.0.1:{closed}"), "nothing listens"),
            ("sem-nome", "http://nowhere.invalid".to_owned(), "no address"),
        ] {
            let tenant = app.bare_tenant(slug).await;
            let channel = json!({
                "kind": "evolution", "instance": slug, "base_url": base,
                "api_key": "KEY-OF-TESTS", "webhook_token": tenant.token(),
            });
            tenant.post("/v1/channels", &channel).await.expect(201);
            tenant.hears(ANA, "atendente").await;
            app.pass(QUIET).await;
            assert_eq!(alarm(&tenant).await, Value::Null, "{slug}: one try says little");
            app.pass(Duration::from_secs(10)).await;
            let told = alarm(&tenant).await;
            assert!(told.as_str().unwrap_or_default().contains(said), "{slug}: {told}");
            assert!(!told.to_string().contains("127.0.0.1"), "{told}");
            let ours = tenant.messages().await.into_iter().find(|m| m["direction"] == "out").unwrap();
            let path = format!("/v1/messages/{}/journey", ours["id"].as_str().unwrap());
            let journey = tenant.get(&path).await.expect(200).json().to_string();
            assert!(journey.contains(said), "{slug}: {journey}");
        }
    }
}

both_engines! {
    async fn the_alarm_ends_with_the_first_send_that_is_taken(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.evolution.faults().push(sandbox::Fault::Status(503));
        app.evolution.faults().push(sandbox::Fault::Status(503));
        tenant.hears(ANA, "atendente").await;
        app.pass(QUIET).await;
        app.pass(Duration::from_secs(5)).await;
        let told = alarm(&tenant).await;
        assert!(told.as_str().unwrap_or_default().contains("answered 503"), "{told}");
        app.pass(Duration::from_secs(60)).await;
        assert_eq!(app.sent().len(), 1);
        assert_eq!(alarm(&tenant).await, Value::Null);
    }
}
