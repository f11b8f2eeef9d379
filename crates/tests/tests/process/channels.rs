//! Channels of every kind from the terminal, and the two commands that put load on the program.

use std::time::Duration;

use sandbox::{
    CloudSandbox, EvolutionSandbox, Version, WhaticketSandbox, cloud_message, cloud_signature,
    customer_message, whaticket_message, whaticket_signature,
};
use serde_json::Value;
use testkit::{both_engines, free_port};

use crate::program::Place;

const SECRET: &str = "um-segredo-0123456789";

fn now() -> i64 {
    kernel::Clock::System.now().0 / 1_000_000
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

both_engines! {
    async fn a_conversation_by_each_channel_is_seen_from_the_terminal(on: On) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = Place::new(on).await;
        let evolution = EvolutionSandbox::start("key").await.unwrap();
        let whaticket = WhaticketSandbox::start("token", Version::Saas).await.unwrap();
        let cloud = CloudSandbox::start("access").await.unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let server = place.serve(&["--listen", &address]);
        let client = reqwest::Client::builder().build().unwrap();
        for slug in ["evolution", "whaticket", "cloud"] {
            place.json(&["tenant", "create", slug, "--name", slug]);
            place.json(&["knowledge", "add", "--tenant", slug, "--question", "Que horas abrem?", "--answer", "Das 8h às 18h."]);
            place.json(&["assistant", "set", "--tenant", slug, "--quiet-seconds", "0.1"]);
        }
        let (e, w, c) = (evolution.base_url(), whaticket.base_url(), cloud.base_url());
        place.json(&["channel", "add", "evolution", "--tenant", "evolution", "--instance", "loja", "--base-url", &e,
            "--api-key", "key", "--webhook-token", SECRET]);
        place.json(&["channel", "add", "whaticket", "--tenant", "whaticket", "--domain", "chat.example.com", "--base-url", &w,
            "--token", "token", "--shared-secret", SECRET]);
        place.json(&["channel", "add", "whatsapp-cloud", "--tenant", "cloud", "--phone-number-id", "1001", "--access-token", "access",
            "--app-secret", SECRET, "--verify-token", "verify", "--base-url", &c]);
        let wrong = place.run(&["channel", "add", "whaticket", "--tenant", "whaticket", "--domain", "b.example.com", "--base-url", &w,
            "--token", "login-jwt", "--shared-secret", SECRET]);
        assert!(String::from_utf8(wrong.stderr).unwrap().contains("token of the connection"));

        // The number of Evolution is paired first: the code is drawn in the terminal.
        evolution.only_instances(&[("loja", "close")]);
        let drawn = place.run(&["channel", "connect", "--tenant", "evolution"]);
        let drawn = String::from_utf8(drawn.stdout).unwrap();
        assert!(drawn.contains('█') && drawn.contains("PORTARIA_PUBLIC_URL"), "{drawn}");
        evolution.pair("loja");
        let status = place.json(&["channel", "status", "--tenant", "evolution"]);
        assert_eq!(status["channel"]["state"], "CONNECTED");
        for slug in ["whaticket", "cloud"] {
            assert_eq!(place.json(&["channel", "status", "--tenant", slug])["channel"]["state"], "CONNECTED", "{slug}");
        }

        // Somebody asks on each of them.
        let phone = "5511987654321";
        let text = "Que horas abrem?";
        let body = customer_message("loja", phone, "Ana", text, "Q", now()).to_string();
        let post = |path: &str| client.post(format!("http://{address}{path}")).header("content-type", "application/json");
        post("/webhook/evolution").header("x-webhook-token", SECRET).body(body).send().await.unwrap().error_for_status().unwrap();
        let (at, body) = (now(), whaticket_message(phone, "Ana", text, "Q", now()).to_string());
        let sent = post("/webhook/whaticket").header("x-company-domain", "chat.example.com").header("x-timestamp", at.to_string())
            .header("x-signature", whaticket_signature(SECRET, at, body.as_bytes())).body(body).send().await.unwrap();
        assert_eq!((sent.status().as_u16(), sent.text().await.unwrap().as_str()), (202, "{\"queued\":true}"));
        let body = cloud_message("1001", phone, "Ana", text, "Q", now()).to_string();
        let sent = post("/webhook/whatsapp-cloud").header("x-hub-signature-256", cloud_signature(SECRET, body.as_bytes())).body(body).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 200);
        until("an answer on every channel", || {
            [evolution.sent(), whaticket.sent(), cloud.sent()].iter().all(|s| s.len() == 1 && s[0].text.ends_with("Das 8h às 18h."))
        }).await;

        // What became of it, and one word more, by command.
        for slug in ["evolution", "whaticket", "cloud"] {
            let shown = place.run(&["journey", "--tenant", slug, phone]);
            let shown = String::from_utf8(shown.stdout).unwrap();
            for word in ["in  <-", "received", "stored", "answered", "out ->", "queued", "sent"] {
                assert!(shown.contains(word), "{slug}: {word} in {shown}");
            }
            let posted = place.json(&["send", "--tenant", slug, "--to", phone, "Até logo!"]);
            let id = posted["message"].as_str().unwrap().to_owned();
            until("the message to leave", || {
                let journey: Value = place.json(&["journey", "--tenant", slug, &id]);
                journey[0]["state"] == "sent"
            }).await;
        }
        assert_eq!(place.run(&["journey", "--tenant", "cloud", "5511900000000"]).status.code(), Some(1));
        let refused = place.run(&["send", "--tenant", "cloud", "--to", "5511900000001", "oi"]);
        assert!(String::from_utf8(refused.stderr).unwrap().contains("24 hours"), "never wrote: only a template may leave");
        place.json(&["send", "--tenant", "cloud", "--to", "5511900000001", "--template", "lembrete", "--language", "pt_BR"]);
        assert_eq!(place.json(&["channel", "unsettled", "--tenant", "cloud"]).as_array().unwrap().len(), 0);
        place.json(&["channel", "logout", "--tenant", "evolution"]);

        // The load test, as the guide's script is called.
        let url = format!("http://{address}/webhook/whaticket");
        let report = place.json(&["loadtest", "webhook", "--url", &url, "--shared-secret", SECRET, "--domain", "chat.example.com",
            "--requests", "200", "--concurrency", "20"]);
        assert_eq!((&report["succeeded"], &report["failed"]), (&serde_json::json!(200), &serde_json::json!(0)), "{report}");
        assert!(report["latency_ms"]["p99"].as_f64().unwrap() >= report["latency_ms"]["p50"].as_f64().unwrap());
        let forged = place.run(&["loadtest", "webhook", "--url", &url, "--secret", "wrong", "--domain", "chat.example.com", "--requests", "5"]);
        assert_eq!(forged.status.code(), Some(1));
        assert!(String::from_utf8(forged.stdout).unwrap().contains("401: 5"));
        let page = client.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
        for name in ["portaria_channel_received_total{kind=\"whaticket\"}", "portaria_channel_refused_total{kind=\"whaticket\",reason=\"unauthorized\"}",
            "portaria_channel_sends_total{kind=\"evolution\",outcome=\"sent\"}", "portaria_channel_send_seconds"] {
            assert!(page.contains(name), "{name}");
        }
        assert!(!page.contains(phone), "no number in a label");
        assert_eq!(server.terminate(), Some(0));
    }
}

both_engines! {
    async fn a_storm_is_weathered(on: On) {
        let place = Place::new(on).await;
        let mut command = place.command(&["--json", "storm", "--minutes", "0.15", "--seed", "3"]);
        if let Some(url) = &place.database_url {
            command.env("PORTARIA_STORM_DATABASE_URL", url);
        }
        let out = command.output().unwrap();
        let report: Value = serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
        assert_eq!(report["passed"], true, "{report}");
        for tried in ["kills", "hostile_files", "clock_steps", "files_refused", "letters"] {
            assert!(report[tried].as_u64().unwrap() >= 1, "{tried}: {report}");
        }
        assert!(report["ledger"]["acknowledged"].as_u64().unwrap() > 50, "{report}");
        assert_eq!(out.status.code(), Some(0));
    }
}

both_engines! {
    async fn the_guides_variables_make_the_instances_channel(on: On) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = Place::new(on).await;
        let whaticket = WhaticketSandbox::start("token", Version::Community).await.unwrap();
        let file = place.folder.path().join("secretaria.env");
        let env = format!(
            "INSTANCE_ID=clinica\nSHARED_SECRET={SECRET}\nWHATSAPP_API_URL={}/api/messages/send\nWHATSAPP_BEARER_TOKEN=token\n",
            whaticket.base_url()
        );
        std::fs::write(&file, env).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let file = file.to_str().unwrap();
        for _ in 0..2 {
            let server = place.serve(&["--listen", &address, "--env-file", file]);
            let list = place.json(&["channel", "list", "--tenant", "clinica"]);
            assert_eq!(list.as_array().unwrap().len(), 1, "once");
            assert_eq!((&list[0]["kind"], &list[0]["instance"], &list[0]["base_url"]),
                (&serde_json::json!("whaticket"), &serde_json::json!("clinica"), &serde_json::json!(whaticket.base_url())));
            assert_eq!(server.terminate(), Some(0));
        }
    }
}
