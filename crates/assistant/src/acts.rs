//! What an act is answered with, and whether a person is called for it.

use inbox::Reason;
use understanding::{Act, Plain, Strength};

use crate::phrases::Phrases;

/// Whether a person is called for an act as soon as it is certain.
pub(crate) fn is_for_a_person(act: Act) -> bool {
    matches!(
        act,
        Act::Harm
            | Act::HealthRisk
            | Act::Complaint
            | Act::Person
            | Act::Cancel
            | Act::Receipt
            | Act::Status
            | Act::Order
            | Act::Booking
            | Act::Haggle
            | Act::Applicant
            | Act::Supplier
            | Act::Insult
    )
}

/// How sure an act must be to come before an answer of the knowledge: what goes wrong when nobody comes weighs more
/// than a person who was called for a question.
pub(crate) fn acted_on(act: Act) -> Strength {
    match act {
        Act::Harm | Act::Complaint | Act::Cancel | Act::Status | Act::Receipt | Act::Stop => {
            Strength::Likely
        }
        _ => Strength::Certain,
    }
}

/// Whether an act says that somebody is in danger, and does not only sound of it.
pub(crate) fn is_danger(found: &understanding::Found) -> bool {
    found.act == Act::Harm && found.strength >= acted_on(Act::Harm)
}

/// Acts where a rule that the knowledge has is told along with the person's being called.
pub(crate) fn tells_the_rule(act: Act) -> bool {
    matches!(
        act,
        Act::HealthRisk
            | Act::Complaint
            | Act::Cancel
            | Act::Receipt
            | Act::Booking
            | Act::Order
            | Act::Haggle
    )
}

/// Acts that want a thing: of which the business must have heard.
pub(crate) fn wants_a_thing(act: Act) -> bool {
    matches!(act, Act::Order | Act::Booking)
}

pub(crate) fn reason(act: Act) -> Reason {
    match act {
        Act::Person => Reason::AskedForPerson,
        act => Reason::Act(act),
    }
}

/// What is said when an act calls a person.
pub(crate) fn words(act: Act, plain: &Plain, phrases: &Phrases<'_>) -> String {
    match act {
        Act::Harm => phrases.emergency(helpline(plain)),
        Act::HealthRisk => phrases.health_risk(),
        Act::Complaint | Act::Insult => phrases.complaint(),
        Act::Cancel => phrases.cancel(),
        Act::Receipt => phrases.receipt(),
        Act::Status => phrases.status(),
        Act::Order => phrases.order(),
        Act::Booking => phrases.booking(),
        Act::Haggle => phrases.haggle(),
        Act::Applicant => phrases.applicant(),
        Act::Supplier => phrases.supplier(),
        _ => phrases.calling_a_person(),
    }
}

/// Whom somebody in danger should call in Brazil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helpline {
    /// 192, the ambulance.
    Ambulance,
    /// 193, the fire brigade.
    Fire,
    /// 190, the police.
    Police,
    /// 188, somebody to talk to.
    Life,
    /// An animal: its own clinic.
    Animal,
}

const LIFE: &str = "viver vida morrer suicidio matar existir pulsos despedida despedir desistir sumir remedios \
    comprimidos cartela";
const FIRE: &str =
    "fogo incendio fumaca gas explosao explodiu chamas elevador afogando afogou soterrado desabou";
/// Words of fire, or of violence, that may also tell of an illness: "preso na garganta", "passou mal", "meu marido".
const PERHAPS_FIRE: &str = "queimado pegando presa preso";
const POLICE: &str = "agrediu agredindo agressao ameaca ameacou ameacando arma armado armada assalto assaltando roubando sequestro \
    estuprou estupro abuso abusou assedio assediou mao perseguindo stalker violento violencia espancando tiro tiros refem \
    invadindo alisando tocou agarrou encostando nude nudes ex";
const PERHAPS_POLICE: &str = "bateu batendo faca sumiu desapareceu passou seguindo socorro levaram estranho desconhecido marido \
    namorado";
const BEATEN: &[&str] = &[" me bateu ", " me batendo ", " bateu em mim ", " batendo em mim "];
/// How words begin that tell of an illness or an injury.
const BODY: &[&str] = &[
    "inchad",
    "inchan",
    "incho",
    "respir",
    "alerg",
    "sangr",
    "desmai",
    "convuls",
    "febre",
    "vomit",
    "engasg",
    "garganta",
    "infart",
    "inconscien",
    "desacord",
    "paralis",
    "avc",
    "tontu",
    "mal",
    "caiu",
    "quebrou",
    "cort",
    "veneno",
    "envenen",
];
const ANIMAL: &str = "cachorro cachorra cadela cao gato gata gatinho gatinha pet filhote calopsita coelho passaro veterinario \
    cachorrinho cachorrinha pitbull pug";

pub(crate) fn helpline(plain: &Plain) -> Helpline {
    let has = |list: &str| plain.words().any(|w| list.split_ascii_whitespace().any(|one| one == w));
    let line = &plain.line;
    let of_oneself =
        [" me matar ", " minha vida ", " quero morrer ", " nao aguento mais ", " nao quero mais "]
            .iter()
            .any(|phrase| line.contains(phrase));
    let of_the_body = plain.words().any(|word| BODY.iter().any(|start| word.starts_with(start)));
    let beaten = BEATEN.iter().any(|phrase| line.contains(phrase));
    let fire = has(FIRE) || (has(PERHAPS_FIRE) && !of_the_body);
    let police = has(POLICE) || beaten || (has(PERHAPS_POLICE) && !of_the_body);
    if fire {
        Helpline::Fire
    } else if has(ANIMAL) && !police {
        Helpline::Animal
    } else if of_oneself || (has(LIFE) && !police) {
        Helpline::Life
    } else if police {
        Helpline::Police
    } else {
        Helpline::Ambulance
    }
}

/// Whether somebody is ill or hurt: a house that treats people or animals may say what to do.
pub(crate) fn is_of_the_body(plain: &Plain) -> bool {
    matches!(helpline(plain), Helpline::Ambulance | Helpline::Animal)
}

/// "Cancelar" and nothing else: of an appointment, or of our messages?
pub(crate) fn is_bare_cancel(plain: &Plain) -> bool {
    let mut words =
        plain.words().filter(|w| !matches!(*w, "por" | "favor" | "oi" | "ola" | "quero" | "eu"));
    matches!(
        (words.next(), words.next()),
        (Some("cancelar" | "cancela" | "cancele" | "cancel"), None)
    )
}

/// What brings the messages back that somebody ended.
pub(crate) fn asks_to_hear_again(plain: &Plain) -> bool {
    let line = plain.line.trim();
    matches!(
        line,
        "voltar"
            | "quero voltar"
            | "voltar a receber"
            | "start"
            | "resume"
            | "quero receber"
            | "quero receber de novo"
    )
}

/// Whether a text that sounds like an attack gives no orders: it only asks.
pub(crate) fn only_asks(plain: &Plain) -> bool {
    const ORDERS: &[&str] = &[
        "ignor",
        "desconsider",
        "esquec",
        "instruc",
        "regra",
        "prompt",
        "sistema",
        "finja",
        "fing",
        "aja",
        "responda",
        "escrev",
        "confirm",
        "mostr",
        "revel",
        "repit",
        "entra",
        "ativ",
        "agora",
    ];
    plain.asks && !plain.words().any(|word| ORDERS.iter().any(|order| word.starts_with(order)))
}

/// "Nossa, caro!" is an exclamation, and no wish for another price.
pub(crate) fn only_exclaims(plain: &Plain) -> bool {
    const WISHES: &[&str] = &[
        "descont", "abaix", "baix", "menos", "faz", "fecha", "melhor", "negoci", "condic", "por",
        "consegu",
    ];
    plain.words().count() <= 5
        && !plain.asks
        && !plain.words().any(|word| {
            word.bytes().any(|b| b.is_ascii_digit())
                || WISHES.iter().any(|wish| word.starts_with(wish))
        })
}

/// "A Dra. Renata atende na sexta?": asked of somebody's days, and no wish to come.
pub(crate) fn only_asks_for_days(plain: &Plain) -> bool {
    const BOOKING: &[&str] = &[
        "marc", "agend", "reserv", "vaga", "encaix", "horario", "posso", "quero", "queria",
        "gostaria", "consigo", "consegu", "preciso", "vou", "ser",
    ];
    const SERVING: &[&str] =
        &["atende", "atendem", "trabalha", "abre", "abrem", "funciona", "fica", "vem"];
    plain.asks
        && plain.words().any(|word| SERVING.contains(&word))
        && !plain.words().any(|word| BOOKING.iter().any(|start| word.starts_with(start)))
}

/// "Uma calabresa pra entregar na rua Tal, 300": to an address.
pub(crate) fn wants_it_brought(plain: &Plain) -> bool {
    plain.words().any(|word| {
        word.starts_with("entreg")
            || matches!(word, "rua" | "avenida" | "av" | "bairro" | "endereco")
    })
}

/// Whether a rule says that no time is agreed before.
pub(crate) fn denies_booking(rule: &str) -> bool {
    let folded = kernel::text::fold_words(rule);
    [
        "ordem de chegada",
        "nao agend",
        "nao marcamos",
        "nao reserv",
        "sem marcar",
        "sem agendar",
        "nao precisa marcar",
        "nao precisa agendar",
        "nao trabalhamos com hora",
        "sem hora marcada",
        "nao e preciso marcar",
    ]
    .iter()
    .any(|denial| folded.contains(denial))
}

/// Whether a rule is of what costs less, or nothing.
pub(crate) fn speaks_of_discounts(rule: &str) -> bool {
    let folded = kernel::text::fold(rule);
    ["%", "desconto", "gratis", "de graca", "isent", "sem custo"]
        .iter()
        .any(|word| folded.contains(word))
}

/// Whether a text asks for a number or an address, and for nobody to talk to.
pub(crate) fn wants_contacts(plain: &Plain) -> bool {
    const CONTACTS: &[&str] =
        &["telefone", "endereco", "localizacao", "site", "instagram", "insta", "email", "numero"];
    const TALKING: &[&str] = &[
        "falar",
        "pessoa",
        "atendente",
        "humano",
        "ligar",
        "ligue",
        "liga",
        "conversar",
        "gerente",
        "dono",
        "responsavel",
        "alguem",
    ];
    plain.words().any(|word| CONTACTS.contains(&word))
        && !plain.words().any(|word| TALKING.contains(&word))
}

/// "A Jandira está aí?" asks for her.
pub(crate) fn asks_for_somebody(plain: &Plain) -> bool {
    const DAYS: &[&str] = &[
        "segunda", "terca", "quarta", "quinta", "sexta", "sabado", "domingo", "hoje", "amanha",
        "horas", "loja", "clinica", "aberta", "aberto", "que", "quais", "dia", "dias", "tarde",
        "manha", "noite", "ate",
    ];
    let words: Vec<&str> = plain.words().collect();
    let there = words.windows(4).any(|four| {
        matches!(four[0], "a" | "o")
            && matches!(four[2], "esta")
            && matches!(four[3], "ai" | "disponivel")
    });
    there && words.len() <= 14 && !words.iter().any(|word| DAYS.contains(word))
}

/// "Você é a Dalva?" asks who is answering.
pub(crate) fn asks_who_answers(plain: &Plain) -> bool {
    let words: Vec<&str> = plain
        .words()
        .filter(|word| !matches!(*word, "oi" | "ola" | "bom" | "boa" | "dia" | "tarde" | "noite"))
        .collect();
    matches!(
        words.as_slice(),
        ["voce", "e", "o" | "a", _] | ["voce", "e", "o" | "a", "dona" | "seu" | "dr" | "dra", _]
    ) || matches!(words.as_slice(), ["e", "o" | "a", _, "que", "esta", "falando" | "respondendo"])
}

/// "Tem vaga?" after what was said of a course or a room asks for a place in it.
pub(crate) fn asks_for_a_job(plain: &Plain) -> bool {
    const JOB: &[&str] = &[
        "empreg",
        "trabalh",
        "curric",
        "contrat",
        "estag",
        "freela",
        "experiencia",
        "oportunidade",
        "cnh",
        "auxiliar",
        "atendente",
        "motoboy",
        "entregador",
        "recepcionista",
        "precisando",
        "cv",
        "selecao",
        "profissao",
        "formad",
        "formei",
    ];
    plain.words().any(|word| JOB.iter().any(|start| word.starts_with(start)))
}

/// "Queria marcar uma avaliação": whoever wishes to come or to buy does not complain.
pub(crate) fn wishes_to_come(plain: &Plain) -> bool {
    const WISH: &[&str] = &["quero", "queria", "gostaria", "preciso", "posso", "vou"];
    const COMING: &[&str] =
        &["marcar", "agendar", "reservar", "pedir", "encomendar", "comprar", "conhecer", "fazer"];
    plain.words().any(|word| WISH.contains(&word))
        && plain.words().any(|word| COMING.contains(&word))
}

/// "Boa noite, aqui é a Cleide da rua Harmonia": who writes, and no question.
pub(crate) fn says_who_writes(plain: &Plain) -> bool {
    const SAYS: &[&str] = &["aqui e", "aqui quem fala", "meu nome e", "me chamo", "quem fala e"];
    const MORE: &[&str] = &[
        "quero", "queria", "gostaria", "preciso", "saber", "quanto", "qual", "quais", "onde",
        "quando", "tem", "pode", "posso", "como", "faz", "fazem",
    ];
    !plain.asks
        && plain.words().count() <= 14
        && SAYS.iter().any(|said| kernel::text::has_phrase(plain.line.trim(), said))
        && !plain.words().any(|word| MORE.contains(&word))
}

/// Whether a text gives thanks by a word for it.
pub(crate) fn gives_thanks(plain: &Plain) -> bool {
    const THANKS: &[&str] =
        &["obrigad", "brigad", "agradec", "valeu", "gratidao", "thank", "gracias"];
    plain.words().any(|word| THANKS.iter().any(|one| word.starts_with(one)))
}

/// Whether a text praises without a but: "a pizza tava perfeita".
pub(crate) fn praises(plain: &Plain) -> bool {
    const PRAISE: &[&str] = &[
        "perfeit",
        "maravilh",
        "delici",
        "otim",
        "excelent",
        "impecav",
        "sensacional",
        "amei",
        "adorei",
        "arrasa",
        "arraso",
        "parabens",
        "show",
        "gostos",
        "lind",
        "top",
    ];
    const BUT: &[&str] = &[
        "nao",
        "mas",
        "porem",
        "so",
        "nunca",
        "sem",
        "pelo",
        "demora",
        "descaso",
        "pena",
        "faltou",
        "atraso",
        "esperar",
        "espera",
        "esperando",
        "fria",
        "frio",
        "pior",
    ];
    plain.words().any(|word| PRAISE.iter().any(|praise| word.starts_with(praise)))
        && !plain.words().any(|word| BUT.contains(&word))
}

/// "Preciso de um orçamento de 40 pizzas": wants to buy, and offers nothing.
pub(crate) fn asks_for_a_quote(plain: &Plain) -> bool {
    const WISHES: &[&str] = &[
        "preciso",
        "precisamos",
        "queria",
        "quero",
        "queremos",
        "gostaria",
        "fazer",
        "manda",
        "passa",
    ];
    const OFFERS: &[&str] = &["represent", "fornec", "apresentar", "oferec", "parceria", "divulg"];
    plain.words().any(|word| word.starts_with("orcament"))
        && plain.words().any(|word| WISHES.contains(&word))
        && !plain.words().any(|word| OFFERS.iter().any(|one| word.starts_with(one)))
}

/// Whether a text is a yes to what was offered, and nothing else.
pub(crate) fn says_yes(plain: &Plain) -> bool {
    const YES: &[&str] = &[
        "sim", "quero", "pode", "ser", "claro", "isso", "por", "favor", "gostaria", "ok", "yes",
        "please",
    ];
    plain.words().count() > 0
        && plain.words().count() <= 4
        && plain.words().all(|word| YES.contains(&word))
        && plain
            .words()
            .any(|word| matches!(word, "sim" | "quero" | "claro" | "gostaria" | "yes" | "pode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(of: fn(&Plain) -> bool, yes: &[&str], no: &[&str]) {
        for text in yes {
            assert!(of(&Plain::of(text)), "{text}");
        }
        for text in no {
            assert!(!of(&Plain::of(text)), "{text}");
        }
    }

    #[test]
    fn what_only_sounds_like_a_wish_is_told_from_one() {
        all(
            only_asks_for_days,
            &["a dra Renata atende na sexta?", "vocês abrem domingo?"],
            &["dá pra marcar na sexta?", "queria ir na sexta, ela atende?", "atende na sexta"],
        );
        all(
            wants_it_brought,
            &["uma calabresa grande pra entregar na rua Tal, 300"],
            &["manda mais 2 travesseiros no 204", "põe 2 lugares na escuna"],
        );
    }

    #[test]
    fn somebody_is_asked_for_by_name() {
        all(
            asks_for_somebody,
            &["a Jandira ta ai? é só com ela mesmo"],
            &["o nivaldo ta ai de tarde?", "a loja ta aberta?", "o valdir ta ai quais dias?"],
        );
        all(
            asks_who_answers,
            &["vc é a Dalva?", "oi, você é o seu Zé?"],
            &["você é uma loja de quê?"],
        );
    }

    #[test]
    fn the_number_to_call_is_that_of_the_danger() {
        for (text, line) in [
            ("meu marido comeu a pizza de vcs e ta com a boca toda inchada", Helpline::Ambulance),
            ("meu namorado passou mal e ta com dificuldade de respirar", Helpline::Ambulance),
            ("socorro, meu filho desmaiou aqui na loja", Helpline::Ambulance),
            ("ele caiu e bateu a cabeça, ta sangrando muito", Helpline::Ambulance),
            ("ela ta com um bife preso na garganta e não respira", Helpline::Ambulance),
            ("meu marido me bateu, to sangrando", Helpline::Police),
            ("meu ex ta me ameaçando com uma faca", Helpline::Police),
            ("tem um homem armado aqui na loja, socorro", Helpline::Police),
            ("minha mãe ta presa no elevador de vocês", Helpline::Fire),
            ("pegou fogo na cozinha", Helpline::Fire),
            ("não quero mais viver", Helpline::Life),
            ("meu cachorro comeu veneno", Helpline::Animal),
        ] {
            assert_eq!(helpline(&Plain::of(text)), line, "{text}");
        }
    }

    #[test]
    fn a_number_is_no_person() {
        all(
            wants_contacts,
            &["me passa o tel tb pfv", "manda o endereço"],
            &["me liga nesse número?", "qual o telefone pra falar com o gerente?"],
        );
    }

    #[test]
    fn a_rule_may_say_that_nothing_is_agreed_before() {
        assert!(denies_booking("Lavagem por ordem de chegada. Não agendamos."));
        assert!(!denies_booking("Por aqui mesmo, ou pelo telefone."));
    }
}
