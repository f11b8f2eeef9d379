//! Typing made plain: lower case without accents, stretched letters shortened, abbreviations written out.

use kernel::text::fold;

/// How people type on a phone, and what they mean by it.
const TYPED: &[(&str, &str)] = &[
    ("vc", "voce"),
    ("vcs", "voces"),
    ("vce", "voce"),
    ("vces", "voces"),
    ("ce", "voce"),
    ("ces", "voces"),
    ("voceis", "voces"),
    ("d", "de"),
    ("q", "que"),
    ("qe", "que"),
    ("ke", "que"),
    ("oq", "o que"),
    ("oque", "o que"),
    ("oke", "o que"),
    ("pq", "porque"),
    ("pke", "porque"),
    ("qto", "quanto"),
    ("qnto", "quanto"),
    ("qt", "quanto"),
    ("qta", "quanta"),
    ("qtos", "quantos"),
    ("qtas", "quantas"),
    ("qts", "quantos"),
    ("qnts", "quantos"),
    ("qnt", "quanto"),
    ("qntos", "quantos"),
    ("qntas", "quantas"),
    ("qnta", "quanta"),
    ("qdo", "quando"),
    ("qnd", "quando"),
    ("qndo", "quando"),
    ("qd", "quando"),
    ("ql", "qual"),
    ("qlqr", "qualquer"),
    ("qlq", "qualquer"),
    ("qlquer", "qualquer"),
    ("qro", "quero"),
    ("kero", "quero"),
    ("keria", "queria"),
    ("n", "nao"),
    ("nn", "nao"),
    ("naum", "nao"),
    ("eh", "e"),
    ("ta", "esta"),
    ("tah", "esta"),
    ("tao", "estao"),
    ("to", "estou"),
    ("tou", "estou"),
    ("toh", "estou"),
    ("tava", "estava"),
    ("tavam", "estavam"),
    ("pra", "para"),
    ("pro", "para o"),
    ("pros", "para os"),
    ("pras", "para as"),
    ("prum", "para um"),
    ("pruma", "para uma"),
    ("dum", "de um"),
    ("duma", "de uma"),
    ("vo", "vou"),
    ("hj", "hoje"),
    ("oje", "hoje"),
    ("amanh", "amanha"),
    ("amnh", "amanha"),
    ("agr", "agora"),
    ("dps", "depois"),
    ("tb", "tambem"),
    ("tbm", "tambem"),
    ("tbem", "tambem"),
    ("mto", "muito"),
    ("mt", "muito"),
    ("mta", "muita"),
    ("mtos", "muitos"),
    ("mtas", "muitas"),
    ("msm", "mesmo"),
    ("msma", "mesma"),
    ("cmg", "comigo"),
    ("ctg", "contigo"),
    ("pfv", "por favor"),
    ("pfvr", "por favor"),
    ("pf", "por favor"),
    ("pls", "por favor"),
    ("plis", "por favor"),
    ("fvr", "favor"),
    ("vdd", "verdade"),
    ("ngm", "ninguem"),
    ("nguem", "ninguem"),
    ("alg", "alguem"),
    ("algm", "alguem"),
    ("td", "tudo"),
    ("tds", "todos"),
    ("kd", "cade"),
    ("kade", "cade"),
    ("aki", "aqui"),
    ("ake", "aqui"),
    ("axo", "acho"),
    ("axei", "achei"),
    ("obg", "obrigado"),
    ("obgd", "obrigado"),
    ("obgda", "obrigada"),
    ("obrigadao", "obrigado"),
    ("brigado", "obrigado"),
    ("brigada", "obrigada"),
    ("brigadao", "obrigado"),
    ("vlw", "valeu"),
    ("vlew", "valeu"),
    ("flw", "falou"),
    ("blz", "beleza"),
    ("bele", "beleza"),
    ("bjs", "beijos"),
    ("bj", "beijo"),
    ("abs", "abracos"),
    ("msg", "mensagem"),
    ("msgs", "mensagens"),
    ("mensag", "mensagem"),
    ("zap", "whatsapp"),
    ("zapzap", "whatsapp"),
    ("wpp", "whatsapp"),
    ("whats", "whatsapp"),
    ("whatsap", "whatsapp"),
    ("wats", "whatsapp"),
    ("end", "endereco"),
    ("tel", "telefone"),
    ("fone", "telefone"),
    ("cel", "celular"),
    ("nro", "numero"),
    ("refri", "refrigerante"),
    ("refris", "refrigerantes"),
    ("vr", "vale refeicao"),
    ("fds", "fim de semana"),
    ("promo", "promocao"),
    ("promos", "promocoes"),
    ("info", "informacao"),
    ("infos", "informacoes"),
    ("vlr", "valor"),
    ("vlrs", "valores"),
    ("prc", "preco"),
    ("hr", "hora"),
    ("hrs", "horas"),
    ("seg", "segunda"),
    ("qua", "quarta"),
    ("qui", "quinta"),
    ("sex", "sexta"),
    ("sab", "sabado"),
    ("dom", "domingo"),
    ("2f", "segunda"),
    ("3f", "terca"),
    ("4f", "quarta"),
    ("5f", "quinta"),
    ("6f", "sexta"),
    ("apto", "apartamento"),
    ("ap", "apartamento"),
    ("niver", "aniversario"),
    ("nivers", "aniversarios"),
    ("aniver", "aniversario"),
    ("facul", "faculdade"),
    ("dotor", "doutor"),
    ("dotora", "doutora"),
    ("atend", "atendimento"),
    ("atendimeto", "atendimento"),
    ("gnt", "gente"),
    ("jah", "ja"),
    ("soh", "so"),
    ("neh", "ne"),
    ("hein", "ne"),
    ("ein", "ne"),
    ("dvd", "duvida"),
    ("qq", "qualquer"),
];

/// A message in plain spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// Folded words, written out, one space between two, and one at either end.
    pub line: String,
    /// It asks by its mark.
    pub asks: bool,
    /// Anger shown without words: an angry face, several marks of exclamation, or capitals in a row.
    pub angry: bool,
}

impl Plain {
    pub fn of(text: &str) -> Self {
        // "p/", "c/" and "s/" are words before their stroke is lost.
        let folded = fold(text)
            .replace("p/", " para ")
            .replace("c/", " com ")
            .replace("s/", " sem ")
            .replace("1a ", "primeira ")
            .replace("2a feira", "segunda")
            .replace("3a feira", "terca")
            .replace("4a feira", "quarta")
            .replace("5a feira", "quinta")
            .replace("6a feira", "sexta");
        let mut line = String::with_capacity(folded.len() + 16);
        line.push(' ');
        for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            line.push_str(&plain_word(word));
            line.push(' ');
        }
        let upper = |word: &&str| {
            word.chars().count() >= 3 && word.chars().all(|c| c.is_alphabetic() && c.is_uppercase())
        };
        let loud = text.split_whitespace().filter(upper).count();
        let angry = text.contains("!!")
            || text.contains(['😡', '🤬', '😠', '😤', '🤮', '👎', '🖕'])
            || (loud >= 2 && text.split_whitespace().count() > loud);
        Self { line, asks: text.contains('?'), angry }
    }

    /// Its words in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.line.split(' ').filter(|word| !word.is_empty())
    }
}

/// A folded word in plain spelling; it may become several.
pub fn plain_word(word: &str) -> String {
    if let Some((_, full)) = TYPED.iter().find(|(typed, _)| *typed == word) {
        return (*full).to_owned();
    }
    let short = shortened(word);
    match TYPED.iter().find(|(typed, _)| *typed == short) {
        Some((_, full)) => (*full).to_owned(),
        None => short,
    }
}

/// Without stretched letters: "oiii", "bommm", "simm". Doubles that Portuguese has stay.
fn shortened(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    if letters.iter().any(char::is_ascii_digit) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let run = letters[at..].iter().take_while(|other| **other == letter).count();
        let last = at + run == letters.len();
        // "rr" and "ss" are sounds of their own; so are the vowels of "cooperar" and "leem", but not at a word's end.
        let kept = match run {
            1 => 1,
            2 if matches!(letter, 'r' | 's') && !last => 2,
            2 if matches!(letter, 'o' | 'e' | 'i' | 'a') && !last => 2,
            2 if matches!(letter, 'p' | 't' | 'l' | 'n' | 'c' | 'f' | 'z') && !last => 2,
            2 if word == "voo" || word == "zoo" || word == "wifii" => 2,
            _ => 1,
        };
        for _ in 0..kept {
            out.push(letter);
        }
        at += run;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_written_out() {
        for (text, wanted) in [
            ("Bom diaaa, vc faz p/ hj?", " bom dia voce faz para hoje "),
            ("oiii!!", " oi "),
            ("qto ta o corte", " quanto esta o corte "),
            ("NÃOOO", " nao "),
            ("carro passeio cooperativa", " carro passeio cooperativa "),
            ("abre na 2ª feira?", " abre na segunda "),
        ] {
            assert_eq!(Plain::of(text).line, wanted, "{text}");
        }
        assert!(Plain::of("CADE MEU PEDIDO gente").angry);
        assert!(!Plain::of("STOP").angry);
    }
}
