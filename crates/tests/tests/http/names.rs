//! Names that are promised: of the five guides, of events, of configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portaria::config::{self, Sources};
use portaria::names::{self, NAMES};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

#[test]
fn every_name_of_the_guides_has_a_row() {
    for guide in ["aivoice", "oraclewa", "ragbot", "secretaria", "veloflux"] {
        let list = std::fs::read_to_string(fixture(&format!("guides/{guide}.txt"))).unwrap();
        let missing: Vec<&str> = list
            .lines()
            .filter(|name| {
                !NAMES.iter().filter(|row| row.guide == guide).any(|row| {
                    row.name.contains(name)
                        || row.name.strip_suffix('*').is_some_and(|start| name.starts_with(start))
                })
            })
            .collect();
        assert_eq!(missing, Vec::<&str>::new(), "{guide}");
        assert!(list.lines().count() > 5, "{guide}");
    }
    for row in NAMES.iter() {
        let known = ["kept", "alias of", "replaced by", "no meaning here", "comes later"];
        assert!(known.contains(&row.status), "{row:?}");
        let needs = ["alias of", "replaced by"].contains(&row.status);
        assert_eq!(!row.replacement.is_empty(), needs, "{row:?}");
        assert!(!row.reason.is_empty(), "{row:?}");
    }
}

#[test]
fn the_page_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coming-from.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        page.trim(),
        names::page().trim(),
        "run: portaria config names --markdown > docs/coming-from.md"
    );
}

fn report(file: &str) -> String {
    let sources = Sources {
        env_file: Some(fixture(&format!("env/{file}"))),
        environment: BTreeMap::new(),
        ..Sources::default()
    };
    let loaded = match config::load(&sources) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("{file}: {faults}"),
    };
    let set: Vec<String> = loaded
        .config
        .effective()
        .into_iter()
        .filter(|(_, _, from)| from.starts_with("env file"))
        .map(|(key, value, from)| format!("{key} = {value}  ({from})"))
        .collect();
    format!(
        "{}\n--\n{}\n--\n{}",
        set.join("\n"),
        loaded.report.join("\n"),
        loaded.warnings.join("\n")
    )
}

#[test]
fn the_guides_env_files_load_as_they_stand() {
    insta::assert_snapshot!("aivoice", report("aivoice.env"));
    insta::assert_snapshot!("oraclewa", report("oraclewa.env"));
    insta::assert_snapshot!("secretaria", report("secretaria.env"));
    insta::assert_snapshot!("secretaria_openai", report("secretaria-openai.env"));
}

#[test]
fn every_event_in_the_code_is_listed_and_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let mut found = std::collections::BTreeSet::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.to_string_lossy().contains("crates/tests/")
            {
                let text = std::fs::read_to_string(path).unwrap();
                for part in text.split("event = \"").skip(1) {
                    found.insert(part.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    found.remove("…");
    found.insert("library_log".to_owned());
    let listed: std::collections::BTreeSet<String> =
        telemetry::EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed);
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md"))
            .unwrap();
    for (name, about) in telemetry::EVENTS {
        assert!(
            page.contains(&format!("| `{name}` | {about} |")),
            "{name} is missing in docs/events.md"
        );
    }
}

#[test]
fn configuration_faults_name_key_fault_and_fix() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portaria.toml");
    std::fs::write(
        &file,
        "[server]\nlistn = \"x\"\nlisten = \"nowhere\"\n[queue]\nconcurrency = 0\n",
    )
    .unwrap();
    let environment = BTreeMap::from([
        ("PORTARIA_MASTER_KEY".to_owned(), "short".to_owned()),
        ("PORTARIA_LISTNE".to_owned(), "x".to_owned()),
        ("WEBHOOK_TOKEN_OPTIONAL".to_owned(), "abc".to_owned()),
    ]);
    let Err(faults) =
        config::load(&Sources { file: Some(file), environment, ..Sources::default() })
    else {
        panic!("unsound configuration was accepted")
    };
    let text = faults.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!("faults", text);
    assert!(!text.contains("short;"));
}

#[test]
fn the_example_configuration_is_complete_and_sound() {
    let example = config::example();
    for setting in config::SETTINGS {
        assert!(example.contains(setting.key.split_once('.').unwrap().1), "{}", setting.key);
        assert!(example.contains(setting.variables[0]), "{}", setting.key);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portaria.toml");
    let lines: Vec<&str> = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // Uncommented, except what has no default.
            Some(rest)
                if rest.contains(" = ") && !rest.ends_with("\"\"") && !rest.ends_with("= ") =>
            {
                rest
            }
            _ => line,
        })
        .collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    if let Err(faults) = config::load(&Sources { file: Some(file), ..Sources::default() }) {
        panic!("{faults}");
    }
}
