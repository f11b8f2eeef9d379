//! Automation of this repository: `cargo xtask test | tidy`.

mod evidence;
mod models;
mod servers;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match verb.as_str() {
        "test" => test(&rest),
        "with-servers" => with_servers(&rest),
        "tidy" => tidy::run(),
        "sentence-model" => models::sentence_model(&rest).map(say),
        "fit-acts" => models::fit_acts(&rest).map(say),
        "fit-evidence" => evidence::fit(&rest).map(say),
        "measure-evidence" => evidence::measure(&rest).map(say),
        _ => Err(anyhow::anyhow!(
            "usage: cargo xtask test [cargo test arguments] | with-servers COMMAND… | tidy | \
             sentence-model FROM TO WORDS… | fit-acts FOLDER TO | fit-evidence FOLDER TO | measure-evidence FILES…"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// What a command came to.
#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn say(line: String) {
    println!("{line}");
}

/// Runs all tests with a PostgreSQL and a Redis of their own, and stops them after.
fn test(arguments: &[String]) -> anyhow::Result<()> {
    let mut command: Vec<String> = ["cargo", "test", "--workspace"].map(String::from).to_vec();
    command.extend(arguments.iter().cloned());
    // The tests start the program itself as well.
    // Of the whole workspace: a package by itself has other features, and would be built twice.
    run(Command::new("cargo").args(["build", "--workspace", "--bins"]))?;
    with_servers(&command)
}

fn with_servers(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("no command given")?;
    let postgres = servers::Postgres::start()?;
    let redis = servers::Redis::start()?;
    run(Command::new(program)
        .args(arguments)
        .env("TEST_OIDC", openid_provider()?)
        .env("TEST_POSTGRES", postgres.url())
        .env("TEST_REDIS", redis.url()))
}

/// The folder of the OpenID provider of the tests: installed beside the build, by the lock file.
fn openid_provider() -> anyhow::Result<PathBuf> {
    let source = Path::new("crates/tests/oidc");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let folder = std::path::absolute(target)?.join("oidc-provider");
    std::fs::create_dir_all(&folder)?;
    let lock = "package-lock.json";
    let fresh = std::fs::read(source.join(lock))?;
    let installed = folder.join("node_modules").exists()
        && std::fs::read(folder.join(lock)).is_ok_and(|held| held == fresh);
    for file in ["package.json", lock, "server.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).with_context(|| file.to_owned())?;
    }
    if !installed {
        let flags = ["ci", "--no-audit", "--no-fund", "--loglevel", "error"];
        run(Command::new("npm").args(flags).current_dir(&folder))?;
    }
    Ok(folder)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
