//! The house, wired: every room with what it needs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use assistant::{Answerer, Contexts, Transcribe, Turn, Typing};
use async_trait::async_trait;
use channels::{ChannelTyping, Directory, Intake, Limiter, Manage, Sender};
use db::{Db, Migration, Options};
use files::Files;
use kernel::{ChannelId, Clock, TenantId};
use knowledge::{Embed, Library, Reader, Sweep};
use messaging::http::{Outbound, Private};
use messaging::{Messengers, ProviderClocks};
use models::{Breakers, LanguageModel, Models};
use queue::{Handlers, Lane, Queue, Settings};
use tenancy::Vault;
use web::Door;

use crate::config::Config;
use crate::hosts::Hosts;

/// Tables of all rooms, in the order they are made.
pub fn migrations() -> Vec<Migration> {
    let mut all: Vec<Migration> = [
        db::MIGRATIONS,
        tenancy::MIGRATIONS,
        queue::MIGRATIONS,
        domains::MIGRATIONS,
        traffic::MIGRATIONS,
        hooks::MIGRATIONS,
        inbox::MIGRATIONS,
        notices::MIGRATIONS,
        channels::MIGRATIONS,
        knowledge::MIGRATIONS,
        files::MIGRATIONS,
        assistant::MIGRATIONS,
        web::MIGRATIONS,
        identity::MIGRATIONS,
        panel::MIGRATIONS,
    ]
    .concat();
    all.sort_by_key(|step| step.version);
    all
}

/// Everything a process of Portaria is made of. Cheap to clone.
#[derive(Clone)]
pub struct House {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub vault: Vault,
    pub outbound: Outbound,
    pub directory: Directory,
    pub intake: Intake,
    pub library: Library,
    pub files: Files,
    pub contexts: Contexts,
    pub answerer: Answerer,
    pub door: Door,
    /// Memory of requests' bodies.
    pub bodies: web::Budget,
    pub manage: Manage,
    pub sender: Sender,
    pub models: Arc<dyn LanguageModel>,
    pub oidc: Option<Arc<oidc::Oidc>>,
    pub messengers: Messengers,
}

struct ProviderTyping(ChannelTyping);

#[async_trait]
impl Typing for ProviderTyping {
    async fn show(&self, tenant: TenantId, channel: ChannelId, to: &str, last: Option<&str>) {
        self.0.show(tenant, channel, to, last).await;
    }
}

impl House {
    /// Opens the database, brings it up to date, and wires the rooms.
    ///
    /// # Errors
    /// When the database or the master key cannot be used.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        // One provider in the whole tree; a second installation only says that it is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options {
            database_url: config.database_url.clone(),
            data: config.data.clone(),
            connections: config.database_connections,
        };
        let db = Db::open(&options, &migrations()).await?;
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("data folder {}", config.data.display()))?;
        let file = config.data.join("master.key");
        let master = tenancy::master_key(&db, config.master_key.as_deref(), &file).await?;
        let vault = Vault::new(master);
        let private =
            if config.allow_private_upstreams { Private::Allowed } else { Private::Refused };
        let clocks = ProviderClocks::new(clock.clone());
        let outbound = Outbound::new(private)?
            .clocks(clocks.clone())
            .answer_within(config.answer_within)
            .files(config.media.limit, config.data.clone());
        // The operator names it: it may well be on the operator's own network.
        let oidc = match &config.oidc {
            Some(settings) => {
                let outbound = Outbound::new(Private::Allowed)?;
                Some(Arc::new(oidc::Oidc::new(settings.clone(), outbound, clock.clone())))
            }
            None => None,
        };
        let models: Arc<dyn LanguageModel> = Arc::new(Models::new(outbound.clone()));
        let messengers = Messengers::new(&outbound);
        let files = Files::new(&config.data, db.clone(), clock.clone(), config.files);
        let directory = Directory::new(db.clone(), vault.clone(), clock.clone());
        let intake = Intake::new(
            db.clone(),
            clock.clone(),
            directory.clone(),
            Limiter::new(config.rates),
            config.media.clone(),
            (files.clone(), clocks),
        );
        let manage = Manage {
            db: db.clone(),
            clock: clock.clone(),
            vault: vault.clone(),
            outbound: outbound.clone(),
            directory: directory.clone(),
            messengers: messengers.clone(),
            public_url: config.public_url.clone(),
        };
        let sender = Sender::new(messengers.clone(), outbound.clone(), files.clone());
        let runner = isolation::Runner::new(config.reader_program.clone(), config.reading);
        let reader = Reader::new(runner, config.document_text, &config.data);
        let library = Library::new(
            db.clone(),
            clock.clone(),
            vault.clone(),
            models.clone(),
            (reader, files.clone()),
            config.knowledge,
        );
        let contexts = Contexts::new(db.clone(), vault.clone());
        let breakers = Breakers::new(clock.clone());
        let answerer = Answerer::new(library.clone(), models.clone(), breakers, clock.clone());
        let door = Door {
            db: db.clone(),
            clock: clock.clone(),
            admin_token_hash: config
                .admin_token
                .as_deref()
                .map(|token| tenancy::hash_token(token).into()),
            people: Some(Arc::new(panel::SignedIn {
                db: db.clone(),
                clock: clock.clone(),
                public_url: config.public_url.clone(),
                idle: config.panel_idle,
            })),
        };
        let bodies = web::Budget::new(config.body_budget);
        Ok(Self {
            config,
            db,
            clock,
            vault,
            outbound,
            directory,
            intake,
            library,
            files,
            contexts,
            answerer,
            door,
            bodies,
            manage,
            sender,
            models,
            oidc,
            messengers,
        })
    }

    /// Tenants' domains for a gateway, with this house at these addresses.
    pub(crate) fn hosts(&self, house: Vec<String>) -> Hosts {
        let private = self.config.allow_private_upstreams;
        Hosts {
            db: self.db.clone(),
            house,
            certificates: self.certificates(),
            private,
            secret: self.vault.house_secret("gateway"),
            redis: self.config.redis_url.clone(),
        }
    }

    /// Certificates of the gateway's hosts, as all its nodes share them.
    pub(crate) fn certificates(&self) -> domains::Certificates {
        domains::Certificates {
            db: self.db.clone(),
            clock: self.clock.clone(),
            vault: self.vault.clone(),
        }
    }

    /// A worker for these lanes.
    pub fn queue(&self, lanes: &[Lane]) -> Queue {
        let mut handlers = Handlers::default();
        handlers.register::<inbox::TurnDue>(Turn {
            db: self.db.clone(),
            contexts: self.contexts.clone(),
            answerer: self.answerer.clone(),
            typing: Arc::new(ProviderTyping(ChannelTyping {
                directory: self.directory.clone(),
                messengers: self.messengers.clone(),
            })),
        });
        let files = || self.files.clone();
        let directory = || self.directory.clone();
        let messengers = || self.messengers.clone();
        handlers.register::<inbox::SendDue>(channels::Send::new(
            directory(),
            messengers(),
            files(),
        ));
        let rules = self.config.media.clone();
        handlers.register::<channels::MediaDue>(channels::Fetch::new(
            directory(),
            messengers(),
            rules,
            files(),
        ));
        handlers.register::<channels::CatchUpDue>(channels::CatchUp {
            intake: self.intake.clone(),
            messengers: messengers(),
            every: self.config.catch_up,
        });
        handlers.register::<channels::ReconcileDue>(channels::Reconcile { db: self.db.clone() });
        handlers.register::<inbox::TranscribeDue>(Transcribe {
            db: self.db.clone(),
            contexts: self.contexts.clone(),
            models: self.models.clone(),
            files: files(),
        });
        handlers.register::<inbox::WaitingDue>(notices::WaitingMail {
            db: self.db.clone(),
            mails: self.config.mails(),
            panel: crate::pages::base_url(self),
        });
        handlers.register::<hooks::DeliveryDue>(hooks::Deliver {
            db: self.db.clone(),
            vault: self.vault.clone(),
            outbound: self.outbound.clone(),
        });
        handlers.register::<knowledge::EmbedDue>(Embed(self.library.clone()));
        handlers.register::<knowledge::EncodeDue>(knowledge::Encode(self.library.clone()));
        handlers.register::<knowledge::RereadDue>(knowledge::Reread(self.library.clone()));
        handlers.register::<knowledge::SweepDue>(Sweep(self.library.clone()));
        let settings = Settings {
            lanes: lanes.to_vec(),
            concurrency: self.config.queue_concurrency,
            lease: self.config.queue_lease,
            poll: self.config.queue_poll,
            keep_finished: self.config.queue_keep_finished,
            backoff: self.config.queue_backoff,
            backoff_max: Duration::from_secs(600),
        };
        Queue::new(self.db.clone(), self.clock.clone(), handlers, settings)
    }
}
