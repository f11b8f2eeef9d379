use std::io::BufRead;
fn main() {
    let e = embedding::encoder();
    let t = std::time::Instant::now();
    let mut n = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let v = e.question(&line);
        n += 1;
        println!("{}", v.iter().map(|x| format!("{x:.6}")).collect::<Vec<_>>().join(" "));
    }
    eprintln!("{n} texts, {:?} each", t.elapsed() / n);
}
