use std::io::BufRead;
fn main() {
    let started = std::time::Instant::now();
    understanding::acts(&understanding::Plain::of("oi"), None);
    eprintln!("compiled in {:?}", started.elapsed());
    let started = std::time::Instant::now();
    let mut n = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        n += 1;
        let found = understanding::acts(&understanding::Plain::of(&line.replace("\\n", "\n")), None);
        let names: Vec<String> = found.iter().map(|f| format!("{}{}", f.act.name(), match f.strength { understanding::Strength::Certain => "", understanding::Strength::Likely => "?", understanding::Strength::Possible => "??" })).collect();
        println!("{}\t{}", names.join(","), line);
    }
    eprintln!("{n} in {:?}", started.elapsed());
}
