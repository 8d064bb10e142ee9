//! What TCP clients may use: connections in all and from one address, and time without a question.
//!
//! An IPv6 client has a whole /64 to take addresses from, so that counts as one address.
//!
//! The lock is taken when a connection opens and closes, never for a question.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::limits::TCP_TICK_MS;
use crate::telemetry::connections::Connections;
pub use crate::telemetry::connections::Limit as Full;

/// `server.tcp_max`, `tcp_per_address` and `tcp_idle`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpLimits {
    pub max: usize,
    pub per_address: usize,
    /// Longest time without a question, and longest time a write may take.
    pub idle: Duration,
}

/// The limits and what is open, shared by all workers. The limits can change while it works.
#[derive(Debug, Default)]
pub struct Admission {
    idle_ticks: AtomicU64,
    open: Mutex<Open>,
    figures: Arc<Connections>,
}

#[derive(Debug, Default)]
struct Open {
    max: usize,
    per_address: usize,
    total: usize,
    /// By the addresses that `network` makes.
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one open connection, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    admission: Arc<Admission>,
    network: IpAddr,
}

impl Admission {
    pub fn new(limits: TcpLimits) -> Arc<Admission> {
        let admission = Admission::default();
        admission.set(limits);
        Arc::new(admission)
    }

    /// From now on these limits hold. Connections that are open stay, for as long as they ask.
    pub fn set(&self, limits: TcpLimits) {
        let ticks = limits.idle.as_millis().div_ceil(u128::from(TCP_TICK_MS));
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX / 2);
        self.idle_ticks.store(ticks, Ordering::Relaxed);
        let mut open = self.open();
        (open.max, open.per_address) = (limits.max, limits.per_address);
    }

    /// The idle time in ticks of `TCP_TICK_MS`.
    pub fn idle_ticks(&self) -> u64 {
        self.idle_ticks.load(Ordering::Relaxed)
    }

    /// How many were let in and how many were not.
    pub fn figures(&self) -> &Arc<Connections> {
        &self.figures
    }

    /// A place for one more connection from `address`.
    pub fn admit(self: &Arc<Admission>, address: IpAddr) -> Result<Slot, Full> {
        let network = self.count(address).inspect_err(|full| self.figures.refuse(*full))?;
        self.figures.accept();
        Ok(Slot { admission: Arc::clone(self), network })
    }

    /// Counts one more from `address`, if there is room.
    fn count(&self, address: IpAddr) -> Result<IpAddr, Full> {
        let mut open = self.open();
        let per_address = open.per_address;
        let network = network(address);
        if open.total >= open.max {
            return Err(Full::Server);
        }
        match open.by_address.entry(network) {
            Entry::Occupied(mut count) if *count.get() < per_address => *count.get_mut() += 1,
            Entry::Vacant(count) if per_address > 0 => {
                count.insert(1);
            }
            _ => return Err(Full::Address),
        }
        open.total += 1;
        Ok(network)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing done under the lock can end half-way: the counts are right even if poisoned.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.figures.close();
        let mut open = self.admission.open();
        open.total -= 1;
        if let Entry::Occupied(mut count) = open.by_address.entry(self.network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What counts as one client: an IPv4 address, also one in IPv6 form, or an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(max: usize, per_address: usize) -> Arc<Admission> {
        Admission::new(TcpLimits { max, per_address, idle: Duration::from_secs(10) })
    }

    #[test]
    fn limits_change_while_connections_are_open() {
        let admission = admission(2, 2);
        assert_eq!(admission.idle_ticks(), 40);
        let address = IpAddr::from([192, 0, 2, 1]);
        let two = [admission.admit(address).unwrap(), admission.admit(address).unwrap()];
        let limits = TcpLimits { max: 1, per_address: 1, idle: Duration::from_millis(251) };
        admission.set(limits);
        assert_eq!(admission.idle_ticks(), 2);
        let [first, second] = two;
        drop(first);
        assert_eq!(admission.admit(address).unwrap_err(), Full::Server);
        admission.set(TcpLimits { max: 3, per_address: 2, ..limits });
        let again = admission.admit(address).unwrap();
        assert_eq!(admission.admit(address).unwrap_err(), Full::Address);
        drop((second, again));
        drop(admission.admit(address).unwrap());
    }

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let admission = admission(3, 2);
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let first = admission.admit(a).unwrap();
        let second = admission.admit(a).unwrap();
        assert_eq!(admission.admit(a).unwrap_err(), Full::Address);
        let third = admission.admit(b).unwrap();
        assert_eq!(admission.admit(c).unwrap_err(), Full::Server);
        drop(first);
        drop(admission.admit(c).unwrap());
        let again = admission.admit(a).unwrap();
        drop((second, third, again));
        let open = admission.open.lock().unwrap();
        assert_eq!(open.total, 0);
        assert!(open.by_address.is_empty(), "addresses that left are forgotten");
        let figures = admission.figures();
        assert_eq!((figures.open(), figures.accepted()), (0, 5));
        assert_eq!(figures.refused(), [("server.tcp_max", 1), ("server.tcp_per_address", 1)]);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let admission = admission(9, 1);
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let one = admit("2001:db8:1:2::1").unwrap();
        assert_eq!(admit("2001:db8:1:2:ffff:ffff:ffff:ffff").unwrap_err(), Full::Address);
        let _other = admit("2001:db8:1:3::1").unwrap();
        let _v4 = admit("192.0.2.1").unwrap();
        assert_eq!(admit("::ffff:192.0.2.1").unwrap_err(), Full::Address);
        let _mapped = admit("::ffff:192.0.2.2").unwrap();
        drop(one);
        drop(admit("2001:db8:1:2::2").unwrap());
    }

    #[test]
    fn limits_of_nothing_let_nobody_in() {
        assert_eq!(admission(0, 5).admit([127, 0, 0, 1].into()).unwrap_err(), Full::Server);
        assert_eq!(admission(5, 0).admit([127, 0, 0, 1].into()).unwrap_err(), Full::Address);
    }
}
