//! Memory of request bodies: counted for the process, by address and by tenant, and given back when a request is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use kernel::TenantId;
use parking_lot::Mutex;

use crate::Problem;

/// How much memory bodies in flight may take.
#[derive(Debug, Clone, Copy)]
pub struct BudgetLimits {
    /// Bytes of all bodies together.
    pub total: usize,
    /// Of those, of callers who have not proved who they are.
    pub strangers: usize,
    /// Bytes of one address.
    pub address: usize,
    /// Bytes of one tenant.
    pub tenant: usize,
    /// Bytes of bodies that wait on the disk.
    pub spooled: u64,
}

/// There is no room for a body just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this server holds as many bodies as it may ({0}); send it again in a moment")]
pub struct NoRoom(&'static str);

impl From<NoRoom> for Problem {
    fn from(full: NoRoom) -> Self {
        metrics::counter!("portaria_bodies_refused_total", "by" => full.0).increment(1);
        Self::unavailable(full.to_string(), RETRY.as_secs())
    }
}

/// When a caller is to come back.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    total: usize,
    strangers: usize,
    spooled: u64,
    addresses: HashMap<IpAddr, usize>,
    tenants: HashMap<TenantId, usize>,
}

struct Inner {
    limits: BudgetLimits,
    state: Mutex<State>,
}

/// The bodies of one process. Cheap to clone.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

impl Budget {
    pub fn new(limits: BudgetLimits) -> Self {
        Self(Arc::new(Inner { limits, state: Mutex::default() }))
    }

    /// A request's account, empty yet. `address`: who calls; nobody's when there is none.
    pub fn open(&self, address: Option<IpAddr>) -> Holding {
        let held = Held { address, tenant: None, bytes: 0, spooled: 0 };
        Holding(Arc::new(Account { budget: self.clone(), held: Mutex::new(held) }))
    }

    /// Bytes in memory and on the disk.
    pub fn used(&self) -> (usize, u64) {
        let state = self.0.state.lock();
        (state.total, state.spooled)
    }
}

struct Held {
    address: Option<IpAddr>,
    tenant: Option<TenantId>,
    bytes: usize,
    spooled: u64,
}

struct Account {
    budget: Budget,
    held: Mutex<Held>,
}

/// What one request holds; given back when its last copy is dropped.
#[derive(Clone)]
pub struct Holding(Arc<Account>);

impl Holding {
    /// Takes more bytes of memory.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn grow(&self, bytes: usize) -> Result<(), NoRoom> {
        let Account { budget, held } = &*self.0;
        let Inner { limits, state } = &*budget.0;
        let mut held = held.lock();
        let mut state = state.lock();
        if state.total + bytes > limits.total {
            return Err(NoRoom("in all"));
        }
        match held.tenant {
            None if state.strangers + bytes > limits.strangers => {
                return Err(NoRoom("of strangers"));
            }
            Some(tenant) if over(&state.tenants, &tenant, bytes, limits.tenant) => {
                return Err(NoRoom("of this business"));
            }
            _ => {}
        }
        if let Some(address) = held.address {
            if over(&state.addresses, &address, bytes, limits.address) {
                return Err(NoRoom("of this address"));
            }
            *state.addresses.entry(address).or_default() += bytes;
        }
        match held.tenant {
            None => state.strangers += bytes,
            Some(tenant) => *state.tenants.entry(tenant).or_default() += bytes,
        }
        state.total += bytes;
        held.bytes += bytes;
        Ok(())
    }

    /// The caller proved to speak for this tenant: what the request holds is the tenant's.
    ///
    /// # Errors
    /// When the tenant holds as much as it may.
    pub fn belongs_to(&self, tenant: TenantId) -> Result<(), NoRoom> {
        let Account { budget, held } = &*self.0;
        let Inner { limits, state } = &*budget.0;
        let mut held = held.lock();
        if held.tenant.is_some() {
            return Ok(());
        }
        let mut state = state.lock();
        if held.bytes > 0 && over(&state.tenants, &tenant, held.bytes, limits.tenant) {
            return Err(NoRoom("of this business"));
        }
        state.strangers -= held.bytes;
        if held.bytes > 0 {
            *state.tenants.entry(tenant).or_default() += held.bytes;
        }
        held.tenant = Some(tenant);
        Ok(())
    }

    /// Takes more bytes of the disk.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(crate) fn spool(&self, bytes: u64) -> Result<(), NoRoom> {
        let Account { budget, held } = &*self.0;
        let Inner { limits, state } = &*budget.0;
        let mut held = held.lock();
        let mut state = state.lock();
        if state.spooled + bytes > limits.spooled {
            return Err(NoRoom("on the disk"));
        }
        state.spooled += bytes;
        held.spooled += bytes;
        Ok(())
    }
}

fn over<K: std::hash::Hash + Eq>(
    all: &HashMap<K, usize>,
    key: &K,
    bytes: usize,
    most: usize,
) -> bool {
    all.get(key).copied().unwrap_or(0) + bytes > most
}

fn less<K: std::hash::Hash + Eq>(all: &mut HashMap<K, usize>, key: K, bytes: usize) {
    if let Some(count) = all.get_mut(&key) {
        *count = count.saturating_sub(bytes);
        if *count == 0 {
            all.remove(&key);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let held = self.held.get_mut();
        if held.bytes == 0 && held.spooled == 0 {
            return;
        }
        let mut state = self.budget.0.state.lock();
        state.total -= held.bytes;
        state.spooled -= held.spooled;
        if let Some(address) = held.address {
            less(&mut state.addresses, address, held.bytes);
        }
        match held.tenant {
            None => state.strangers -= held.bytes,
            Some(tenant) => less(&mut state.tenants, tenant, held.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(BudgetLimits {
            total: 100,
            strangers: 50,
            address: 40,
            tenant: 60,
            spooled: 10,
        })
    }

    #[test]
    fn strangers_leave_room_for_those_who_are_known() {
        let budget = budget();
        let addresses: Vec<IpAddr> = (1..4).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        let one = budget.open(Some(addresses[0]));
        one.grow(40).unwrap();
        assert_eq!(one.grow(1), Err(NoRoom("of this address")));
        let other = budget.open(Some(addresses[1]));
        assert_eq!(other.grow(20), Err(NoRoom("of strangers")));
        let (tenant, known) = (TenantId::generate(), budget.open(Some(addresses[2])));
        known.belongs_to(tenant).unwrap();
        known.grow(40).unwrap();
        // Who proves to be a tenant's makes room for strangers, within what the tenant may.
        assert_eq!(one.belongs_to(tenant), Err(NoRoom("of this business")));
        one.belongs_to(TenantId::generate()).unwrap();
        other.grow(20).unwrap();
        assert_eq!(budget.used(), (100, 0));
        assert_eq!(budget.open(None).grow(1), Err(NoRoom("in all")));
        drop((one, other));
        assert_eq!(budget.used(), (40, 0));
        known.spool(10).unwrap();
        assert_eq!(known.spool(1), Err(NoRoom("on the disk")));
        drop(known);
        assert_eq!(budget.used(), (0, 0));
        let state = budget.0.state.lock();
        assert!(state.addresses.is_empty() && state.tenants.is_empty());
    }
}
