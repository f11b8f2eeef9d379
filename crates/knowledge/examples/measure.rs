//! stdin: business\tid\ttext\tbefore ; args: root folder. Prints id, sentence text, measures.
use std::io::BufRead;
use std::collections::HashMap;
fn main() {
    let mut indexes: HashMap<String, knowledge::Index> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let f: Vec<&str> = line.split('\t').collect();
        let index = indexes.entry(f[0].to_owned()).or_insert_with(|| {
            let mut files: Vec<_> = std::fs::read_dir(f[0]).unwrap().map(|e| e.unwrap().path()).filter(|p| !matches!(p.file_name().unwrap().to_str().unwrap(), "questions.jsonl" | "business.json")).collect();
            files.sort();
            let mut index = knowledge::Index::of_bytes(&files.iter().map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(p).unwrap())).collect::<Vec<_>>()).unwrap();
            let v = index.to_encode().iter().map(|t| embedding::encoder().passage(t)).collect();
            index.set_vectors(v);
            index
        });
        let text = f[2].replace("\\n", "\n");
        let before = f[3].replace("\\n", "\n");
        let vector = embedding::encoder().question(&text);
        let both = (!before.is_empty()).then(|| embedding::encoder().question(&format!("{before} {text}")));
        let asked = knowledge::Asked { text: &text, before: Some(before.as_str()).filter(|b| !b.is_empty()), vector: Some(&vector), both: both.as_deref() };
        for m in index.measure(&asked) {
            println!("{}\t{}\t{}\t{}", f[1], m.sentence, index.sentence_text(m.sentence).replace(['\t', '\n'], " "), m.measures.iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join(" "));
        }
    }
}
