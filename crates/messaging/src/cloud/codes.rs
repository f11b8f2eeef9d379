//! Meta's error codes: what a person is told, and what happens next.
//!
//! Codes decide, never the HTTP status or the title: one code is seen under several statuses.

use std::time::Duration;

use crate::{Next, SendError};

/// What a code means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    pub code: i64,
    /// For people, in Portuguese.
    pub reason: &'static str,
    pub what: What,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Nothing: trying again changes nothing.
    Stop(Next),
    /// Another try after a while.
    Wait(Duration),
}

const fn stop(code: i64, next: Next, reason: &'static str) -> Advice {
    Advice { code, reason, what: What::Stop(next) }
}

const fn wait(code: i64, seconds: u64, reason: &'static str) -> Advice {
    Advice { code, reason, what: What::Wait(Duration::from_secs(seconds)) }
}

const TABLE: &[Advice] = &[
    stop(0, Next::Reconnect, "a Meta não aceitou o token: conecte o canal de novo"),
    stop(3, Next::Reconnect, "o aplicativo da Meta não tem permissão para isto"),
    stop(10, Next::Reconnect, "o aplicativo da Meta perdeu a permissão de enviar"),
    stop(190, Next::Reconnect, "o token da Meta venceu ou foi revogado: conecte o canal de novo"),
    wait(4, 60, "o aplicativo atingiu o limite de chamadas da Meta; tentamos de novo"),
    wait(80007, 60, "a conta atingiu o limite de envios da Meta; tentamos de novo"),
    wait(130429, 10, "este número envia rápido demais para a Meta; tentamos de novo"),
    wait(131056, 6, "mensagens demais para a mesma pessoa em pouco tempo; tentamos de novo"),
    wait(133016, 3600, "tentativas demais de registrar o número; tentamos mais tarde"),
    stop(
        131048,
        Next::Restricted,
        "a Meta limitou este número por denúncias ou bloqueios: pare os envios em massa",
    ),
    stop(
        131064,
        Next::Restricted,
        "a conta atingiu o limite de mensagens por modelos mal classificados",
    ),
    stop(368, Next::Restricted, "a Meta bloqueou a conta por violar as regras"),
    stop(131031, Next::Restricted, "a conta do WhatsApp Business está bloqueada"),
    stop(130497, Next::Recipient, "a conta não pode enviar para este país"),
    stop(
        131042,
        Next::Restricted,
        "a Meta não conseguiu cobrar: veja a forma de pagamento da conta",
    ),
    stop(
        131044,
        Next::Restricted,
        "a Meta não conseguiu cobrar: veja a forma de pagamento da conta",
    ),
    stop(131045, Next::Reconnect, "o número não está registrado na Cloud API"),
    stop(133010, Next::Reconnect, "o número não está registrado na Cloud API"),
    wait(131057, 300, "a conta está em manutenção na Meta; tentamos de novo"),
    stop(
        130472,
        Next::Recipient,
        "a Meta não entregou: a pessoa está em um teste sem mensagens de marketing",
    ),
    stop(
        131026,
        Next::Recipient,
        "não foi possível entregar: o número não está no WhatsApp ou usa uma versão antiga",
    ),
    stop(
        131030,
        Next::Recipient,
        "número de teste: esta pessoa não está na lista de destinatários permitidos",
    ),
    stop(131021, Next::Recipient, "o destinatário é o próprio número do negócio"),
    stop(131062, Next::Recipient, "a Meta não envia este tipo de mensagem sem o número da pessoa"),
    stop(
        131047,
        Next::Template,
        "passaram mais de 24 horas desde a última mensagem da pessoa: só um modelo aprovado pode sair",
    ),
    stop(
        131049,
        Next::OptedOut,
        "a Meta segurou esta mensagem de marketing para não cansar a pessoa: não tente de novo por agora",
    ),
    stop(131050, Next::OptedOut, "a pessoa pediu para não receber marketing deste número"),
    stop(131051, Next::Message, "este tipo de mensagem não existe na Cloud API"),
    stop(131052, Next::Message, "a Meta não conseguiu baixar o arquivo"),
    stop(131053, Next::Message, "a Meta não aceitou o arquivo: veja o tipo e o tamanho"),
    stop(131008, Next::Message, "falta um campo na mensagem"),
    stop(131009, Next::Message, "um campo da mensagem não é aceito pela Meta"),
    stop(100, Next::Message, "um campo da mensagem não é aceito pela Meta"),
    stop(132000, Next::FixTemplate, "o modelo espera outro número de variáveis"),
    stop(132001, Next::FixTemplate, "o modelo não existe neste idioma ou não foi aprovado"),
    stop(132005, Next::FixTemplate, "o texto do modelo ficou longo demais com as variáveis"),
    stop(132007, Next::FixTemplate, "o modelo viola as regras da Meta"),
    stop(132008, Next::FixTemplate, "uma variável do modelo tem formato errado"),
    stop(132012, Next::FixTemplate, "uma variável do modelo tem formato errado"),
    stop(132015, Next::FixTemplate, "o modelo está pausado por baixa qualidade"),
    stop(132016, Next::FixTemplate, "o modelo foi desativado por baixa qualidade"),
    stop(132068, Next::FixTemplate, "o fluxo do modelo está bloqueado"),
    wait(132069, 3600, "o fluxo do modelo atingiu o limite de envios desta hora"),
    stop(
        131063,
        Next::FixTemplate,
        "modelos de marketing estão desligados na Cloud API deste número",
    ),
    stop(131005, Next::Reconnect, "o token não tem permissão para este número"),
    stop(131037, Next::Reconnect, "o nome de exibição do número ainda não foi aprovado"),
    wait(1, 30, "a Meta falhou por um momento; tentamos de novo"),
    wait(2, 30, "a Meta está fora do ar por um momento; tentamos de novo"),
    wait(131000, 30, "a Meta falhou sem dizer por quê; tentamos de novo"),
    wait(131016, 30, "um serviço da Meta está fora do ar; tentamos de novo"),
    wait(133004, 30, "o servidor da Meta está fora do ar; tentamos de novo"),
    stop(135000, Next::Message, "a Meta recusou a mensagem sem dizer por quê"),
    stop(
        137000,
        Next::Recipient,
        "a identidade da pessoa mudou: ela trocou de aparelho ou reinstalou o WhatsApp",
    ),
];

/// What a code means; `None` for one that is not in the table.
pub fn advice(code: i64) -> Option<&'static Advice> {
    TABLE.iter().find(|advice| advice.code == code)
}

/// Why no message of the channel leaves until somebody mends it, where the code says so.
pub(super) fn stops(code: i64) -> Option<String> {
    advice(code)
        .filter(|one| matches!(one.what, What::Stop(Next::Reconnect | Next::Restricted)))
        .map(|one| one.reason.to_owned())
}

/// The failure that a code stands for. `title` is Meta's own word, for codes we do not know.
pub(super) fn failure(code: i64, title: &str, transient: bool) -> SendError {
    let text = code.to_string();
    match advice(code) {
        Some(Advice { what: What::Wait(after), .. }) => {
            SendError::Throttled { code: text, retry_after: *after }
        }
        Some(Advice { what: What::Stop(next), reason, .. }) => {
            SendError::Refused { code: text, reason: (*reason).to_owned(), next: *next }
        }
        None if transient => {
            SendError::Throttled { code: text, retry_after: Duration::from_secs(30) }
        }
        None => SendError::Refused {
            code: text,
            reason: format!("a Meta recusou a mensagem (código {code}): {title}"),
            next: Next::Message,
        },
    }
}

/// What a person is told of a code.
pub(super) fn reason(code: i64, title: &str) -> String {
    match advice(code) {
        Some(advice) => advice.reason.to_owned(),
        None => format!("a Meta não entregou a mensagem (código {code}): {title}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_once_and_says_something() {
        let mut seen = std::collections::HashSet::new();
        for advice in TABLE {
            assert!(seen.insert(advice.code), "{} stands twice", advice.code);
            assert!(advice.reason.chars().count() > 15, "{}", advice.code);
        }
    }

    #[test]
    fn the_window_the_pair_limit_and_the_opt_out_have_their_consequences() {
        let what = |code| advice(code).unwrap().what;
        assert_eq!(what(131_047), What::Stop(Next::Template));
        assert_eq!(what(131_049), What::Stop(Next::OptedOut));
        assert_eq!(what(131_050), What::Stop(Next::OptedOut));
        assert_eq!(what(131_026), What::Stop(Next::Recipient));
        assert_eq!(what(190), What::Stop(Next::Reconnect));
        assert!(matches!(what(131_056), What::Wait(_)));
        assert!(matches!(what(130_429), What::Wait(_)));
    }
}
