//! Every event name that may stand in a log line. `docs/events.md` explains them.

/// Event names with what they mean. A test holds every `event = "…"` in the code against it.
pub const EVENTS: &[(&str, &str)] = &[
    (
        "audit_not_written",
        "a program changed something and the audit trail did not take its line; the cause",
    ),
    ("channel_alarm", "a channel needs a look: a webhook body was too large, or its state changed"),
    ("contact_merged", "two contacts turned out to be one person and were merged"),
    ("contact_parted", "a merge of two contacts was undone"),
    (
        "db_checkpoint_failed",
        "the log could not be carried over into the database; it grows meanwhile",
    ),
    ("db_listen_lost", "the connection for wake-ups between processes broke and is made again"),
    (
        "db_sync_failed",
        "the disk did not take what was written; nothing is accepted until the program is restarted",
    ),
    ("demo_scan_failed", "the demo's stand-in phone could not scan a code"),
    ("document_failed", "a document could not be read; the reason is shown in the list"),
    ("gap_filled", "messages that no webhook brought were found at the provider; how many"),
    ("handed_over", "a conversation changed its owner; the reason"),
    ("hook_disabled", "an outgoing webhook was turned off; the reason"),
    ("http_failed", "a request failed for a reason of ours; the request id"),
    ("job_dead", "a job was given up and lies with the dead letters"),
    ("job_retry", "a job failed and will be tried again"),
    ("job_settle_failed", "the end of a job could not be written; its lease will run out"),
    ("library_log", "a warning of a library"),
    (
        "mail_failed",
        "an e-mail could not be sent: a notice that somebody waits, an invitation, or a new password",
    ),
    ("model_circuit_closed", "a model answers again"),
    ("model_circuit_opened", "a model failed too often; it is left alone for a while"),
    (
        "model_failed",
        "a model did not answer usefully; the next one or the extractive answer steps in",
    ),
    (
        "oidc_auth_error",
        "the identity provider was not reached, is another one, or refused us: look at the issuer and the client",
    ),
    (
        "oidc_claim_not_found",
        "a claim of the mapping is missing, or names no business and role here: look at the mapping",
    ),
    (
        "oidc_token_validation_error",
        "a token of the identity provider was not believed: look at its keys and at the clocks",
    ),
    ("presence_failed", "the typing sign could not be shown; nothing else is affected"),
    ("queue_claim_failed", "a worker could not ask for jobs"),
    ("queue_heartbeat_failed", "a worker could not renew its leases"),
    ("queue_prune_failed", "finished jobs could not be pruned"),
    ("raw_event_stored", "a webhook of unknown shape was kept for replay"),
    ("send_failed", "a provider refused a message"),
    ("send_unknown", "a provider did not say whether a message went out; it is not sent again"),
    ("server_ready", "the server listens"),
    ("server_stopping", "the server finishes what it has and stops"),
    ("sign_in_refused", "somebody's e-mail address and password did not match"),
    ("tenant_created", "a tenant was created"),
    ("tenant_state_changed", "a tenant moved to another state of its life"),
    ("unsettled_messages", "messages have no final state, as the nightly look found; how many"),
    ("webhook_refused", "a webhook was refused; the status"),
];
