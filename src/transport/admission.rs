//! How many TCP connections may be open: in all, and from one address.
//!
//! The lock is taken when a connection opens and closes, never for a question.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The limits and what is open, shared by all workers.
#[derive(Debug)]
pub struct Admission {
    max: usize,
    per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one open connection, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    admission: Arc<Admission>,
    address: IpAddr,
}

/// Which limit a connection would break; the words are the config's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    Server,
    Address,
}

impl Full {
    /// The setting to raise.
    pub fn setting(self) -> &'static str {
        match self {
            Full::Server => "server.tcp_max",
            Full::Address => "server.tcp_per_address",
        }
    }
}

impl Admission {
    pub fn new(max: usize, per_address: usize) -> Arc<Admission> {
        Arc::new(Admission { max, per_address, open: Mutex::default() })
    }

    /// A place for one more connection from `address`.
    pub fn admit(self: &Arc<Admission>, address: IpAddr) -> Result<Slot, Full> {
        // Nothing inside can panic half-way: the counts are right even if the lock is poisoned.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.max {
            return Err(Full::Server);
        }
        match open.by_address.entry(address) {
            Entry::Occupied(mut count) if *count.get() < self.per_address => *count.get_mut() += 1,
            Entry::Vacant(count) if self.per_address > 0 => {
                count.insert(1);
            }
            _ => return Err(Full::Address),
        }
        open.total += 1;
        Ok(Slot { admission: Arc::clone(self), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Entry::Occupied(mut count) = open.by_address.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let admission = Admission::new(3, 2);
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
    }

    #[test]
    fn limits_of_nothing_let_nobody_in() {
        assert_eq!(Admission::new(0, 5).admit([127, 0, 0, 1].into()).unwrap_err(), Full::Server);
        assert_eq!(Admission::new(5, 0).admit([127, 0, 0, 1].into()).unwrap_err(), Full::Address);
    }
}
