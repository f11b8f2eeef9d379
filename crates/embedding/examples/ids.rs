//! Writes the ids of the pieces of each line of its input, for `models/fit_encoder.py`.
use std::io::BufRead as _;

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let ids: Vec<String> =
            embedding::encoder().ids(&line).iter().map(ToString::to_string).collect();
        println!("{}", ids.join(" "));
    }
}
