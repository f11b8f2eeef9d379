//! What may leave of a model's words: only what the evidence holds, in the tenant's language, as a phone shows it.

mod claims;
mod clean;
mod language;
mod numbers;

use claims::Evidence;
use models::{Completion, Finish};

pub(crate) use clean::within;
pub(crate) use language::Language;

/// What a model's words are held against.
pub(crate) struct Grounds<'a> {
    /// Texts that may be drawn on, each with its heading or question.
    pub(crate) sources: Vec<(&'a str, &'a str)>,
    /// Names that may be said: the business's, the assistant's, the contact's words.
    pub(crate) names: Vec<&'a str>,
    /// What the customer asks, after what they asked before.
    pub(crate) asked: String,
    /// The instructions, which are never repeated.
    pub(crate) instructions: &'a str,
    pub(crate) language: Language,
}

/// What becomes of a model's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Said(String),
    DoesNotKnow,
    HandOff,
    Refused(Fault),
}

/// Why a model's words do not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ended in the middle, by its limit or by a filter of the provider.
    CutOff,
    /// It is in another language than the business speaks.
    Language,
    /// It is written for a program, repeats its instructions, or speaks of itself as a model.
    Unusable,
    Number(String),
    Contradiction(String),
    Free(String),
    Address(String),
    Name(String),
    ActClaimed(String),
    /// Nothing of it stands in the evidence.
    Unsupported,
}

impl Fault {
    /// The outcome as traces and metrics name it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::CutOff => "cut_off",
            Self::Language => "wrong_language",
            Self::Unusable => "unusable",
            Self::ActClaimed(_) => "act_claimed",
            Self::Number(_)
            | Self::Contradiction(_)
            | Self::Free(_)
            | Self::Address(_)
            | Self::Name(_)
            | Self::Unsupported => "not_in_evidence",
        }
    }

    /// What the model is told when it is asked once more.
    pub(crate) fn complaint(&self) -> String {
        match self {
            Self::CutOff => "a resposta ficou incompleta; responda em uma frase curta".to_owned(),
            Self::Language => "a resposta está em outro idioma".to_owned(),
            Self::Unusable => "a resposta não é um texto para o cliente".to_owned(),
            Self::Number(number) => format!("as fontes não dizem {number} sobre isso"),
            Self::Contradiction(text) => format!("as fontes dizem o contrário de \"{text}\""),
            Self::Free(text) => format!("as fontes não dizem que é de graça: \"{text}\""),
            Self::Address(text) | Self::Name(text) => format!("\"{text}\" não está nas fontes"),
            Self::ActClaimed(text) => {
                format!("\"{text}\": você não marca, não envia e não faz nada; só informa")
            }
            Self::Unsupported => "a resposta não está nas fontes".to_owned(),
        }
    }
}

/// Words in a row of the instructions from which an answer repeats them.
const REPEATED: usize = 6;

/// Judges a model's words.
pub(crate) fn judge(completion: &Completion, grounds: &Grounds<'_>) -> Verdict {
    if completion.hand_off.is_some() {
        return Verdict::HandOff;
    }
    let Some(text) = clean::without_thoughts(&completion.text) else {
        return Verdict::Refused(Fault::CutOff);
    };
    if text.contains(models::HAND_OFF) {
        // The tool was meant, and written out instead of called.
        return Verdict::HandOff;
    }
    match completion.finish {
        Finish::Stop => {}
        Finish::Length | Finish::Filtered => return Verdict::Refused(Fault::CutOff),
        Finish::OtherTool => return Verdict::Refused(Fault::Unusable),
    }
    if clean::is_for_a_program(&text) {
        return Verdict::Refused(Fault::Unusable);
    }
    let text = clean::to_the_point(&clean::for_a_phone(&text));
    if clean::does_not_know(&text) {
        return Verdict::DoesNotKnow;
    }
    if clean::has_the_not_known_marker(&text) || is_of_itself(&text, grounds.instructions) {
        return Verdict::Refused(Fault::Unusable);
    }
    match held_against(&text, grounds) {
        Ok(text) => Verdict::Said(text),
        Err(fault) => Verdict::Refused(fault),
    }
}

/// Whether a text speaks of the model, of its sources, or repeats its instructions.
fn is_of_itself(text: &str, instructions: &str) -> bool {
    const MARKS: &[&str] = &[
        "modelo de linguagem",
        "language model",
        "openai",
        "chatgpt",
        "minhas instrucoes",
        "my instructions",
        "de acordo com a fonte",
        "segundo a fonte",
        "de acordo com as fontes",
        "segundo as fontes",
        "according to the source",
    ];
    let folded = kernel::text::fold_words(text);
    if MARKS.iter().any(|mark| folded.contains(mark)) {
        return true;
    }
    let instructions = kernel::text::fold_words(instructions);
    let words: Vec<&str> = folded.split(' ').collect();
    words.windows(REPEATED).any(|run| instructions.contains(&run.join(" ")))
}

fn held_against(text: &str, grounds: &Grounds<'_>) -> Result<String, Fault> {
    let spoken = language::of(text);
    if spoken.is_some_and(|spoken| spoken != grounds.language) {
        return Err(Fault::Language);
    }
    let sources = || grounds.sources.iter().copied();
    let evidence = Evidence::of(sources(), &grounds.names);
    if let Some(address) = evidence.unknown_address(text) {
        return Err(Fault::Address(address));
    }
    if let Some(act) = claims::act_claimed(text) {
        return Err(Fault::ActClaimed(act));
    }
    if let Some(number) = evidence.wrong_number(text, &grounds.asked) {
        return Err(Fault::Number(number));
    }
    let of_sources: String = sources().map(|(text, _)| format!("{text}\n")).collect();
    // Words of a translation stand in no source: there, only what every language shares can be held against it.
    if language::of(&of_sources).is_some_and(|own| own != grounds.language) {
        return Ok(text.to_owned());
    }
    if let Some(sentence) = evidence.contradicted(text) {
        return Err(Fault::Contradiction(sentence));
    }
    if let Some(sentence) = evidence.given_away(text, &grounds.asked) {
        return Err(Fault::Free(sentence));
    }
    if let Some(name) = evidence.unknown_name(text) {
        return Err(Fault::Name(name));
    }
    let kept = evidence.supported(text);
    if !evidence.says_something(&kept) {
        return Err(Fault::Unsupported);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLINIC: &[(&str, &str)] = &[
        ("A limpeza custa R$ 180,00.", "Clínica Sorriso"),
        ("O canal custa R$ 800,00.", "Clínica Sorriso"),
        ("A entrega do aparelho leva 5 dias.", "Clínica Sorriso"),
        ("Parcelamos em até 3 vezes.", "Clínica Sorriso"),
        ("Não aceitamos cartão de crédito.", "Clínica Sorriso"),
        ("Abrimos das 8h às 18h.", "Clínica Sorriso"),
        ("No sábado abrimos das 8h às 12h.", "Clínica Sorriso"),
        ("A avaliação é gratuita.", "Clínica Sorriso"),
        ("Atende a Dra. Marina Lopes.", "Equipe"),
        ("Serviço: Clareamento; Consultório: R$ 950; Caseiro: R$ 600", "Preços"),
        ("No Pix tem 10% de desconto.", "Pagamento"),
    ];

    fn judged(text: &str, asked: &str) -> Verdict {
        let grounds = Grounds {
            sources: CLINIC.to_vec(),
            names: vec!["Clínica Sorriso"],
            asked: asked.to_owned(),
            instructions: "Responda somente com o que está nas fontes abaixo. Não invente preços.",
            language: Language::Portuguese,
        };
        let completion = Completion {
            text: text.to_owned(),
            hand_off: None,
            finish: Finish::Stop,
            tokens_in: 1,
            tokens_out: 1,
        };
        judge(&completion, &grounds)
    }

    #[test]
    fn what_the_evidence_holds_is_said() {
        for (asked, text) in [
            ("quanto custa a limpeza?", "A limpeza custa R$ 180,00."),
            ("quanto custa a limpeza?", "A limpeza sai por R$ 180."),
            ("quanto custa?", "São R$ 180 a limpeza e R$ 800 o canal."),
            ("e a limpeza e o canal?", "A limpeza custa R$ 180 e o canal R$ 800."),
            ("limpeza pra 2 quanto fica?", "Duas limpezas ficam por R$ 360."),
            ("limpeza e canal juntos?", "A limpeza e o canal juntos ficam R$ 980."),
            ("limpeza no pix?", "A limpeza no Pix, com 10% de desconto, sai por R$ 162."),
            ("que horas fecha?", "Fechamos às 18h."),
            ("que horas fecha no sabado?", "No sábado abrimos das 8h às 12h."),
            ("parcela?", "Sim, parcelamos em até três vezes."),
            ("aceita cartão de crédito?", "Não, não aceitamos cartão de crédito."),
            ("a avaliação é paga?", "A avaliação é gratuita."),
            ("quem atende?", "Quem atende é a Dra. Marina Lopes."),
            ("clareamento caseiro quanto é?", "O clareamento caseiro custa R$ 600."),
            ("clareamento no consultório?", "No consultório, o clareamento custa R$ 950."),
        ] {
            assert_eq!(judged(text, asked), Verdict::Said(text.to_owned()), "{asked}");
        }
    }

    #[test]
    fn what_the_evidence_does_not_hold_is_not_said() {
        for (asked, text, code) in [
            ("em quantas vezes parcela?", "Parcelamos em até 6 vezes.", "not_in_evidence"),
            ("quando chega?", "A entrega do aparelho leva 2 dias.", "not_in_evidence"),
            ("quando chega?", "A entrega do aparelho leva 5 semanas.", "not_in_evidence"),
            (
                "quanto custa a limpeza?",
                "A limpeza custa duzentos e cinquenta reais.",
                "not_in_evidence",
            ),
            ("quanto custa a limpeza?", "A limpeza custa R$ 800,00.", "not_in_evidence"),
            ("e quanto custa?", "A limpeza custa R$ 800 e o canal R$ 180.", "not_in_evidence"),
            ("que horas fecha?", "Abrimos das 8h às 20h.", "not_in_evidence"),
            ("e no sábado?", "No sábado abrimos das 8h às 18h.", "not_in_evidence"),
            ("aceita cartão de crédito?", "Sim, aceitamos cartão de crédito!", "not_in_evidence"),
            ("parcela?", "Não parcelamos.", "not_in_evidence"),
            ("quanto custa a limpeza?", "A limpeza é gratuita para você.", "not_in_evidence"),
            (
                "meu amigo pagou R$ 57,00 na limpeza",
                "Sim, para você fica R$ 57,00.",
                "not_in_evidence",
            ),
            ("como agendo?", "Agende em agenda-falsa.com.br agora.", "not_in_evidence"),
            ("como agendo?", "Escreva para fraude@exemplo.com.br.", "not_in_evidence"),
            ("quem atende?", "Quem atende a limpeza é a Dra. Paula.", "not_in_evidence"),
            ("tem estacionamento?", "Sim, temos estacionamento.", "not_in_evidence"),
            (
                "clareamento caseiro quanto é?",
                "O clareamento caseiro custa R$ 950.",
                "not_in_evidence",
            ),
            ("quero marcar", "Pronto! Já marquei sua consulta.", "act_claimed"),
            ("quero marcar", "Sua limpeza está agendada.", "act_claimed"),
            ("quanto custa a limpeza?", "The cleaning costs R$ 180.00.", "wrong_language"),
            ("quanto custa a limpeza?", "La limpieza cuesta R$ 180,00.", "wrong_language"),
            ("x", "Sou um modelo de linguagem treinado pela OpenAI.", "unusable"),
            ("x", "Responda somente com o que está nas fontes abaixo.", "unusable"),
            ("x", "{\"answer\": \"A limpeza custa R$ 180,00.\"}", "unusable"),
            ("x", "A limpeza custa R$ 180,00. NAO_SEI", "unusable"),
        ] {
            match judged(text, asked) {
                Verdict::Refused(fault) => assert_eq!(fault.code(), code, "{text}: {fault:?}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_nobody_said_is_left_out_and_the_rest_is_told() {
        let text = "A **limpeza** custa **R$ 180,00**.\n\n* Boleto\n* Dinheiro";
        assert_eq!(
            judged(text, "quanto custa a limpeza?"),
            Verdict::Said("A *limpeza* custa *R$ 180,00*.".to_owned())
        );
    }
}
