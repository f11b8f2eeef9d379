fn main() {
    let a: Vec<String> = std::env::args().collect();
    let file = std::fs::read(&a[1]).unwrap();
    let mut text = String::new();
    for w in &a[3..] { text.push_str(&std::fs::read_to_string(w).unwrap()); text.push('\n'); }
    let out = embedding::prune(&file, text.lines()).unwrap();
    println!("{}", out.len());
    std::fs::write(&a[2], out).unwrap();
}
