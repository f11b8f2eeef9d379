//! Codes of the house in people's words, in both languages.

use messaging::LinkState;
use ui::{Lang, Tone};
use web::Problem;

/// What a form did, by the code in the next page's address.
pub(crate) fn done(lang: Lang, code: &str) -> Option<&'static str> {
    Some(match code {
        "salvo" => lang.t("Salvo", "Saved"),
        "convidado" => lang.t("Convite enviado", "Invitation sent"),
        "retirado" => lang.t("Convite retirado", "Invitation withdrawn"),
        "removido" => lang.t("Removido", "Removed"),
        "resolvida" => lang.t("Conversa resolvida", "Conversation resolved"),
        "reaberta" => lang.t("Conversa reaberta", "Conversation reopened"),
        "assumida" => lang.t("Você assumiu a conversa", "You took the conversation over"),
        "devolvida" => lang.t("Devolvida à assistente", "Given back to the assistant"),
        "anotado" => lang.t("Anotado", "Noted"),
        "ensinado" => {
            lang.t("A assistente já sabe responder isso", "The assistant can answer that now")
        }
        "restaurado" => lang.t("Versão restaurada", "Version restored"),
        "conectado" => lang.t("Canal conectado", "Channel connected"),
        "desconectado" => lang.t("Canal desconectado", "Channel disconnected"),
        "encerrada" => lang.t("Sessão encerrada", "Session ended"),
        _ => return None,
    })
}

/// A refusal. Texts of the API are English; what people meet often is said in their words.
pub(crate) fn problem(lang: Lang, problem: &Problem) -> String {
    let pt = match problem.code() {
        "attended" => "Outra pessoa está atendendo esta conversa. Assuma-a antes de responder.",
        "window_shut" => {
            "A última mensagem do contato tem mais de 24 horas: neste canal só um modelo aprovado pode sair."
        }
        "tenant_archived" => "Esta empresa está arquivada: nada pode ser escrito.",
        "slug_taken" => "Já existe uma empresa com este endereço.",
        "instance_taken" => {
            "Esta instância, domínio ou número já está conectado. Use outro, ou remova o outro canal antes."
        }
        "refused_by_server" => "O servidor recusou o canal: confira o endereço e a chave.",
        "too_large" => "O arquivo é grande demais: no máximo 20 MB.",
        "not_found" => "Não foi encontrado.",
        "last_owner" => "A empresa precisa de ao menos uma pessoa dona.",
        _ => return crate::causes::cause(lang, problem.detail()),
    };
    lang.t(pt, problem.detail()).to_owned()
}

/// What somebody did to a conversation, after their name.
pub(crate) fn moved(lang: Lang, code: &str) -> String {
    match code {
        "taken_over" => lang.t("assumiu a conversa", "took the conversation over").to_owned(),
        "resolved" => lang.t("resolveu a conversa", "resolved the conversation").to_owned(),
        "assigned" => lang.t("passou a conversa a", "gave the conversation to").to_owned(),
        "unassigned" => lang
            .t(
                "deixou a conversa sem alguém em especial",
                "left the conversation to nobody in particular",
            )
            .to_owned(),
        "reopened" => lang.t("reabriu a conversa", "reopened the conversation").to_owned(),
        "person_left" => lang.t("saiu da equipe", "left the team").to_owned(),
        "given_back" => lang.t("devolveu à assistente", "gave it back to the assistant").to_owned(),
        other => format!("· {}", event(lang, other)),
    }
}

/// Why a conversation went to a person, or came back.
pub(crate) fn event(lang: Lang, code: &str) -> &'static str {
    match code {
        "asked_for_person" => {
            lang.t("O contato pediu uma pessoa", "The contact asked for a person")
        }
        "two_declines" => lang.t(
            "A assistente não soube responder duas vezes",
            "The assistant could not answer twice",
        ),
        "model_hand_off" => {
            lang.t("A assistente chamou uma pessoa", "The assistant called a person")
        }
        "too_many_answers" => lang.t(
            "Respostas demais em pouco tempo: talvez outro robô",
            "Too many answers in a short time: perhaps another bot",
        ),
        "unreadable_media" => lang.t(
            "O contato enviou algo que a assistente não lê",
            "The contact sent something the assistant cannot read",
        ),
        "harm" => lang
            .t("EMERGÊNCIA: alguém pode estar em perigo", "EMERGENCY: somebody may be in danger"),
        "health_risk" => lang.t("Pergunta sobre saúde", "A question about health"),
        "complaint" => lang.t("Reclamação", "A complaint"),
        "cancel" => lang.t("Quer cancelar ou mudar algo", "Wants to cancel or change something"),
        "receipt" => lang.t("Comprovante, nota ou segunda via", "A receipt, or a document again"),
        "status" => lang.t("Quer saber de algo que já é seu", "Asks after something of their own"),
        "order" => lang.t("Quer fazer um pedido", "Wants to order"),
        "booking" => lang.t("Quer marcar um horário", "Wants to book"),
        "haggle" => lang.t("Quer negociar o preço", "Wants to negotiate"),
        "applicant" => lang.t("Procura trabalho", "Looks for work"),
        "supplier" => lang.t("Oferece algo à empresa", "Offers something to the business"),
        "insult" => lang.t("Está ofendendo", "Is abusive"),
        "late_message" => lang.t("A mensagem chegou atrasada", "The message came late"),
        "send_unknown" => {
            lang.t("Não se sabe se uma resposta chegou", "Nobody knows whether an answer arrived")
        }
        "send_failed" => {
            lang.t("Uma resposta não pôde ser entregue", "An answer could not be delivered")
        }
        "turn_failed" => lang.t("A assistente falhou", "The assistant failed"),
        "backlog" => lang.t(
            "Esperou enquanto o atendimento estava parado",
            "Waited while the service was stopped",
        ),
        "phone_echo" => lang.t(
            "Alguém respondeu pelo celular da empresa",
            "Somebody replied from the business's phone",
        ),
        "taken_over" => {
            lang.t("Uma pessoa assumiu a conversa", "A person took the conversation over")
        }
        "reopened" => lang.t("Reaberta", "Reopened"),
        "resolved" => lang.t("Resolvida", "Resolved"),
        "assigned" | "unassigned" => lang.t("Mudou quem atende", "Who attends changed"),
        "person_left" => lang.t("Quem atendia saiu da equipe", "Whoever attended left the team"),
        "given_back" => lang.t("Devolvida à assistente", "Given back to the assistant"),
        "day_passed" => lang.t(
            "Um dia sem resposta de pessoas: a assistente voltou",
            "A day without a person's reply: the assistant is back",
        ),
        "echo_was_ours" => lang.t(
            "A resposta era nossa: a assistente voltou",
            "The reply was ours: the assistant is back",
        ),
        "merged" => lang.t(
            "Juntada a outra conversa da mesma pessoa",
            "Joined with another conversation of the same person",
        ),
        _ => lang.t("A conversa mudou de mãos", "The conversation changed hands"),
    }
}

/// Where a message is on its way.
pub(crate) fn state(lang: Lang, state: &str) -> &'static str {
    match state {
        "queued" => lang.t("na fila", "queued"),
        "sending" => lang.t("enviando", "sending"),
        "sent" => lang.t("enviada", "sent"),
        "delivered" => lang.t("entregue", "delivered"),
        "read" => lang.t("lida", "read"),
        "failed" => lang.t("não enviada", "not sent"),
        "unknown" => lang.t("não se sabe se chegou", "unknown whether it arrived"),
        "cancelled" => lang.t("cancelada", "cancelled"),
        _ => lang.t("recebida", "received"),
    }
}

/// A step of a message's journey.
pub(crate) fn step(lang: Lang, step: &str) -> &'static str {
    match step {
        "received" => lang.t("chegou ao provedor", "reached the provider"),
        "stored" => lang.t("guardada aqui", "stored here"),
        "answered" => lang.t("respondida", "answered"),
        "for_person" => lang.t("passada a uma pessoa", "handed to a person"),
        other => state(lang, other),
    }
}

/// A kind of message that has no text.
pub(crate) fn content(lang: Lang, content: &str) -> &'static str {
    match content {
        "image" => lang.t("Imagem", "Picture"),
        "audio" | "voice" => lang.t("Áudio", "Audio"),
        "video" => lang.t("Vídeo", "Video"),
        "document" => lang.t("Documento", "Document"),
        "sticker" => lang.t("Figurinha", "Sticker"),
        "location" => lang.t("Localização", "Location"),
        "contact" | "contacts" => lang.t("Contato", "Contact"),
        "reaction" => lang.t("Reação", "Reaction"),
        "template" => lang.t("Modelo", "Template"),
        _ => lang.t("Mensagem", "Message"),
    }
}

pub(crate) fn role(lang: Lang, role: identity::Role) -> &'static str {
    match role {
        identity::Role::Owner => lang.t("Dona ou dono", "Owner"),
        identity::Role::Admin => lang.t("Administração", "Administrator"),
        identity::Role::Attendant => lang.t("Atendimento", "Attendant"),
        identity::Role::Viewer => lang.t("Só leitura", "Viewer"),
    }
}

pub(crate) fn tenant_state(lang: Lang, state: tenancy::State) -> (&'static str, Tone) {
    use tenancy::State as S;
    match state {
        S::Trial => (lang.t("Teste", "Trial"), Tone::Accent),
        S::Active => (lang.t("Ativa", "Active"), Tone::Good),
        S::Grace => (lang.t("Pagamento atrasado", "Payment late"), Tone::Warn),
        S::Suspended => (lang.t("Suspensa", "Suspended"), Tone::Bad),
        S::Archived => (lang.t("Arquivada", "Archived"), Tone::Neutral),
    }
}

pub(crate) fn link_state(lang: Lang, state: LinkState) -> (&'static str, Tone) {
    match state {
        LinkState::Connected => (lang.t("Conectado", "Connected"), Tone::Good),
        LinkState::Pending => (lang.t("Esperando o celular", "Waiting for the phone"), Tone::Warn),
        LinkState::Disconnected => (lang.t("Desconectado", "Disconnected"), Tone::Bad),
        LinkState::Error => (lang.t("Com erro", "In error"), Tone::Bad),
    }
}

pub(crate) fn kind(kind: &str) -> &'static str {
    match kind {
        "evolution" => "WhatsApp · Evolution API",
        "whaticket" => "WhatsApp · Whaticket",
        "whatsapp-cloud" => "WhatsApp · Cloud API (Meta)",
        _ => "WhatsApp",
    }
}

/// A field of the audit trail, as the pages call it; one that is on no page by its own name.
pub(crate) fn field(lang: Lang, name: &str) -> String {
    let known = match name {
        "name" => lang.t("nome", "name"),
        "tone" => lang.t("jeito de falar", "way of speaking"),
        "greeting" => lang.t("saudação", "greeting"),
        "rules" => lang.t("orientações", "guidance"),
        "model" => lang.t("modelo", "model"),
        "fallback" => lang.t("segundo modelo", "second model"),
        "model_api_key" => lang.t("chave do modelo", "key of the model"),
        "temperature" => lang.t("temperatura", "temperature"),
        "max_tokens" => lang.t("tamanho da resposta", "length of answers"),
        "history" => lang.t("mensagens lembradas", "messages remembered"),
        "split" => lang.t("parágrafos separados", "paragraphs apart"),
        "currency" => lang.t("moeda", "currency"),
        "price_in" => lang.t("preço de entrada", "price in"),
        "price_out" => lang.t("preço de saída", "price out"),
        "monthly_budget" => lang.t("orçamento do mês", "budget of the month"),
        "quiet_seconds" => lang.t("silêncio, em segundos", "silence, in seconds"),
        "longest_wait_seconds" => lang.t("espera máxima, em segundos", "longest wait, in seconds"),
        "handoff_words" => lang.t("frases que chamam uma pessoa", "phrases that call a person"),
        "store_groups" => lang.t("guardar grupos", "keep groups"),
        "emails" => lang.t("e-mails avisados", "addresses told"),
        "role" => lang.t("papel", "role"),
        "scopes" => lang.t("permissões", "scopes"),
        "options" => lang.t("opções", "options"),
        "reason" => lang.t("motivo", "reason"),
        "hours" => lang.t("horas", "hours"),
        "pieces" => lang.t("trechos", "pieces"),
        "answer" => lang.t("resposta", "answer"),
        "body" => lang.t("texto", "text"),
        "kind" => lang.t("tipo", "kind"),
        "base_url" => lang.t("endereço do servidor", "address of the server"),
        "accent" => lang.t("cor principal", "main colour"),
        "welcome" => lang.t("texto da entrada", "text of the sign-in page"),
        "support_url" => lang.t("link de ajuda", "help link"),
        "sender_name" => lang.t("remetente dos e-mails", "sender of e-mails"),
        "logo" => lang.t("logotipo", "logo"),
        "icon" => lang.t("ícone", "icon"),
        "language" => lang.t("idioma", "language"),
        "time_zone" => lang.t("fuso horário", "time zone"),
        "before" => lang.t("antes", "before"),
        "after" => lang.t("depois", "after"),
        "person" => lang.t("pessoa", "person"),
        other => other,
    };
    known.to_owned()
}

/// A deed of the audit trail.
pub(crate) fn deed(lang: Lang, action: &str) -> String {
    let known = match action {
        "assistant.changed" => lang.t("mudou a assistente", "changed the assistant"),
        "assistant.tried" => lang.t("testou a assistente", "tried the assistant"),
        "hours.changed" => lang.t("mudou o horário", "changed the opening hours"),
        "knowledge.added" => lang.t("adicionou conhecimento", "added knowledge"),
        "knowledge.changed" => lang.t("mudou conhecimento", "changed knowledge"),
        "knowledge.removed" => lang.t("removeu conhecimento", "removed knowledge"),
        "knowledge.restored" => lang.t("restaurou conhecimento", "restored knowledge"),
        "fact.corrected" => lang.t("corrigiu um fato", "corrected a fact"),
        "fact.restored" => lang.t("desfez uma correção", "undid a correction"),
        "channel.added" => lang.t("adicionou um canal", "added a channel"),
        "channel.removed" => lang.t("removeu um canal", "removed a channel"),
        "channel.connected" => lang.t("pediu a conexão de um canal", "asked to connect a channel"),
        "channel.logged_out" => lang.t("desconectou um canal", "disconnected a channel"),
        "channel.rotated" => lang.t("trocou segredos de um canal", "replaced secrets of a channel"),
        "member.invited" => lang.t("convidou", "invited"),
        "member.joined" => lang.t("entrou na equipe", "joined the team"),
        "member.role_changed" => lang.t("mudou o papel", "changed the role"),
        "member.removed" => lang.t("tirou da equipe", "removed from the team"),
        "invitation.withdrawn" => lang.t("retirou um convite", "withdrew an invitation"),
        "brand.changed" => lang.t("mudou a marca", "changed the brand"),
        "key.created" => lang.t("criou uma chave de API", "made an API key"),
        "key.revoked" => lang.t("encerrou uma chave de API", "ended an API key"),
        "support.started" => lang.t("entrou como suporte", "entered as support"),
        "support.ended" => lang.t("encerrou o suporte", "ended support"),
        "tenant.changed" => lang.t("mudou os dados da empresa", "changed the business's data"),
        "gateway.server_changed" => {
            lang.t("mudou um servidor do gateway", "changed a server of the gateway")
        }
        "tenant.created" => lang.t("criou a empresa", "created the business"),
        "tenant.state_changed" => {
            lang.t("mudou o estado da empresa", "changed the business's state")
        }
        "conversation.taken" => lang.t("assumiu uma conversa", "took a conversation over"),
        "conversation.given_back" => lang.t("devolveu uma conversa", "gave a conversation back"),
        "conversation.resolved" => lang.t("resolveu uma conversa", "resolved a conversation"),
        "conversation.assigned" => lang.t("atribuiu uma conversa", "assigned a conversation"),
        "conversation.reopened" => lang.t("reabriu uma conversa", "reopened a conversation"),
        "conversation.labelled" => lang.t("etiquetou uma conversa", "labelled a conversation"),
        "console.called" => lang.t("mudou pelo console", "changed at the console"),
        "api.called" => lang.t("mudou pela API", "changed by the API"),
        "machine_token.created" => {
            lang.t("criou uma chave da instalação", "made a key of the installation")
        }
        "machine_token.revoked" => {
            lang.t("encerrou uma chave da instalação", "ended a key of the installation")
        }
        "question.dismissed" => lang.t("descartou uma pergunta", "dismissed a question"),
        "label.added" => lang.t("criou uma etiqueta", "made a label"),
        "label.removed" => lang.t("removeu uma etiqueta", "removed a label"),
        "canned.set" => lang.t("gravou uma resposta pronta", "kept a ready reply"),
        "canned.removed" => lang.t("removeu uma resposta pronta", "removed a ready reply"),
        "notices.changed" => lang.t("mudou os avisos", "changed the notices"),
        "person.signed_in" => lang.t("entrou", "signed in"),
        "person.password_changed" => lang.t("mudou a senha", "changed the password"),
        "person.second_added" => {
            lang.t("ligou a verificação em duas etapas", "turned two-step verification on")
        }
        "person.second_removed" => {
            lang.t("desligou a verificação em duas etapas", "turned two-step verification off")
        }
        "person.provider_tied" => lang.t(
            "vinculou a conta ao provedor de identidade",
            "linked the account to the identity provider",
        ),
        "person.passkey_added" => lang.t("criou uma chave de acesso", "made a passkey"),
        "person.passkey_removed" => lang.t("removeu uma chave de acesso", "removed a passkey"),
        "person.locked" => {
            lang.t("tentou até a conta travar", "guessed until the account was locked")
        }
        "operator.created" => lang.t("criou um operador", "made an operator"),
        "operator.granted" => lang.t(
            "passou a operar, pelo provedor de identidade",
            "became an operator, by the identity provider",
        ),
        "operator.revoked" => lang.t(
            "deixou de operar, pelo provedor de identidade",
            "is no operator any more, by the identity provider",
        ),
        "operator.removed" => lang.t("tirou um operador", "removed an operator"),
        "person.changed" => {
            lang.t("mudou o próprio nome ou idioma", "changed their name or language")
        }
        "person.disabled" => lang.t("fechou uma conta", "shut an account"),
        "person.enabled" => lang.t("reabriu uma conta", "let an account in again"),
        "operator.invited" => lang.t("convidou um operador", "invited an operator"),
        _ => action,
    };
    known.to_owned()
}

/// What a scope lets a program do.
pub(crate) fn scope(lang: Lang, scope: &str) -> &str {
    match scope {
        "*" => lang.t("Tudo da empresa", "All of the business"),
        "tenants:read" => lang.t("Ver as empresas", "See the businesses"),
        "tenants:write" => {
            lang.t("Criar, mudar e remover empresas", "Make, change and remove businesses")
        }
        "queue:read" => lang.t("Ver a fila", "See the queue"),
        "queue:write" => lang.t("Esvaziar e refazer a fila", "Clear and redo the queue"),
        "gateway:read" => lang.t("Ver os gateways", "See the gateways"),
        "gateway:write" => lang.t(
            "Mudar servidores e rotas dos gateways",
            "Change servers and routes of the gateways",
        ),
        "metrics:read" => lang.t("Ler as métricas do sistema", "Read the metrics of the system"),
        _ => identity::Permission::ALL
            .into_iter()
            .find(|known| known.name() == scope)
            .map_or(scope, |known| permission(lang, known)),
    }
}

/// What a permission lets people do.
pub(crate) fn permission(lang: Lang, permission: identity::Permission) -> &'static str {
    use identity::Permission as P;
    match permission {
        P::TenantRead => lang.t("Ver a empresa e seus números", "See the business and its figures"),
        P::InboxRead => lang.t("Ler conversas e contatos", "Read conversations and contacts"),
        P::InboxWrite => lang.t(
            "Responder, assumir, devolver, anotar, etiquetar, resolver",
            "Reply, take over, give back, note, label, resolve",
        ),
        P::KnowledgeRead => {
            lang.t("Ler o conhecimento e testar perguntas", "Read the knowledge and try questions")
        }
        P::KnowledgeWrite => lang.t("Mudar o conhecimento", "Change the knowledge"),
        P::AssistantRead => lang.t("Ver e testar a assistente", "See and try the assistant"),
        P::AssistantWrite => lang.t(
            "Mudar a assistente, o modelo e o horário",
            "Change the assistant, its model and the hours",
        ),
        P::ChannelsRead => lang.t("Ver os canais", "See the channels"),
        P::ChannelsWrite => {
            lang.t("Conectar, mudar e remover canais", "Connect, change and remove channels")
        }
        P::HooksRead => lang.t("Ver webhooks de saída", "See outgoing webhooks"),
        P::HooksWrite => lang.t("Mudar webhooks de saída", "Change outgoing webhooks"),
        P::KeysWrite => lang.t("Criar e encerrar chaves de API", "Make and end API keys"),
        P::PeopleRead => lang.t("Ver a equipe", "See the team"),
        P::PeopleWrite => lang.t("Convidar, mudar papéis, remover", "Invite, change roles, remove"),
        P::OwnersWrite => lang.t("Tornar alguém dono, ou deixar de ser", "Make and remove owners"),
        P::BrandWrite => lang.t("Mudar a marca", "Change the brand"),
        P::AuditRead => lang.t("Ler a auditoria", "Read the audit trail"),
    }
}
