//! Who is there, and who leads. Both in one script, so that nobody sees half of it.

use std::time::Duration;

use redis::cmd;

use crate::link::{Error, Link};

/// What a node learns when it says that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// Name and word of everybody who said something lately, sorted by name.
    pub members: Vec<(String, String)>,
    pub leader: Lead,
}

/// A term of leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    pub node: String,
    /// No later term has a smaller number.
    pub term: u64,
}

/// KEYS: members, leader, term, values. ARGV: node, word, milliseconds until a node counts as gone, milliseconds until a
/// leader does. The number of a term is the time in microseconds where that is later: so it grows also when a
/// replica that did not hear of the last term takes over.
const MEET: &str = "
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', micros, ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3] * 2)
local all = redis.call('HGETALL', KEYS[1])
local found = {}
for i = 1, #all, 2 do
  local cut = string.find(all[i + 1], ' ', 1, true)
  if micros - tonumber(string.sub(all[i + 1], 1, cut - 1)) > ARGV[3] * 1000 then
    redis.call('HDEL', KEYS[1], all[i])
  else
    found[#found + 1] = all[i]
    found[#found + 1] = string.sub(all[i + 1], cut + 1)
  end
end
local leader = redis.call('GET', KEYS[2])
if not leader then
  local last = tonumber(redis.call('GET', KEYS[3]) or '0')
  local term = string.format('%.0f', math.max(last + 1, micros))
  redis.call('SET', KEYS[3], term)
  leader = term .. ' ' .. ARGV[1]
  redis.call('SET', KEYS[2], leader, 'PX', ARGV[4])
elseif string.sub(leader, string.find(leader, ' ', 1, true) + 1) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return {leader, found}
";

/// KEYS: term, value. ARGV: term of the writer, value.
const WRITE: &str = "
if tonumber(redis.call('GET', KEYS[1]) or '0') ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
";

/// KEYS: members, leader. ARGV: node.
const LEAVE: &str = "
redis.call('HDEL', KEYS[1], ARGV[1])
local leader = redis.call('GET', KEYS[2])
if leader and string.sub(leader, string.find(leader, ' ', 1, true) + 1) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
return 1
";

impl Link {
    /// Says that a node is there, and leads if nobody does.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn meet(
        &mut self,
        node: &str,
        word: &str,
        gone: Duration,
        leader: Duration,
    ) -> Result<Meeting, Error> {
        let mut call = cmd("EVAL");
        call.arg(MEET).arg(3);
        for name in ["members", "leader", "term"] {
            call.arg(self.keys.main(name));
        }
        call.arg(node).arg(word).arg(gone.as_millis() as u64).arg(leader.as_millis() as u64);
        let (leader, flat): (String, Vec<String>) = self.run(&call).await?;
        let (term, holder) = leader.split_once(' ').unwrap_or(("0", ""));
        let mut members: Vec<(String, String)> =
            flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        members.sort();
        let leader = Lead { node: holder.to_owned(), term: term.parse().unwrap_or_default() };
        Ok(Meeting { members, leader })
    }

    /// Says that a node goes; who leads gives that up.
    ///
    /// # Errors
    /// When Redis does not answer; the others find out by themselves.
    pub async fn leave(&mut self, node: &str) -> Result<(), Error> {
        let mut call = cmd("EVAL");
        call.arg(LEAVE)
            .arg(2)
            .arg(self.keys.main("members"))
            .arg(self.keys.main("leader"))
            .arg(node);
        let _: i64 = self.run(&call).await?;
        Ok(())
    }

    /// Writes something in the name of a term; false, and nothing written, when there was a later one.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn write_as(&mut self, term: u64, name: &str, value: &str) -> Result<bool, Error> {
        let mut call = cmd("EVAL");
        call.arg(WRITE)
            .arg(2)
            .arg(self.keys.main("term"))
            .arg(self.keys.main(name))
            .arg(term)
            .arg(value);
        let written: i64 = self.run(&call).await?;
        Ok(written == 1)
    }

    /// What a leader wrote.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn read(&mut self, name: &str) -> Result<Option<String>, Error> {
        let mut call = cmd("GET");
        call.arg(self.keys.main(name));
        self.run(&call).await
    }
}
