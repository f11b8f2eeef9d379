//! Nobody waits behind another tenant's flood.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use inbox::TurnDue;
use kernel::{ConversationId, TenantId};
use queue::NewJob;
use testkit::{TestApp, both_engines};

both_engines! {
    async fn a_flood_by_one_tenant_does_not_hold_up_another(on: On) {
        let app = TestApp::start(on).await;
        let loud = app.tenant("loud").await;
        let quiet = app.tenant("quiet").await;
        quiet.knows("Que horas abrem?", "Às 8h.").await;
        let mut tx = app.house.db.begin(loud.id).await.unwrap();
        for _ in 0..5_000 {
            let conversation = ConversationId::generate();
            let key = Some(format!("turn:{conversation}"));
            let now = app.clock.now();
            let job = NewJob { payload: &TurnDue { conversation }, run_at: now, order_key: key.clone(), dedupe_key: key, now };
            queue::enqueue(&mut tx, job).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(app.queue.run_at_most(20).await.unwrap().len(), 20, "the flood is being served");
        quiet.hears("5511987654321", "Que horas abrem?").await;
        app.clock.advance(Duration::from_secs(5));
        let next = app.queue.run_at_most(4).await.unwrap();
        let turn = next.iter().position(|(kind, tenant)| kind == "inbox.turn_due" && *tenant == quiet.id);
        assert!(turn.is_some_and(|at| at < 2), "{next:?}");
        assert_eq!(app.sent().len(), 1, "its send is claimed as soon");
    }
}

both_engines! {
    async fn a_dead_letter_frees_its_order_and_can_be_requeued(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Que horas abrem?", "Às 8h.").await;
        app.evolution.faults().always(Some(sandbox::Fault::Status(500)));
        tenant.hears("5511987654321", "Que horas abrem?").await;
        for _ in 0..12 {
            app.pass(Duration::from_secs(900)).await;
        }
        let dead = app.operator("GET", "/v1/queue/dead", None).await.expect(200).json();
        assert_eq!(dead.as_array().unwrap().len(), 1, "{dead}");
        assert_eq!(dead[0]["kind"], "inbox.send_due");
        assert_eq!(tenant.messages().await[1]["state"], "failed");
        app.evolution.faults().always(None);
        tenant.hears("5511987654321", "Que horas abrem mesmo?").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), 1, "the order is free");
        let id = dead[0]["id"].as_str().unwrap();
        app.operator("POST", &format!("/v1/queue/dead/{id}/requeue"), None).await.expect(200);
        app.operator("POST", &format!("/v1/queue/dead/{id}/requeue"), None).await.expect(404);
    }
}

both_engines! {
    async fn a_silent_workers_job_runs_again_elsewhere(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Que horas abrem?", "Às 8h.").await;
        tenant.hears("5511987654321", "Que horas abrem?").await;
        app.clock.advance(Duration::from_secs(5));
        // The turn runs here; its send is claimed by a worker that is never heard of again.
        app.queue.run_at_most(1).await.unwrap();
        let mut tx = app.house.db.begin_system().await.unwrap();
        let lease = app.clock.now() + Duration::from_secs(20);
        tx.execute("UPDATE jobs SET state = 2, attempts = 1, lease_owner = 'gone', lease_until = $1 WHERE state = 1",
            db::args![lease]).await.unwrap();
        tx.commit().await.unwrap();
        app.pass(Duration::from_secs(10)).await;
        assert_eq!(app.sent(), []);
        app.pass(Duration::from_secs(11)).await;
        assert_eq!(app.sent().len(), 1);
    }
}

both_engines! {
    async fn weights_grant_more_jobs_in_a_row(on: On) {
        let app = TestApp::start(on).await;
        let light = app.tenant("light").await;
        let heavy = app.tenant("heavy").await;
        let mut tx = app.house.db.begin(heavy.id).await.unwrap();
        queue::set_weight(&mut tx, 3).await.unwrap();
        tx.commit().await.unwrap();
        for tenant in [&light, &heavy] {
            let mut tx = app.house.db.begin(tenant.id).await.unwrap();
            for _ in 0..20 {
                let now = app.clock.now();
                let payload = TurnDue { conversation: ConversationId::generate() };
                let job = NewJob { payload: &payload, run_at: now, order_key: None, dedupe_key: None, now };
                queue::enqueue(&mut tx, job).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
        let ran = app.queue.run_at_most(16).await.unwrap();
        let of_heavy = ran.iter().filter(|(_, tenant)| *tenant == heavy.id).count();
        assert_eq!(of_heavy, 12, "three of four: {ran:?}");
        // Work-conserving: when one has nothing left, the other gets everything.
        assert_eq!(app.run_jobs().await.len(), 24);
    }
}

both_engines! {
    async fn tenants_that_wait_for_their_order_do_not_hold_up_others(on: On) {
        let app = TestApp::start(on).await;
        let quiet = app.tenant("zz-quiet").await;
        quiet.knows("Que horas abrem?", "Às 8h.").await;
        // Forty tenants with a ready job each that waits behind a later retry.
        for number in 0..40 {
            let body = serde_json::json!({ "slug": format!("t{number:02}"), "name": "x" });
            let made = app.operator("POST", "/v1/tenants", Some(&body)).await.expect(201).json();
            let id: kernel::TenantId = made["id"].as_str().unwrap().parse().unwrap();
            let mut tx = app.house.db.begin(id).await.unwrap();
            let now = app.clock.now();
            for run_at in [now + Duration::from_secs(3600), now] {
                let payload = TurnDue { conversation: ConversationId::generate() };
                let order_key = Some("one".to_owned());
                let job = NewJob { payload: &payload, run_at, order_key, dedupe_key: None, now };
                queue::enqueue(&mut tx, job).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
        quiet.hears("5511987654321", "Que horas abrem?").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), 1);
    }
}

both_engines! {
    async fn jobs_that_all_wait_for_their_order_do_not_keep_the_worker_busy(on: On) {
        let app = TestApp::start(on).await;
        // The first in the round has one job, the second only such as wait for another's retry.
        let first = app.tenant("first").await;
        let second = app.tenant("second").await;
        for tenant in [&first, &second] {
            tenant.hears("5511987654321", "atendente").await;
        }
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), 2);
        let say = |text: &str| serde_json::json!({ "to": "5511987654321", "text": text });
        app.evolution.faults().push(sandbox::Fault::Throttle(3600));
        second.post("/v1/messages", &say("espera")).await.expect(202);
        app.run_jobs().await;
        second.post("/v1/messages", &say("depois")).await.expect(202);
        first.post("/v1/messages", &say("agora")).await.expect(202);
        let stop = tokio_util::sync::CancellationToken::new();
        let worker = tokio::spawn({
            let (queue, stop) = (app.house.queue(&queue::Lane::ALL), stop.clone());
            async move { queue.run(stop).await }
        });
        let sent = app.evolution.wait_for(3, Duration::from_secs(10)).await;
        stop.cancel();
        assert_eq!(sent.last().unwrap().text, "agora", "{sent:?}");
        tokio::time::timeout(Duration::from_secs(10), worker).await.expect("the worker ends").unwrap();
    }
}

both_engines! {
    async fn a_clock_that_is_set_keeps_nobody_waiting(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Quanto custa a limpeza?", "Cento e vinte reais.").await;
        app.run_jobs().await;
        for (at, seconds) in [-3600, 7200, -600, 30].into_iter().enumerate() {
            let phone = format!("551198765432{at}");
            tenant.hears_as(&phone, "Quanto custa a limpeza?", &format!("A{at}")).await.expect(202);
            assert_eq!(app.run_jobs().await, [], "the burst may go on");
            // Somebody corrects the clock while the answer waits.
            app.clock.step(seconds);
            assert_eq!(app.run_jobs().await, [], "it waits as long as it would have");
            app.pass(Duration::from_secs(60)).await;
            assert_eq!(app.sent().len(), at + 1, "after {seconds} s");
        }
    }
}

/// While it runs somebody sets the clock by so many seconds; then it wants to run again in ten.
struct SetClock {
    clock: kernel::Clock,
    by: i64,
    runs: AtomicU32,
}

#[async_trait::async_trait]
impl queue::Handler<TurnDue> for SetClock {
    async fn run(&self, _: TurnDue, _: &queue::JobCx) -> Result<queue::Done, queue::JobError> {
        if self.runs.fetch_add(1, Ordering::SeqCst) > 0 {
            return Ok(queue::Done::Finish);
        }
        let wait = Duration::from_secs(10);
        let until = self.clock.now() + wait;
        self.clock.step(self.by);
        if self.by < 0 {
            return Err(queue::JobError::Hold { until });
        }
        Err(queue::JobError::Retry { after: Some(wait), cause: "for the test".to_owned() })
    }
}

/// A queue with one job, over which the clock is set.
async fn sets_clock(app: &TestApp, tenant: TenantId, by: i64) -> queue::Queue {
    let mut handlers = queue::Handlers::default();
    let runs = AtomicU32::new(0);
    handlers.register::<TurnDue>(SetClock { clock: app.clock.clone(), by, runs });
    let (db, clock) = (app.house.db.clone(), app.clock.clone());
    let mut tx = app.house.db.begin(tenant).await.unwrap();
    let payload = &TurnDue { conversation: ConversationId::generate() };
    let now = app.clock.now();
    let job = NewJob { payload, run_at: now, order_key: None, dedupe_key: None, now };
    queue::enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    queue::Queue::new(db, clock, handlers, queue::Settings::default())
}

both_engines! {
    async fn a_retry_of_a_job_over_which_the_clock_was_set_is_not_moved_twice(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("loja").await;
        let queue = sets_clock(&app, tenant.id, 1200).await;
        assert_eq!(queue.run_due().await.unwrap().len(), 1);
        // A look in the new time, and the clock is set right again.
        assert_eq!(queue.run_due().await.unwrap(), []);
        app.clock.step(-1200);
        app.clock.advance(Duration::from_secs(11));
        assert_eq!(queue.run_due().await.unwrap().len(), 1, "ten seconds are over");
    }
}

both_engines! {
    async fn a_held_job_over_which_the_clock_was_set_back_waits_no_longer(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("loja").await;
        let queue = sets_clock(&app, tenant.id, -1200).await;
        assert_eq!(queue.run_due().await.unwrap().len(), 1);
        assert_eq!(queue.run_due().await.unwrap(), []);
        app.clock.advance(Duration::from_secs(11));
        assert_eq!(queue.run_due().await.unwrap().len(), 1, "ten seconds are over");
    }
}

both_engines! {
    async fn two_leases_of_one_job_that_ran_out_stop_nothing(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let mut tx = app.house.db.begin_system().await.unwrap();
        for _ in 0..2 {
            let id = kernel::JobId::generate().to_string();
            let sql = "INSERT INTO jobs (id, tenant_id, kind, lane, state, dedupe_key, payload, run_at, max_attempts, \
                       lease_until, lease_owner, enqueued_at) VALUES ($1, $2, 'channels.catch_up_due', 0, 2, 'twin', '{}', 0, 1, 1, 'gone', 0)";
            tx.execute(sql, db::args![id, tenant.id]).await.unwrap();
        }
        tx.commit().await.unwrap();
        // Every claim would fail, of whichever business.
        app.tenant("outra").await.hears("5511987654321", "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), 1);
    }
}
