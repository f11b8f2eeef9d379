//! What the assistant says in its own words, in the tenant's language and tone.

use jiff::tz::TimeZone;
use kernel::Moment;

use crate::acts::Helpline;
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

/// "da", "do" or "de" before a business's name, by its first word.
fn of_the(name: &str) -> &'static str {
    const FEMININE: &[&str] = &["imobiliaria", "advocacia", "farmacia"];
    const MASCULINE: &[&str] = &[
        "acougue",
        "armazem",
        "atelie",
        "auto",
        "bar",
        "bistro",
        "buffet",
        "cafe",
        "centro",
        "clube",
        "colegio",
        "consultorio",
        "cursinho",
        "curso",
        "emporio",
        "escritorio",
        "espaco",
        "estudio",
        "grupo",
        "hortifruti",
        "hospital",
        "hostel",
        "hotel",
        "instituto",
        "laboratorio",
        "lar",
        "lava",
        "mercado",
        "mini",
        "pet",
        "petshop",
        "posto",
        "restaurante",
        "salao",
        "sitio",
        "spa",
        "studio",
        "supermercado",
        "templo",
    ];
    let first = kernel::text::fold(name.split_whitespace().next().unwrap_or_default());
    if FEMININE.contains(&first.as_str()) || (first.len() > 3 && first.ends_with('a')) {
        "da"
    } else if MASCULINE.contains(&first.as_str()) || (first.len() > 3 && first.ends_with('o')) {
        "do"
    } else {
        "de"
    }
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
        let name = &self.context.tenant.name;
        text.replace("{da_empresa}", &format!("{} {name}", of_the(name))).replace("{empresa}", name)
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
            "" => format!("{part}! Aqui é a assistente virtual {} {business}.", of_the(business)),
            name => {
                format!(
                    "{part}! Aqui é {name}, assistente virtual {} {business}.",
                    of_the(business)
                )
            }
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

    /// Whether a text offered a person.
    pub(crate) fn offers_a_person(&self, text: &str) -> bool {
        let offer = self.offer();
        !offer.is_empty() && text.contains(offer.trim())
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

    /// To whoever tries to make the assistant something else, or asks what no business of this kind knows.
    pub(crate) fn only_our_business(&self) -> String {
        self.pick(
            "Aqui é a assistente virtual {da_empresa}: só posso ajudar com assuntos daqui.",
            "Esta é a assistente virtual {da_empresa}: só posso ajudar com assuntos daqui.",
            "This is the virtual assistant of {empresa}: I can only help with matters of ours.",
        )
    }

    pub(crate) fn who_am_i(&self) -> String {
        self.pick(
            "Sou a assistente virtual {da_empresa}: um programa que responde com as informações que a equipe deixou.",
            "Sou a assistente virtual {da_empresa}, um programa que responde com as informações fornecidas pela equipe.",
            "I am the virtual assistant of {empresa}: a program that answers with what the team has told it.",
        ) + &self.offer()
    }

    /// Somebody says something that asks nothing.
    pub(crate) fn noted(&self) -> String {
        self.pick(
            "Certo! Se precisar de alguma informação, é só chamar.",
            "Certo. Se precisar de alguma informação, estamos à disposição.",
            "All right! If you need to know anything, just ask.",
        )
    }

    pub(crate) fn emergency(&self, line: Helpline) -> String {
        let called = self.pick(
            "Já chamei uma pessoa da equipe com urgência.",
            "Uma pessoa da equipe foi chamada com urgência.",
            "I have called a person of the team urgently.",
        );
        let advice = match (line, self.english()) {
            (Helpline::Life, false) => {
                "Você não está só: o CVV atende de graça, a qualquer hora, pelo telefone 188. Se houver risco agora, ligue 192 (SAMU)."
            }
            (Helpline::Fire, false) => {
                "Saia do lugar, se for seguro, e ligue agora para 193 (bombeiros)."
            }
            (Helpline::Police, false) => {
                "Se houver perigo agora, ligue 190 (polícia); se alguém estiver ferido, 192 (SAMU)."
            }
            (Helpline::Animal, false) => {
                "Se não responderem logo, leve o animal ao plantão veterinário mais próximo."
            }
            (Helpline::Ambulance, false) => "Se houver risco agora, ligue 192 (SAMU).",
            (Helpline::Life, true) => {
                "You are not alone: CVV listens for free at any hour, telephone 188. If there is danger now, call 192."
            }
            (Helpline::Fire, true) => {
                "Leave the place if it is safe, and call 193 (fire brigade) now."
            }
            (Helpline::Police, true) => {
                "If there is danger now, call 190 (police); if somebody is hurt, 192 (ambulance)."
            }
            (Helpline::Animal, true) => {
                "If nobody replies at once, take the animal to the nearest veterinary emergency."
            }
            (Helpline::Ambulance, true) => "If there is danger now, call 192 (ambulance).",
        };
        format!("{called} {advice}")
    }

    pub(crate) fn health_risk(&self) -> String {
        self.pick(
            "Sobre a sua saúde, prefiro que uma pessoa responda. Já avisei a equipe, que continua por aqui.",
            "Por envolver saúde, uma pessoa da equipe dará a resposta por aqui.",
            "As this is about health, I would rather a person answered. I told the team: they will go on from here.",
        )
    }

    pub(crate) fn complaint(&self) -> String {
        self.pick(
            "Sinto muito por isso. Já passei para a equipe, e uma pessoa continua a conversa com você por aqui.",
            "Lamentamos o ocorrido. A equipe foi avisada e uma pessoa dará continuidade por aqui.",
            "I am sorry about this. I told the team: a person will go on from here.",
        )
    }

    pub(crate) fn cancel(&self) -> String {
        self.pick(
            "Já avisei a equipe do cancelamento: uma pessoa confirma com você por aqui.",
            "Sua solicitação de cancelamento foi passada à equipe: uma pessoa confirmará por aqui.",
            "I told the team of your cancellation: a person will confirm it here.",
        )
    }

    pub(crate) fn receipt(&self) -> String {
        self.pick(
            "Já passei para a equipe: uma pessoa confere e responde por aqui.",
            "A equipe foi avisada: uma pessoa verificará e responderá por aqui.",
            "I told the team: a person will check and reply here.",
        )
    }

    pub(crate) fn status(&self) -> String {
        self.pick(
            "Vou pedir para a equipe verificar: uma pessoa responde por aqui.",
            "A equipe foi avisada para verificar: uma pessoa responderá por aqui.",
            "I asked the team to look: a person will reply here.",
        )
    }

    pub(crate) fn order(&self) -> String {
        self.pick(
            "Já passei seu pedido para a equipe: uma pessoa confirma com você por aqui.",
            "Seu pedido foi passado à equipe: uma pessoa confirmará por aqui.",
            "I passed your order to the team: a person will confirm it here.",
        )
    }

    pub(crate) fn booking(&self) -> String {
        self.pick(
            "Já passei para a equipe: uma pessoa vê o horário e confirma com você por aqui.",
            "A equipe foi avisada: uma pessoa verificará o horário e confirmará por aqui.",
            "I told the team: a person will look for the time and confirm it here.",
        )
    }

    /// Somebody wants what the knowledge has no word for.
    pub(crate) fn wish_unheard_of(&self) -> String {
        self.pick(
            "Não sei se temos isso por aqui. Já passei para a equipe: uma pessoa responde por aqui.",
            "Não tenho essa informação. A equipe foi avisada e uma pessoa responderá por aqui.",
            "I do not know whether we have that. I told the team: a person will answer here.",
        )
    }

    /// To an order of things that the business has never heard of.
    pub(crate) fn another_house(&self) -> String {
        self.pick(
            "Aqui é {da_empresa}, e não encontrei isso no que oferecemos. Será que a mensagem era para outro lugar?",
            "Aqui é {da_empresa}, e isso não consta do que oferecemos. Talvez a mensagem seja para outro lugar.",
            "This is {empresa}, and I did not find that in what we offer. Was this message for somebody else?",
        ) + &self.offer()
    }

    pub(crate) fn haggle(&self) -> String {
        self.pick(
            "Valores eu não posso negociar. Já passei para a equipe, que responde por aqui.",
            "Não posso negociar valores. A equipe foi avisada e responderá por aqui.",
            "I cannot negotiate prices. I told the team: a person will reply here.",
        )
    }

    pub(crate) fn applicant(&self) -> String {
        self.pick(
            "Obrigada pelo interesse! Já passei sua mensagem para a equipe.",
            "Agradecemos o interesse. Sua mensagem foi passada à equipe.",
            "Thank you for your interest! I passed your message to the team.",
        )
    }

    pub(crate) fn supplier(&self) -> String {
        self.pick(
            "Obrigada pelo contato! Passei sua mensagem para a equipe, que responde se houver interesse.",
            "Agradecemos o contato. Sua mensagem foi passada à equipe, que responderá se houver interesse.",
            "Thank you for writing! I passed your message to the team, who will reply if interested.",
        )
    }

    /// "Cancelar" alone: what is to be cancelled?
    pub(crate) fn cancel_what(&self) -> String {
        self.pick(
            "Você quer cancelar um horário ou pedido, ou não quer mais receber mensagens? Responda *pedido* ou *sair*.",
            "Deseja cancelar um horário ou pedido, ou não receber mais mensagens? Responda *pedido* ou *sair*.",
            "Do you want to cancel an appointment or order, or to get no more messages? Reply *order* or *stop*.",
        )
    }

    pub(crate) fn hears_again(&self) -> String {
        self.pick(
            "Certo, você volta a receber nossas mensagens.",
            "Certo. O envio de mensagens foi reativado.",
            "All right, you will hear from us again.",
        )
    }
}
