//! What is left of clients' limits for all nodes together: a token bucket a client, kept at Redis by one script.

use redis::cmd;

use crate::keys::PARTS;
use crate::link::{Error, Link};

/// Keys a script looks at, so that it never keeps Redis from others for long.
const AT_ONCE: usize = 500;

/// What one client used of one limit since it was last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Use<'a> {
    pub tenant: Option<&'a str>,
    pub limit: &'a str,
    /// The client, as a hash.
    pub client: u64,
    pub per_second: f64,
    pub burst: f64,
    pub taken: u32,
}

/// Each key holds what is left and when that was, by the clock of Redis. It goes when the bucket is full again.
/// More than a burst, or ten seconds of the rate, is never owed: after a storm at many nodes, clients get in again.
const SCRIPT: &str = "
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local left = {}
for i, key in ipairs(KEYS) do
  local rate, burst, taken = tonumber(ARGV[i * 3 - 2]), tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3])
  local tokens = burst
  local kept = redis.call('GET', key)
  if kept then
    local cut = string.find(kept, ' ', 1, true)
    local passed = math.max(0, now - tonumber(string.sub(kept, cut + 1)))
    tokens = math.min(burst, tonumber(string.sub(kept, 1, cut - 1)) + passed * rate)
  end
  tokens = math.max(tokens - taken, -math.max(burst, rate * 10))
  local full = math.ceil((burst - tokens) / rate * 1000) + 1000
  redis.call('SET', key, string.format('%.6f %.6f', tokens, now), 'PX', full)
  left[i] = string.format('%.6f', tokens)
end
return left
";

impl Link {
    /// Tells what was used, and learns what is left for each, in tokens; negative when too much was let through.
    ///
    /// # Errors
    /// When Redis does not answer. What was told may count or not.
    pub async fn tell_used(&mut self, used: &[Use<'_>]) -> Result<Vec<f64>, Error> {
        let mut left = vec![0.0; used.len()];
        // Keys of one call are on one node of a cluster.
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); PARTS as usize];
        for (index, one) in used.iter().enumerate() {
            parts[(one.client % PARTS) as usize].push(index);
        }
        for indices in parts.iter().flat_map(|part| part.chunks(AT_ONCE)) {
            let mut call = cmd("EVAL");
            call.arg(SCRIPT).arg(indices.len());
            for index in indices {
                let one = &used[*index];
                call.arg(self.keys.used(one.tenant, one.limit, one.client));
            }
            for index in indices {
                let one = &used[*index];
                // A year until it is full again, at most.
                call.arg(one.per_second.max(one.burst / 31_536_000.0))
                    .arg(one.burst)
                    .arg(one.taken);
            }
            let answer: Vec<f64> = self.run(&call).await?;
            for (index, tokens) in indices.iter().zip(answer) {
                left[*index] = tokens;
            }
        }
        Ok(left)
    }
}
