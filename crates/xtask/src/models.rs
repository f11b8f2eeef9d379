//! Making the files of `models/`: the encoder's, cut down to our languages, and the classifier of acts.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use understanding::Example;

/// Cuts a model's file down to the words of some word lists.
pub(crate) fn sentence_model(arguments: &[String]) -> anyhow::Result<String> {
    let [from, to, lists @ ..] = arguments else {
        bail!("usage: cargo xtask sentence-model FROM TO WORDS…");
    };
    let file = fs::read(from).with_context(|| format!("reading {from}"))?;
    let mut words = String::new();
    for list in lists {
        words.push_str(&fs::read_to_string(list).with_context(|| format!("reading {list}"))?);
        words.push('\n');
    }
    let pruned = embedding::prune(&file, words.lines())?;
    fs::write(to, &pruned)?;
    Ok(format!("{to}: {} bytes of {}", pruned.len(), file.len()))
}

/// Fits the classifier of acts to the written messages of a folder.
pub(crate) fn fit_acts(arguments: &[String]) -> anyhow::Result<String> {
    let [from, to] = arguments else { bail!("usage: cargo xtask fit-acts FOLDER TO") };
    let examples = examples(Path::new(from))?;
    let file = understanding::fit(&examples);
    fs::write(to, &file)?;
    Ok(format!("{to}: {} examples, {} bytes", examples.len(), file.len()))
}

/// The messages of all `.tsv` files of a folder: acts (joined by `+`, the first counts), a tab, the text.
fn examples(folder: &Path) -> anyhow::Result<Vec<Example>> {
    let mut files: Vec<_> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let mut out = Vec::new();
    for file in files {
        for line in fs::read_to_string(&file)?.lines() {
            let (acts, text) = line.split_once('\t').with_context(|| format!("{line}: no tab"))?;
            let first = acts.split('+').next().unwrap_or_default();
            let known = understanding::CLASSES.iter().find(|class| **class == first);
            let text = text.replace("\\n", "\n");
            let vector = embedding::encoder().question(&text);
            out.push(Example { text, class: (*known.unwrap_or(&"question")).to_owned(), vector });
        }
    }
    Ok(out)
}
