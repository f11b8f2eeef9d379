//! Names of keys. What stands in braces decides which node of a Redis cluster a key is on.

/// Parts that counts are spread over, so that all nodes of a Redis cluster have some.
pub(crate) const PARTS: u64 = 16;

#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) prefix: String,
    pub(crate) house: String,
}

impl Keys {
    /// Of what the house has once.
    pub(crate) fn main(&self, name: &str) -> String {
        format!("{}:{{{}}}:{name}", self.prefix, self.house)
    }

    /// Of a client's use of a limit.
    pub(crate) fn used(&self, tenant: Option<&str>, limit: &str, client: u64) -> String {
        let tenant = tenant.map(|slug| format!("tenant:{slug}:")).unwrap_or_default();
        let (prefix, house, part) = (&self.prefix, &self.house, client % PARTS);
        // The name of a limit holds hosts and paths of any length.
        let limit = fnv(limit.as_bytes());
        format!("{prefix}:{{{house}.{part:02}}}:{tenant}limit:{limit:016x}:{client:016x}")
    }
}

/// The same in every process and version.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_carry_house_and_tenant() {
        let keys = Keys { prefix: "portaria".to_owned(), house: "5f3c".to_owned() };
        assert_eq!(keys.main("leader"), "portaria:{5f3c}:leader");
        let key = keys.used(Some("loja"), "a.example/", 0x12);
        assert!(key.starts_with("portaria:{5f3c.02}:tenant:loja:limit:"), "{key}");
        assert!(key.ends_with(":0000000000000012"), "{key}");
        assert_ne!(key, keys.used(Some("loja"), "b.example/", 0x12));
    }
}
