//! Lanes in processes of their own, several workers, and stopping.

use std::time::Duration;

use sandbox::{EvolutionSandbox, Fault, ModelSandbox, customer_message};
use testkit::both_engines;

use testkit::free_port;

use crate::program::Place;

both_engines! {
    async fn the_bulk_worker_is_killed_and_replies_go_on(on: On) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = Place::new(on).await;
        let evolution = EvolutionSandbox::start("key").await.unwrap();
        let model = ModelSandbox::start().await.unwrap();
        place.json(&["tenant", "create", "loja", "--name", "Loja"]);
        place.json(&["channel", "add", "evolution", "--tenant", "loja", "--instance", "loja",
            "--base-url", &evolution.base_url(), "--api-key", "key", "--webhook-token", "a-token-of-the-channel"]);
        place.json(&["assistant", "set", "--tenant", "loja", "--quiet-seconds", "0.1",
            "--embedding-provider", "openai", "--embedding-base-url", &model.base_url(), "--embedding-model", "e"]);
        // The bulk lane has work that never ends: its provider is down.
        model.faults().always(Some(Fault::Status(500)));
        place.json(&["knowledge", "add", "--tenant", "loja", "--question", "Que horas abrem?", "--answer", "Às 8h."]);
        let address = format!("127.0.0.1:{}", free_port());
        let server = place.serve(&["--listen", &address, "--lanes", "reply,notify"]);
        let bulk = place.serve(&["--role", "worker", "--lanes", "bulk"]);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        let mut bulk = Some(bulk);
        for number in 0..20 {
            if number == 10 {
                bulk.take().unwrap().kill();
            }
            let phone = format!("551198765{number:04}");
            let body = customer_message("loja", &phone, "Ana", "Que horas abrem?", &format!("M{number}"), 0);
            let mut body = body;
            body["data"]["messageTimestamp"] = serde_json::Value::Null;
            let answer = client.post(format!("http://{address}/webhook/evolution"))
                .header("x-webhook-token", "a-token-of-the-channel").json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 202);
        }
        let sent = evolution.wait_for(20, Duration::from_secs(30)).await;
        assert_eq!(sent.len(), 20);
        let queue = place.json(&["queue", "list"]);
        assert!(queue.as_array().unwrap().iter().any(|lane| lane["lane"] == "bulk"), "{queue}");
        assert_eq!(server.terminate(), Some(0));
    }
}

both_engines! {
    async fn processes_that_start_together_make_the_instances_tenant_once(on: On) {
        let place = Place::new(on).await;
        let file = place.folder.path().join("instance.env");
        std::fs::write(&file, "INSTANCE_ID=aivoice\nINSTANCE_CLIENT_NAME=aiVoice\nGEMINI_API_KEY=k1234567890123456\n").unwrap();
        let file = file.to_str().unwrap();
        let started: Vec<_> = (0..3)
            .map(|_| {
                let address = format!("127.0.0.1:{}", free_port());
                place.command(&["serve", "--listen", &address, "--env-file", file])
                    .stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap()
            })
            .collect();
        for child in started {
            let mut child = child;
            let mut line = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
            assert!(line.starts_with("portaria listens"), "{line}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let tenants = place.json(&["tenant", "list"]);
        assert_eq!(tenants.as_array().unwrap().len(), 1, "{tenants}");
        assert_eq!((tenants[0]["slug"].as_str(), tenants[0]["name"].as_str()), (Some("aivoice"), Some("aiVoice")));
        let shown = place.json(&["assistant", "show", "--tenant", "aivoice"]);
        assert_eq!(shown["assistant"]["model"]["provider"], "gemini");
        assert!(!shown.to_string().contains("k1234567890123456"));
    }
}
