//! How many connections one address may have.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{Limits, Metrics};

/// Counts the connections of each address, so that none of them takes the places of all others.
///
/// Many clients may share an address behind a translator, the API server among them, so those who
/// have said who they are and those who have not yet, newcomers, are counted apart: an address whose
/// known clients are as many as may be gets no more, and where there are as many newcomers as may be
/// the one that has waited longest makes room for the next. The map has as many entries as
/// addresses are connected, at most one a connection.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    most: usize,
    most_newcomers: usize,
    metrics: Arc<Metrics>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    addresses: HashMap<IpAddr, Address>,
    /// The number of the last seat.
    last: u64,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Address {
    known: usize,
    /// Who has waited longest is at the front.
    newcomers: VecDeque<(u64, Arc<Notify>)>,
    /// Somebody was turned away since the first of the connections there are.
    crowded: bool,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    address: IpAddr,
    known: Mutex<bool>,
    lost: Arc<Notify>,
    seats: Seats,
}

impl Seats {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            most: limits.connections_of_one,
            most_newcomers: limits.newcomers_of_one.max(1),
            metrics,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from this address; `None` when as many as may be are served. Whoever
    /// is turned away is counted, and the first of an address is told of in the log.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut taken = self.taken.lock();
        taken.last += 1;
        let number = taken.last;
        let here = taken.addresses.entry(address).or_default();
        if here.known >= self.most {
            let first = !std::mem::replace(&mut here.crowded, true);
            drop(taken);
            self.metrics.connection_refused();
            if first {
                warn!(
                    %address, limit = self.most,
                    "an address has as many connections in use as it may, further ones are \
                     closed; find the client that opens so many there, or let clients that share \
                     the address come by addresses of their own"
                );
            }
            return None;
        }
        let longest = (here.newcomers.len() >= self.most_newcomers)
            .then(|| here.newcomers.pop_front())
            .flatten();
        let lost = Arc::new(Notify::new());
        here.newcomers.push_back((number, Arc::clone(&lost)));
        let first = longest.is_some() && !std::mem::replace(&mut here.crowded, true);
        drop(taken);
        if let Some((_, lost)) = longest {
            self.metrics.connection_refused();
            lost.notify_one();
        }
        if first {
            warn!(
                %address, limit = self.most_newcomers,
                "an address has as many connections that have not asked or not authenticated yet as \
                 it may, the oldest of them are closed for each new one; find out what connects from \
                 there: a client that opens very many at a moment, or one that asks nothing, such as a \
                 scanner, a load balancer's check, a client that hangs"
            );
        }
        Some(Seat {
            number,
            address,
            known: Mutex::new(false),
            lost,
            seats: self.clone(),
        })
    }
}

impl Seat {
    /// Who came is known now: the place is not given to anybody else any more.
    pub(super) fn keep(&self) {
        let mut known = self.known.lock();
        if *known {
            return;
        }
        let mut taken = self.seats.taken.lock();
        if let Some(here) = taken.addresses.get_mut(&self.address)
            && here.remove(self.number)
        {
            here.known += 1;
            *known = true;
        }
    }

    /// Returns when the place is somebody else's.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Address {
    /// Whether there was such a newcomer.
    fn remove(&mut self, number: u64) -> bool {
        let found = self.newcomers.iter().position(|(one, _)| *one == number);
        found.is_some_and(|at| self.newcomers.remove(at).is_some())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        let Some(here) = taken.addresses.get_mut(&self.address) else {
            return;
        };
        if *self.known.get_mut() {
            here.known = here.known.saturating_sub(1);
        } else {
            here.remove(self.number);
        }
        if here.known > 0 || !here.newcomers.is_empty() {
            return;
        }
        let left = taken.addresses.remove(&self.address);
        drop(taken);
        if left.is_some_and(|left| left.crowded) {
            info!(address = %self.address, "the address that had too many connections has none left");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;

    use super::*;

    fn seats(connections_of_one: usize, newcomers_of_one: usize) -> Seats {
        let limits = Limits {
            connections_of_one,
            newcomers_of_one,
            ..Limits::default()
        };
        Seats::new(&limits, Arc::new(Metrics::default()))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn is_lost(seat: &Seat) -> bool {
        seat.lost().now_or_never().is_some()
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let seats = seats(2, 9);
        let [one, other] = [1, 2].map(address);
        let mapped = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped();
        let held: Vec<Seat> = [one, mapped.into()]
            .into_iter()
            .filter_map(|address| seats.take(address))
            .collect();
        held.iter().for_each(Seat::keep);
        held.iter().for_each(Seat::keep);
        assert_eq!(held.len(), 2);
        assert!(seats.take(one).is_none());
        assert!(seats.take(other).is_some());
        drop(held);
        assert!(seats.take(one).is_some());
        assert!(seats.taken.lock().addresses.is_empty(), "nobody is left");
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_oldest_one_and_of_nobody_known() {
        let seats = seats(9, 2);
        let served = seats.take(address(1)).unwrap();
        served.keep();
        let [first, second, third] = [(); 3].map(|()| seats.take(address(1)).unwrap());
        assert!(!is_lost(&served) && !is_lost(&second) && !is_lost(&third));
        assert!(is_lost(&first));
        // It is too late to say who it is.
        first.keep();
        drop(first);
        second.keep();
        let fourth = seats.take(address(1)).unwrap();
        assert!(!is_lost(&third), "there was room for {fourth:?}");
        let known = seats.taken.lock().addresses[&address(1)].known;
        assert_eq!(known, 2);
        drop((served, second, third, fourth));
        assert!(seats.taken.lock().addresses.is_empty(), "nobody is left");
    }
}
