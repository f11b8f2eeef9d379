//! What one node was told and all follow: a list in one order.

use redis::cmd;

use crate::link::{Error, Link};

/// Entries that are kept; what is older is in nobody's way.
const KEPT: usize = 1000;
/// Seconds after the last entry until a list goes.
const DAYS: u64 = 30 * 86_400;

/// Part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Number of the first entry of these.
    pub from: u64,
    pub entries: Vec<String>,
}

/// KEYS: list, how many are gone from its beginning. ARGV: how many are kept, seconds, entries.
const ADD: &str = "
for i = 3, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
local over = redis.call('LLEN', KEYS[1]) - ARGV[1]
if over > 0 then
  redis.call('LTRIM', KEYS[1], over, -1)
  redis.call('INCRBY', KEYS[2], over)
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
";

/// KEYS: as above. ARGV: the first number that is wanted.
const READ: &str = "
local gone = tonumber(redis.call('GET', KEYS[2]) or '0')
local from = tonumber(ARGV[1])
local all = redis.call('LLEN', KEYS[1]) + gone
if from > all then from = 0 end
from = math.max(from, gone)
return {from, redis.call('LRANGE', KEYS[1], from - gone, -1)}
";

impl Link {
    /// Adds to a list.
    ///
    /// # Errors
    /// When Redis does not answer; what was added may be there or not.
    pub async fn add_told(&mut self, list: &str, entries: &[String]) -> Result<(), Error> {
        let mut call = cmd("EVAL");
        call.arg(ADD)
            .arg(2)
            .arg(self.list(list))
            .arg(self.gone(list))
            .arg(KEPT)
            .arg(DAYS)
            .arg(entries);
        let _: i64 = self.run(&call).await?;
        Ok(())
    }

    /// Reads a list from an entry on. A list that is shorter than that was lost, and is read from its beginning.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn read_told(&mut self, list: &str, from: u64) -> Result<Told, Error> {
        let mut call = cmd("EVAL");
        call.arg(READ).arg(2).arg(self.list(list)).arg(self.gone(list)).arg(from);
        let (from, entries): (u64, Vec<String>) = self.run(&call).await?;
        Ok(Told { from, entries })
    }

    fn list(&self, list: &str) -> String {
        self.keys.main(&format!("told:{list}"))
    }

    fn gone(&self, list: &str) -> String {
        self.keys.main(&format!("told:{list}:gone"))
    }
}
