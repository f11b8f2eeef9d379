//! Questions outside of any conversation: trying the assistant out. They cost as others do.

use db::{Db, Error};

use crate::answer::{Answerer, Turned};
use crate::reply::Reply;
use crate::{Context, budget};
use inbox::Line;

impl Answerer {
    /// Answers one text outside of any conversation, within the month's budget, and adds what it cost.
    /// `first`: as the first words of somebody, who is greeted.
    ///
    /// # Errors
    /// When the tenant's knowledge cannot be read, or the database refuses.
    pub async fn chat(
        &self,
        db: &Db,
        context: &Context,
        text: &str,
        first: bool,
    ) -> Result<Reply, Error> {
        let (tenant, zone) = (context.tenant.id, context.tenant.time_zone.as_str());
        let line = Line { from_contact: true, content: "text".to_owned(), body: text.to_owned() };
        let turned = Turned { burst: &[line], history: &[], first, declines: 0 };
        let mut tx = db.read(tenant).await?;
        let spent = budget::is_spent(&mut tx, context, self.clock.now()).await?;
        drop(tx);
        let without;
        let context = if spent {
            without = Context { models: Vec::new(), ..context.clone() };
            &without
        } else {
            context
        };
        let reply = self.answer(context, &turned).await?;
        let cost = budget::cost_of(&reply.trace);
        if cost > 0.0 {
            let mut tx = db.begin(tenant).await?;
            budget::add(&mut tx, &budget::month(self.clock.now(), zone), cost).await?;
            tx.commit().await?;
        }
        Ok(reply)
    }
}
