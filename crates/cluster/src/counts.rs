//! Counts of a day that several nodes add to.

use std::collections::HashMap;

use redis::cmd;

use crate::link::{Error, Link};

/// Seconds after the last addition until a day goes.
const KEPT: u64 = 17 * 86_400;

/// KEYS: the day. ARGV: seconds, then name and three numbers each.
const ADD: &str = "
for i = 2, #ARGV, 4 do
  local a, b, c = 0, 0, 0
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  if kept then a, b, c = string.match(kept, '^(%d+) (%d+) (%d+)$') end
  redis.call('HSET', KEYS[1], ARGV[i],
    string.format('%.0f %.0f %.0f', a + ARGV[i + 1], b + ARGV[i + 2], c + ARGV[i + 3]))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
";

impl Link {
    /// Adds to a day's counts, by name.
    ///
    /// # Errors
    /// When Redis does not answer; what was added may count or not.
    pub async fn add_counts(
        &mut self,
        day: i64,
        counts: &[(String, [u64; 3])],
    ) -> Result<(), Error> {
        if counts.is_empty() {
            return Ok(());
        }
        let mut call = cmd("EVAL");
        call.arg(ADD).arg(1).arg(self.day(day)).arg(KEPT);
        for (name, [a, b, c]) in counts {
            call.arg(name).arg(a).arg(b).arg(c);
        }
        let _: i64 = self.run(&call).await?;
        Ok(())
    }

    /// A day's counts, by name.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn counts(&mut self, day: i64) -> Result<Vec<(String, [u64; 3])>, Error> {
        let mut call = cmd("HGETALL");
        call.arg(self.day(day));
        let all: HashMap<String, String> = self.run(&call).await?;
        let read = |(name, text): (String, String)| {
            let mut numbers = text.split(' ').map_while(|number| number.parse().ok());
            Some((name, [numbers.next()?, numbers.next()?, numbers.next()?]))
        };
        Ok(all.into_iter().filter_map(read).collect())
    }

    fn day(&self, day: i64) -> String {
        self.keys.main(&format!("counts:{day}"))
    }
}
