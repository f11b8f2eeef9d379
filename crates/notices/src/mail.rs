//! E-mail, by a server of the operator's.

use async_trait::async_trait;
use db::Db;
use identity::{Letter, MailLimits};
use inbox::WaitingDue;
use kernel::line::{Line, quoted, unlinked};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use queue::{Done, Handler, JobCx, JobError};

use crate::store;

/// Sends e-mail. Without a server nothing is sent.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// The e-mail settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadMailer {
    #[error(
        "smtp.url is no address such as smtps://user:password@mail.example.com or smtp://host:587?tls=required"
    )]
    Url,
    #[error("smtp.from is no e-mail address")]
    From,
}

/// A letter that the mail server did not take.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
pub struct NotSent {
    /// Names nobody.
    pub cause: String,
    /// Trying again changes nothing.
    pub for_good: bool,
}

impl Mailer {
    /// # Errors
    /// When the address of the server or of the sender is unreadable.
    pub fn new(url: &str, from: &str) -> Result<Self, BadMailer> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| BadMailer::Url)?
            .timeout(Some(std::time::Duration::from_secs(20)))
            .build();
        let from = from.parse().map_err(|_| BadMailer::From)?;
        Ok(Self { transport, from })
    }

    /// The name that the sender's address was given with.
    pub fn name(&self) -> Option<&str> {
        self.from.name.as_deref()
    }

    /// Sends a letter under a name of the business's own, at the operator's address.
    ///
    /// # Errors
    /// When the server did not take it; whether another try may help.
    pub async fn deliver(
        &self,
        sender_name: Option<&Line<120>>,
        to: &str,
        subject: &Line<200>,
        text: String,
    ) -> Result<(), NotSent> {
        let mut from = self.from.clone();
        if let Some(name) = sender_name {
            from.name = Some(name.to_string());
        }
        self.send_from(from, to, subject, text).await.map_err(|error| match error {
            JobError::GiveUp(cause) => NotSent { cause, for_good: true },
            other => NotSent { cause: other.to_string(), for_good: false },
        })
    }

    async fn send_from(
        &self,
        from: Mailbox,
        to: &str,
        subject: &str,
        text: String,
    ) -> Result<(), JobError> {
        let to: Mailbox =
            to.parse().map_err(|_| JobError::GiveUp("an unreadable e-mail address".to_owned()))?;
        let message = Message::builder()
            .from(from)
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|cause| JobError::GiveUp(format!("the e-mail cannot be written: {cause}")))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => {
                Err(JobError::GiveUp("the mail server refused the e-mail".to_owned()))
            }
            // Its text may hold addresses.
            Err(_) => Err(JobError::Retry {
                after: None,
                cause: "the mail server did not take the e-mail".to_owned(),
            }),
        }
    }
}

/// After so long somebody came, or nobody comes because of a letter.
const USEFUL: std::time::Duration = std::time::Duration::from_secs(3600);

/// An emergency is told again so many times, so far apart, as long as nobody takes it.
const AGAIN: u8 = 2;
const BETWEEN: std::time::Duration = std::time::Duration::from_secs(300);

/// Runs [`WaitingDue`].
pub struct WaitingMail {
    pub db: Db,
    /// How many letters may leave; `None` when none reaches anybody.
    pub mails: Option<MailLimits>,
    /// Where people reach the panel, without a slash at its end.
    pub panel: String,
}

#[async_trait]
impl Handler<WaitingDue> for WaitingMail {
    async fn run(&self, due: WaitingDue, cx: &JobCx) -> Result<Done, JobError> {
        let Some(limits) = self.mails else { return Ok(Done::Finish) };
        let mut tx = self.db.read(cx.tenant).await?;
        let recipients = store::recipients(&mut tx).await?;
        let Some(tenant) = tenancy::own(&mut tx).await? else { return Ok(Done::Finish) };
        let view = inbox::conversation(&mut tx, due.conversation).await?;
        drop(tx);
        // Somebody may have come meanwhile.
        let Some(view) = view.filter(|view| view.needs_person) else { return Ok(Done::Finish) };
        let reason_code = view.handoff_reason.as_deref().unwrap_or_default();
        let emails = recipients.told_of(reason_code);
        if emails.is_empty() {
            return Ok(Done::Finish);
        }
        let portuguese = !tenant.language.starts_with("en");
        // Whatever somebody calls themselves: quoted, and never what the letter begins with.
        let who = view.contact_name.as_deref().map_or_else(|| "—".to_owned(), quoted);
        let name = unlinked(&tenant.name);
        let why = reason(reason_code, portuguese);
        let link = format!("{}/painel/t/{}/conversas/{}", self.panel, tenant.slug, view.id);
        let urgent = recipients.is_urgent(reason_code);
        let (subject, text) = if portuguese {
            (
                format!(
                    "{}Alguém espera por atendimento: {name}",
                    if urgent { "URGENTE: " } else { "" }
                ),
                format!(
                    "Alguém espera por uma pessoa de {name}.\n\nMotivo: {why}.\nNome informado: {who}\n\
                     Abra a conversa: {link}\n"
                ),
            )
        } else {
            (
                format!("{}Somebody is waiting: {name}", if urgent { "URGENT: " } else { "" }),
                format!(
                    "Somebody is waiting for a person of {name}.\n\nReason: {why}.\nName given: {who}\n\
                     Open the conversation: {link}\n"
                ),
            )
        };
        let (Some(sender), Some(subject)) = (Line::shown(&tenant.name), Line::shown(&subject))
        else {
            return Err(JobError::GiveUp("the letter has no sender or no subject".to_owned()));
        };
        let mut tx = self.db.begin_system().await?;
        for email in &emails {
            let letter = Letter {
                to: email,
                sender_name: &sender,
                subject: &subject,
                body: &text,
                tenant: Some(cx.tenant),
                lives: USEFUL,
            };
            // Beyond the limit only the panel shows who waits.
            identity::post_notice(&mut tx, &letter, limits, cx.clock.now()).await?;
        }
        tx.commit().await?;
        if store::is_emergency(reason_code) && due.again < AGAIN {
            let mut tx = self.db.begin(cx.tenant).await?;
            inbox::wait_again(&mut tx, &due, cx.clock.now() + BETWEEN, cx.clock.now()).await?;
            tx.commit().await?;
        }
        Ok(Done::Finish)
    }
}

/// Why a person is needed, in a person's words.
fn reason(code: &str, portuguese: bool) -> &'static str {
    let (pt, en) = match code {
        "asked_for_person" => ("pediu para falar com uma pessoa", "asked for a person"),
        "two_declines" => {
            ("a assistente não soube responder duas vezes", "the assistant could not answer twice")
        }
        "model_hand_off" => ("a assistente passou a conversa adiante", "the assistant handed over"),
        "too_many_answers" => {
            ("respostas demais em pouco tempo", "too many answers in a short time")
        }
        "unreadable_media" => {
            ("enviou algo que a assistente não lê", "sent something the assistant cannot read")
        }
        "harm" => {
            ("EMERGÊNCIA: alguém pode estar em perigo", "EMERGENCY: somebody may be in danger")
        }
        "health_risk" => ("pergunta sobre saúde", "a question about health"),
        "complaint" => ("reclamação", "a complaint"),
        "cancel" => ("quer cancelar ou mudar algo", "wants to cancel or change something"),
        "receipt" => ("comprovante, nota ou segunda via", "a receipt, or a document again"),
        "status" => ("quer saber de algo que já é seu", "asks after something of their own"),
        "order" => ("quer fazer um pedido", "wants to order"),
        "booking" => ("quer marcar um horário", "wants to book"),
        "haggle" => ("quer negociar o preço", "wants to negotiate"),
        "applicant" => ("procura trabalho", "looks for work"),
        "supplier" => ("oferece algo à empresa", "offers something to the business"),
        "insult" => ("está ofendendo", "is abusive"),
        "late_message" => ("a mensagem chegou atrasada", "the message came late"),
        "send_unknown" => {
            ("não se sabe se uma resposta chegou", "nobody knows whether an answer arrived")
        }
        "send_failed" => ("uma resposta não pôde ser entregue", "an answer could not be delivered"),
        "turn_failed" => ("a assistente falhou", "the assistant failed"),
        "backlog" => {
            ("esperou enquanto o atendimento estava parado", "waited while the service was stopped")
        }
        _ => ("precisa de uma pessoa", "a person is needed"),
    };
    if portuguese { pt } else { en }
}
