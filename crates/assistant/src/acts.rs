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
const FIRE: &str = "fogo incendio fumaca gas explosao explodiu queimado chamas pegando presa preso elevador afogando afogou \
    soterrado desabou";
const POLICE: &str = "bateu batendo agrediu agredindo agressao ameaca ameacou ameacando faca arma armado assalto assaltando \
    roubando sequestro sumiu desapareceu estuprou estupro abuso abusou assedio assediou passou mao perseguindo seguindo \
    stalker violento violencia espancando socorro levaram estranho desconhecido tiro tiros refem invadindo alisando tocou \
    agarrou encostando nude nudes marido namorado ex";
const ANIMAL: &str = "cachorro cachorra cadela cao gato gata gatinho gatinha pet filhote calopsita coelho passaro veterinario \
    cachorrinho cachorrinha pitbull pug";

pub(crate) fn helpline(plain: &Plain) -> Helpline {
    let has = |list: &str| plain.words().any(|w| list.split_ascii_whitespace().any(|one| one == w));
    let line = &plain.line;
    let of_oneself =
        [" me matar ", " minha vida ", " quero morrer ", " nao aguento mais ", " nao quero mais "]
            .iter()
            .any(|phrase| line.contains(phrase));
    if has(FIRE) {
        Helpline::Fire
    } else if has(ANIMAL) && !has(POLICE) {
        Helpline::Animal
    } else if of_oneself || (has(LIFE) && !has(POLICE)) {
        Helpline::Life
    } else if has(POLICE) {
        Helpline::Police
    } else {
        Helpline::Ambulance
    }
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
