//! What the assistant says in its own words, in the tenant's language and tone.

use jiff::tz::TimeZone;
use kernel::Moment;

use crate::{Context, Tone};

/// Fixed sentences of one tenant.
pub(crate) struct Phrases<'a> {
    context: &'a Context,
}

/// A contact's own words are said back only in part and without marks: they may be anything.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let plain: String =
        text.chars().filter(|c| !matches!(c, '*' | '_' | '~' | '`' | '“' | '”')).collect();
    let words: Vec<&str> = plain.split_whitespace().filter(|w| !w.contains("://")).collect();
    let plain = words.join(" ");
    if plain.chars().count() <= MOST {
        return plain;
    }
    plain.chars().take(MOST).collect::<String>().trim_end().to_owned() + "…"
}

impl<'a> Phrases<'a> {
    pub(crate) fn of(context: &'a Context) -> Self {
        Self { context }
    }

    fn english(&self) -> bool {
        self.context.tenant.language.starts_with("en")
    }

    fn formal(&self) -> bool {
        self.context.settings.tone == Tone::Formal
    }

    fn pick(&self, casual: &str, formal: &str, english: &str) -> String {
        let text = match (self.english(), self.formal()) {
            (true, _) => english,
            (false, true) => formal,
            (false, false) => casual,
        };
        text.replace("{empresa}", &self.context.tenant.name)
    }

    /// Good morning, and who speaks.
    pub(crate) fn greeting(&self, now: Moment) -> String {
        let own = self.context.settings.greeting.trim();
        if !own.is_empty() {
            return own.to_owned();
        }
        let zone = TimeZone::get(&self.context.tenant.time_zone).unwrap_or(TimeZone::UTC);
        let hour = now.timestamp().to_zoned(zone).hour();
        let name = self.context.settings.name.trim();
        let business = &self.context.tenant.name;
        if self.english() {
            let part = match hour {
                5..12 => "Good morning",
                12..18 => "Good afternoon",
                _ => "Good evening",
            };
            return match name {
                "" => format!("{part}! I am the virtual assistant of {business}."),
                name => format!("{part}! I am {name}, the virtual assistant of {business}."),
            };
        }
        let part = match hour {
            5..12 => "Bom dia",
            12..18 => "Boa tarde",
            _ => "Boa noite",
        };
        match name {
            "" => format!("{part}! Aqui é a assistente virtual de {business}."),
            name => format!("{part}! Aqui é {name}, assistente virtual de {business}."),
        }
    }

    pub(crate) fn how_can_i_help(&self) -> String {
        self.pick("Como posso ajudar?", "Em que posso ajudar?", "How can I help?")
    }

    pub(crate) fn you_are_welcome(&self) -> String {
        self.pick(
            "Por nada! Se precisar, é só chamar.",
            "Disponha. Estamos à disposição.",
            "You are welcome! Write again whenever you need.",
        )
    }

    pub(crate) fn goodbye(&self) -> String {
        self.pick("Até mais!", "Até logo. Estamos à disposição.", "Goodbye!")
    }

    /// How to reach a person, by a phrase that this business's assistant understands.
    fn offer(&self) -> String {
        let rules = &self.context.rules;
        let usual = if self.english() { "human agent" } else { "atendente" };
        let word = if rules.asks_for_person(usual) {
            usual
        } else {
            match rules.handoff_words.first() {
                Some(own) => own,
                None => return String::new(),
            }
        };
        self.pick(
            " Se quiser falar com uma pessoa da equipe, responda *{palavra}*.",
            " Caso prefira falar com uma pessoa da equipe, responda *{palavra}*.",
            " To talk to a person of the team, reply *{palavra}*.",
        )
        .replace("{palavra}", word)
    }

    /// The honest answer when the knowledge supports none.
    pub(crate) fn do_not_know(&self) -> String {
        self.pick(
            "Essa informação eu não tenho aqui.",
            "Não disponho dessa informação.",
            "I do not have that information here.",
        ) + &self.offer()
    }

    /// To a price asked for by itself.
    pub(crate) fn of_what(&self) -> String {
        self.pick(
            "De qual produto ou serviço você quer saber?",
            "De qual produto ou serviço gostaria de saber?",
            "Which product or service would you like to know about?",
        )
    }

    /// For the parts of a text that are not known, when the rest is answered.
    pub(crate) fn do_not_know_these(&self, questions: &[&str]) -> String {
        let quoted: Vec<String> = questions.iter().map(|q| format!("“{}”", shortened(q))).collect();
        self.pick(
            "Sobre {pergunta}, não tenho essa informação.",
            "Quanto a {pergunta}, não disponho dessa informação.",
            "About {pergunta}: I do not have that information.",
        )
        .replace("{pergunta}", &quoted.join(", "))
            + &self.offer()
    }

    /// The second time in a row.
    pub(crate) fn do_not_know_again(&self) -> String {
        self.pick(
            "Também não tenho essa informação. Já avisei a equipe: uma pessoa continua a conversa com você por aqui.",
            "Também não disponho dessa informação. A equipe foi avisada e uma pessoa dará continuidade ao atendimento.",
            "I do not have that information either. I told the team: a person will go on from here.",
        )
    }

    pub(crate) fn calling_a_person(&self) -> String {
        self.pick(
            "Certo, já avisei a equipe. Uma pessoa continua a conversa com você por aqui.",
            "A equipe foi avisada. Uma pessoa dará continuidade ao atendimento por aqui.",
            "All right, I told the team. A person will go on from here.",
        )
    }

    pub(crate) fn cannot_open_media(&self, audio: bool) -> String {
        if audio {
            self.pick(
                "Ainda não consigo ouvir áudios. Já avisei a equipe: uma pessoa vai ouvir e responder por aqui.",
                "Não é possível ouvir áudios por aqui. A equipe foi avisada e uma pessoa responderá.",
                "I cannot listen to audio yet. I told the team: a person will listen and answer here.",
            )
        } else {
            self.pick(
                "Recebi, mas ainda não consigo abrir esse tipo de mensagem. Já avisei a equipe: uma pessoa vai olhar e responder por aqui.",
                "Recebido. Não é possível abrir esse tipo de mensagem por aqui; uma pessoa da equipe responderá.",
                "I received it but cannot open this kind of message yet. A person of the team will look and answer here.",
            )
        }
    }

    /// To whoever tries to make the assistant something else.
    pub(crate) fn only_our_business(&self) -> String {
        self.pick(
            "Só posso ajudar com assuntos de {empresa}. O que você gostaria de saber?",
            "Só posso ajudar com assuntos de {empresa}. Em que posso ser útil?",
            "I can only help with matters of {empresa}. What would you like to know?",
        )
    }
}
