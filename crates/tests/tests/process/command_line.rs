//! Commands as scripts use them.

use std::process::Command;

use sandbox::ModelSandbox;
use testkit::both_engines;

use testkit::free_port;

use crate::program::Place;

both_engines! {
    async fn the_black_box_contract_holds(on: On) {
        let place = Place::new(on).await;
        let model = ModelSandbox::start().await.unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let server = place.serve(&["--listen", &address]);
        assert_eq!(server.line.trim(), format!("portaria listens on http://{address}"));
        let tenant = place.json(&["tenant", "create", "padaria", "--name", "Padaria Sol"]);
        assert_eq!(tenant["slug"], "padaria");
        assert!(tenant["id"].is_string());
        let file = place.folder.path().join("perguntas.md");
        std::fs::write(&file, "## Que horas abrem?\nDas 6h às 20h.\n").unwrap();
        let added = place.json(&["knowledge", "add", "--tenant", "padaria", file.to_str().unwrap()]);
        assert_eq!(added["added"][0]["chunks"], 1);
        let channel = place.json(&["channel", "add", "evolution", "--tenant", "padaria", "--instance", "padaria",
            "--base-url", "http://127.0.0.1:9", "--api-key", "key", "--webhook-token", "t"]);
        assert_eq!(channel["instance"], "padaria");
        let chat = place.json(&["chat", "--tenant", "padaria", "que horas vocês abrem?"]);
        assert_eq!(chat["answer"], "Das 6h às 20h.");
        assert_eq!(chat["handed_over"], false);
        assert_eq!(chat["sources"][0]["title"], "perguntas.md");
        assert!(chat["confidence"].as_f64().unwrap() > 0.5);
        place.json(&["assistant", "set", "--tenant", "padaria", "--provider", "openai", "--base-url",
            &model.base_url(), "--api-key", "k", "--model", "m", "--quiet-seconds", "1"]);
        model.will_say("Abrimos das 6h às 20h.");
        let chat = place.json(&["chat", "--tenant", "padaria", "que horas vocês abrem?"]);
        assert_eq!(chat["answer"], "Abrimos das 6h às 20h.");
        assert_eq!(server.terminate(), Some(0));
    }
}

both_engines! {
    async fn doctor_isolation_prints_its_table_and_leaves_nothing(on: On) {
        let place = Place::new(on).await;
        let checks = place.json(&["doctor", "isolation"]);
        let checks = checks.as_array().unwrap();
        assert!(checks.len() >= 9 && checks.iter().all(|c| c["ok"] == true), "{checks:?}");
        let alone = checks.iter().any(|c| c["what"] == "a query that forgot its filter");
        assert_eq!(alone, on == testkit::On::Postgres);
        assert_eq!(place.json(&["tenant", "list"]).as_array().unwrap().len(), 0);
    }
}

both_engines! {
    async fn a_lost_or_wrong_master_key_is_refused_not_replaced(on: On) {
        let place = Place::new(on).await;
        place.json(&["tenant", "create", "loja", "--name", "x"]);
        let file = place.folder.path().join("master.key");
        let key = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let fails = || {
            let out = place.run(&["doctor"]);
            assert_eq!(out.status.code(), Some(1));
            String::from_utf8(out.stderr).unwrap()
        };
        let stderr = fails();
        assert!(stderr.contains("is missing") && stderr.contains("put its copy back"), "{stderr}");
        assert!(!file.exists(), "no new key");
        std::fs::write(&file, "another key of some length").unwrap();
        assert!(fails().contains("not the one this database's secrets were sealed with"));
        std::fs::write(&file, key).unwrap();
        place.json(&["tenant", "show", "loja"]);
    }
}

both_engines! {
    async fn what_is_wrong_is_said_in_one_sentence_with_the_fix(on: On) {
        let place = Place::new(on).await;
        let fails = |arguments: &[&str]| {
            let out = place.run(arguments);
            assert_eq!(out.status.code(), Some(1), "{arguments:?}");
            String::from_utf8(out.stderr).unwrap()
        };
        let stderr = String::from_utf8(place.run(&["tenant", "create", "LojaABC", "--name", "x"]).stderr).unwrap();
        assert!(stderr.contains("use `lojaabc`"), "{stderr}");
        assert_eq!(fails(&["tenant", "show", "nobody"]).trim(), "portaria: no tenant `nobody`");
        place.json(&["tenant", "create", "loja", "--name", "x"]);
        assert_eq!(fails(&["tenant", "create", "loja", "--name", "x"]).trim(), "portaria: there is a tenant `loja` already");
        assert!(fails(&["knowledge", "add", "--tenant", "loja", "/nowhere.pdf"]).contains("reading /nowhere.pdf"));
        let refused = place.command(&["channel", "add", "evolution", "--tenant", "loja", "--instance", "i",
            "--base-url", "http://127.0.0.1:1", "--api-key", "k", "--webhook-token", "t"])
            .env_remove("PORTARIA_ALLOW_PRIVATE_UPSTREAMS").output().unwrap();
        assert!(String::from_utf8(refused.stderr).unwrap().contains("PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1"));
        let mysql = place.command(&["config", "check"]).env("DATABASE_URL", "mysql://u:p@h/d").output().unwrap();
        assert_eq!(mysql.status.code(), Some(1));
        assert!(String::from_utf8(mysql.stderr).unwrap().contains("database.url: not a PostgreSQL address"));
        assert_eq!(place.run(&["apikey", "create", "--tenant", "loja", "--days", "0"]).status.code(), Some(2));
        let weak = place.command(&["tenant", "list"]).env("PORTARIA_ADMIN_TOKEN", "short").output().unwrap();
        assert_eq!(weak.status.code(), Some(1));
        let stderr = String::from_utf8(weak.stderr).unwrap();
        assert!(stderr.contains("server.admin_token") && stderr.contains("openssl rand") && !stderr.contains("short;"), "{stderr}");
    }
}

both_engines! {
    async fn a_deleted_tenant_leaves_nothing_behind(on: On) {
        let place = Place::new(on).await;
        place.json(&["tenant", "create", "loja", "--name", "x"]);
        place.json(&["knowledge", "add", "--tenant", "loja", "--question", "Que horas?", "--answer", "8h"]);
        place.json(&["apikey", "create", "--tenant", "loja"]);
        place.json(&["channel", "add", "evolution", "--tenant", "loja", "--instance", "i",
            "--base-url", "http://127.0.0.1:1", "--api-key", "k", "--webhook-token", "t"]);
        assert_eq!(place.run(&["tenant", "delete", "loja"]).status.code(), Some(1), "asks first");
        let removed = place.json(&["tenant", "delete", "loja", "--yes"]);
        let count = |what: &str| {
            let list = removed["removed"].as_array().unwrap();
            list.iter().find(|r| r["what"] == what).unwrap()["count"].as_u64().unwrap()
        };
        assert_eq!((count("documents"), count("chunks"), count("api_keys"), count("channels"), count("tenants")), (1, 1, 1, 1, 1));
        assert!(count("secrets") >= 2);
        // The name is free again.
        place.json(&["tenant", "create", "loja", "--name", "x"]);
    }
}

/// Process ids come again, and whoever is killed leaves its folder behind.
#[test]
fn what_a_killed_process_left_behind_is_no_hindrance() {
    let set = tempfile::tempdir().unwrap();
    let shop = set.path().join("loja");
    std::fs::create_dir_all(&shop).unwrap();
    std::fs::write(shop.join("business.json"), r#"{"name": "Loja"}"#).unwrap();
    std::fs::write(shop.join("notas.md"), "# Preços\n\nO boné custa R$ 40.\n").unwrap();
    let row = r#"{"id": "a", "conv": "a", "text": "quanto custa o boné?", "category": "price", "act": "answer"}"#;
    std::fs::write(shop.join("questions.jsonl"), row).unwrap();
    let demo: &[&str] = &["demo", "--script-only"];
    let eval = &["eval", "conversations", set.path().to_str().unwrap()];
    for (name, arguments) in [("demo", demo), ("eval", eval)] {
        let temporary = tempfile::tempdir().unwrap();
        // `exec` keeps the process id, so that what lies there is in the name of the process itself.
        let ran = Command::new("sh")
            .args(["-c", r#": > "$TMPDIR/portaria-$NAME-$$"; exec "$@""#, "sh"])
            .arg(crate::program::path())
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .env("NAME", name)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        let left = std::fs::read_dir(temporary.path()).unwrap().count();
        assert_eq!(left, 1, "{name} removed its own folder");
    }
}
