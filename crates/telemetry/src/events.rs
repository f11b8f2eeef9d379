//! Every event name that may stand in a log line. `docs/events.md` explains them.

/// Event names with what they mean. A test holds every `event = "…"` in the code against it.
pub const EVENTS: &[(&str, &str)] = &[
    (
        "accept_failed",
        "the house could not accept a connection, mostly for want of file descriptors; the cause",
    ),
    (
        "audit_not_written",
        "a program changed something and the audit trail did not take its line; the cause",
    ),
    (
        "channel_alarm",
        "a channel needs a look: a webhook body was too large, its state changed, its provider is not reached (`state=reach`), or clocks disagree (`state=clock`)",
    ),
    (
        "clock_stepped",
        "the wall clock was set; by how many seconds. What waits for a while was moved with it",
    ),
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
    (
        "disk_low",
        "the disk is nearly full: no file is kept until there is room again, messages still are; how much is free",
    ),
    ("document_failed", "a document could not be read; the reason is shown in the list"),
    (
        "few_descriptors",
        "the process may have fewer file descriptors than the connections it was asked for; how many it takes",
    ),
    ("gap_filled", "messages that no webhook brought were found at the provider; how many"),
    (
        "gateway_accept_failed",
        "the gateway could not accept a connection, mostly for want of file descriptors; the cause",
    ),
    (
        "gateway_access_log_dropped",
        "lines of the access log were dropped because its writer could not keep up; how many",
    ),
    ("gateway_access_log_failed", "the access log could not be written; the cause"),
    (
        "gateway_config_note",
        "something in the gateway's file that is fine and worth knowing; its line",
    ),
    (
        "gateway_config_refused",
        "the gateway's file has a fault and was not taken; line, field, reason. What served goes on",
    ),
    (
        "gateway_call_not_followed",
        "another node was asked for a change that cannot be made here; the reason",
    ),
    (
        "gateway_certificate_failed",
        "a host got no certificate; the authority's reason, and when it is tried again",
    ),
    ("gateway_certificate_made", "a host got a certificate; until when it holds"),
    ("gateway_certificate_unusable", "a kept certificate cannot be served; the reason"),
    ("gateway_certificates_unread", "certificates could not be looked after just now; the reason"),
    (
        "gateway_desk_away",
        "the house's database was not reached: this node is not seen there, and serves on; the reason",
    ),
    ("gateway_domain_refused", "a tenant's domain cannot be served as it stands; the reason"),
    ("gateway_domains_unread", "the domains could not be read; those that were known are served"),
    ("gateway_draining", "this node takes nothing new and finishes what it has"),
    ("gateway_geoip_changed", "a new GeoIP database was taken in"),
    (
        "gateway_geoip_unread",
        "the GeoIP database changed and cannot be read; the one that was stays",
    ),
    (
        "gateway_hand_over_failed",
        "a process that asked for the listeners, or gave them, went away; this one serves on",
    ),
    ("gateway_handed_over", "a new process serves; this one finishes what it has and ends"),
    (
        "gateway_leader",
        "the nodes of a gateway have a leader; which, its term, and whether it is this one",
    ),
    ("gateway_listen_failed", "an address of the gateway could not be served; the cause"),
    (
        "gateway_no_upgrades",
        "a new process cannot ask for the listeners; which socket, and the cause",
    ),
    ("gateway_ready", "the gateway serves; where, and with how many threads"),
    ("gateway_redis_connected", "Redis is reached; what kind it is"),
    (
        "gateway_redis_lost",
        "Redis is not reached; the reason. This node serves by what it counts itself and tries again",
    ),
    ("gateway_restart_needed", "a setting was changed that takes effect at the next start only"),
    (
        "gateway_table_changed",
        "another table of routes was put in place; its version and who did it",
    ),
    ("gateway_tenant_drain", "a tenant's routes take nothing new any more, or again"),
    ("gateway_upstream_back", "an ejected upstream answered its trial well and is back"),
    ("gateway_upstream_drain", "an upstream gets nobody new any more, or again"),
    ("gateway_upstream_ejected", "an upstream was ejected for errors in a row"),
    ("gateway_upstream_healthy", "checks found an upstream healthy again"),
    ("gateway_upstream_unhealthy", "checks found an upstream unhealthy; the reason"),
    (
        "gateway_waf_match",
        "a rule of the firewall matched a request; which, where, and whether it was blocked",
    ),
    ("gateway_watch_failed", "the gateway's file is not watched; the cause"),
    ("gateway_worker_failed", "a thread of the gateway ended with an error"),
    ("handed_over", "a conversation changed its owner; the reason"),
    ("hook_disabled", "an outgoing webhook was turned off; the reason"),
    ("http_failed", "a request failed for a reason of ours; the request id"),
    ("job_dead", "a job was given up and lies with the dead letters"),
    ("job_retry", "a job failed and will be tried again"),
    ("job_settle_failed", "the end of a job could not be written; its lease will run out"),
    (
        "letters_limited",
        "an e-mail was not sent: its business, or one recipient of it, had too many in the last hour",
    ),
    ("library_log", "a warning of a library"),
    (
        "mail_failed",
        "an e-mail could not be sent: a notice that a customer is waiting, an invitation, or a new password",
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
    ("original_not_kept", "a document was read and its original file could not be kept; the cause"),
    (
        "panicked",
        "the program has a fault there; whoever asked got an error, and a background task starts again",
    ),
    ("presence_failed", "the typing sign could not be shown; nothing else is affected"),
    ("queue_claim_failed", "a worker could not ask for jobs"),
    ("queue_heartbeat_failed", "a worker could not renew its leases"),
    ("queue_prune_failed", "finished jobs could not be pruned"),
    ("raw_event_stored", "a webhook of unknown shape was kept for replay"),
    (
        "rereading_not_scheduled",
        "documents that an earlier version read are read again only after the next start",
    ),
    ("send_failed", "a provider refused a message"),
    ("send_unknown", "a provider did not say whether a message went out; it is not sent again"),
    ("server_ready", "the server listens"),
    (
        "server_stop_cut_short",
        "jobs did not end within a minute of being asked to stop; they are tried again when their leases end",
    ),
    ("server_stopping", "the server finishes what it has and stops"),
    ("sign_in_refused", "somebody's e-mail address and password did not match"),
    ("task_restarted", "a background task broke down and was started again; which, and where"),
    ("tenant_created", "a tenant was created"),
    ("tenant_state_changed", "a tenant moved to another state of its life"),
    ("unsettled_messages", "messages have no final state, as the nightly look found; how many"),
    ("webhook_refused", "a webhook was refused; the status"),
];
