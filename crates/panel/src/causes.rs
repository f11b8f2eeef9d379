//! Causes that other rooms tell in English, in people's words: what happened and what to do.

use ui::Lang;

/// A part of the cause, and what it is in Portuguese.
const CAUSES: &[(&str, &str)] = &[
    ("logged out here", "O celular foi desconectado por aqui. Conecte o canal de novo."),
    (
        "connection to WhatsApp is closed",
        "A conexão com o WhatsApp caiu. Conecte o celular de novo.",
    ),
    ("Unauthorized", "A chave não foi aceita. Confira-a no servidor."),
    ("unauthorized", "A chave não foi aceita. Confira-a no servidor."),
    (
        "instance does not exist",
        "A instância não existe mais no servidor. Remova este canal e conecte de novo.",
    ),
    ("phone is not connected", "O celular não está conectado. Conecte o canal e envie de novo."),
    ("instance is not connected", "O celular não está conectado. Conecte o canal e envie de novo."),
    (
        "signed by no authority",
        "O certificado do servidor não é de uma autoridade conhecida. Instale um certificado válido nele.",
    ),
    (
        "certificate is for another name",
        "O certificado do servidor é de outro nome. Confira o endereço do canal.",
    ),
    ("certificate has expired", "O certificado do servidor venceu. Renove-o."),
    (
        "certificate is not",
        "O certificado do servidor não pode ser aceito. Confira-o, e o relógio das duas máquinas.",
    ),
    ("speaks no TLS", "O servidor não fala HTTPS neste endereço. Confira o endereço e a porta."),
    ("TLS: ", "A conexão segura com o servidor falhou. Confira o HTTPS dele."),
    ("leads to no address", "O nome do servidor não existe. Confira o endereço do canal."),
    (
        "nothing listens at its address",
        "Nada responde no endereço do servidor. Confira o endereço e se ele está no ar.",
    ),
    (
        "minutes old: the provider delivers late",
        "As mensagens chegam com atraso, ou um relógio está errado. Peça a quem cuida do sistema que confira o relógio do servidor.",
    ),
    (
        "That is allowed for",
        "O relógio do provedor e o deste servidor não batem. A diferença é descontada, mas peça a quem cuida do sistema que confira o relógio.",
    ),
    (
        "was not reached",
        "O servidor não respondeu. Confira se o endereço está certo e se ele está no ar.",
    ),
    (
        "PORTARIA_ALLOW_PRIVATE_UPSTREAMS",
        "Este endereço é de uma rede privada ou desta máquina. Use um endereço público, ou peça a quem cuida do sistema que o permita (PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1).",
    ),
    ("is no http or https address", "Escreva um endereço que comece com https://."),
    (
        "holds a user name or password",
        "O endereço traz usuário ou senha: tire-os e use o campo da chave.",
    ),
    (
        "not a phone number in international form",
        "Escreva o número com país e DDD, só números, como 55 11 98765-4321.",
    ),
    (
        "a phone number id is",
        "A identificação do número de telefone tem só algarismos, até 32: é a que a Meta mostra, não o número em si.",
    ),
    (
        "a company domain is",
        "Escreva só o domínio, como chat.example.com, sem https:// nem caminho.",
    ),
    ("an instance name has", "O nome da instância tem de 1 a 100 letras e nenhuma barra."),
    ("the shared secret must have", "O segredo precisa de ao menos 16 letras ou números."),
    ("must not be empty", "Falta preencher uma chave ou um segredo."),
    (
        "the token was not checked",
        "O servidor não respondeu quando o canal foi criado: o token ainda não foi conferido.",
    ),
    ("too large", "O arquivo é grande demais: no máximo 20 MB."),
    ("has upper-case letters", "Use só letras minúsculas, como clinica-sol."),
    ("slug `", "Use de 2 a 40 letras minúsculas, números ou hífens, como clinica-sol."),
    ("text must have 1 to 4096", "Escreva de 1 a 4.096 letras."),
    ("must have 1 to 4096", "Escreva de 1 a 4.096 letras."),
];

/// What a failed call of a model came to.
const MODELS: &[(&str, (&str, &str))] = &[
    (
        "refused",
        (
            "o provedor recusou: confira a chave e o nome do modelo",
            "the provider refused: see the key and the model's name",
        ),
    ),
    ("unavailable", ("não respondeu: confira o endereço", "did not answer: see the address")),
    (
        "throttled",
        ("pediu para esperar: limite de uso atingido", "asked to wait: its limit is reached"),
    ),
    ("empty", ("não deu resposta que se aproveite", "gave no answer of use")),
    (
        "circuit_open",
        (
            "falhou várias vezes e descansa por um minuto",
            "failed several times and rests for a minute",
        ),
    ),
    (
        "not_in_evidence",
        (
            "disse o que o conhecimento não sustenta; não foi usado",
            "said what the knowledge does not support; not used",
        ),
    ),
    (
        "act_claimed",
        (
            "disse que fez ou vai fazer algo que não faz; não foi usado",
            "said that it did or will do what it cannot; not used",
        ),
    ),
    ("cut_off", ("parou no meio da resposta; não foi usado", "stopped in the middle; not used")),
    (
        "wrong_language",
        ("respondeu em outro idioma; não foi usado", "answered in another language; not used"),
    ),
    (
        "unusable",
        (
            "escreveu o que não é para o cliente; não foi usado",
            "wrote what is not for the customer; not used",
        ),
    ),
];

/// The cause in the visitor's language; one that nobody foresaw as it was told.
pub(crate) fn cause(lang: Lang, told: &str) -> String {
    if lang == Lang::Pt && told.trim_end().ends_with("the provider refused:") {
        return "Este endereço respondeu, mas não como o servidor esperado. Confira-o.".to_owned();
    }
    let known = CAUSES.iter().find(|(part, _)| told.contains(part)).map(|(_, pt)| *pt);
    match (lang, known) {
        (Lang::Pt, Some(pt)) => pt.to_owned(),
        _ => told.to_owned(),
    }
}

pub(crate) fn model_outcome(lang: Lang, outcome: &str) -> String {
    let known = MODELS.iter().find(|(code, _)| *code == outcome);
    known.map_or_else(|| outcome.to_owned(), |(_, (pt, en))| lang.t(pt, en).to_owned())
}
