//! How many connections one address may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts the connections of each address, so that none of them takes the places of all others. The
/// map has as many entries as addresses are connected, at most one a connection.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    address: IpAddr,
    seats: Seats,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from this address; `None` when it has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let mut taken = self.taken.lock();
        let count = taken.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat {
            address,
            seats: self.clone(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        if let Some(count) = taken.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let seats = Seats::new(2);
        let [one, other] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        let held: Vec<Seat> = (0..2).filter_map(|_| seats.take(one)).collect();
        assert_eq!(held.len(), 2);
        assert!(seats.take(one).is_none());
        assert!(seats.take(other).is_some());
        drop(held);
        assert!(seats.take(one).is_some());
        assert!(seats.taken.lock().is_empty(), "nobody is left");
    }
}
