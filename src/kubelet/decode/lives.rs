//! The containers of one answer, found again in each family of series.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::domain::{ContainerReading, CounterSample, GaugeSample, Timestamp};

/// Which container a line speaks of: namespace, pod, container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    // In the order in which a kubelet sorts its lines.
    pub container: &'a str,
    pub namespace: &'a str,
    pub pod: &'a str,
}

/// What one line says of one container.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measurement {
    Cpu(CounterSample),
    Memory(GaugeSample),
    Swap(GaugeSample),
    Started(Timestamp),
    /// That it is there, but no number that was measured.
    Nothing,
}

/// The bound on the number of containers was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Where a container stands in [`Lives`].
#[derive(Clone, Copy, Debug)]
pub(super) struct At(usize);

/// All containers read so far.
///
/// A kubelet writes the containers in the same order, with the same label text, in each family. So
/// the text of a line's labels is compared with that of the container which should come next, and
/// as long as new containers come in sorted order nothing is hashed at all; the map is built the
/// first time an answer does otherwise.
///
/// Several lines of one family for the same container are several lives of it (a kubelet may report
/// an ended one beside its successor): the n-th line of each family belongs to the n-th life, up to
/// [`MAX_LIVES`]; a further line replaces the last.
#[derive(Debug)]
pub(super) struct Lives<'a> {
    readings: Vec<ContainerReading<'a>>,
    places: Vec<Place<'a>>,
    first: Option<HashMap<Key<'a>, usize>>,
    repeated: bool,
    next: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    key: Key<'a>,
    /// From behind the opening brace to the closing one.
    labels: &'a [u8],
    next_life: Option<usize>,
}

/// How many lives of one container are told apart.
const MAX_LIVES: usize = 4;

impl<'a> Lives<'a> {
    /// No containers yet, and room for `limit`; `expected` of them need no second allocation.
    pub(super) fn new(limit: usize, expected: usize) -> Self {
        let expected = expected.min(limit);
        Self {
            readings: Vec::with_capacity(expected),
            places: Vec::with_capacity(expected),
            first: None,
            repeated: false,
            next: 0,
            limit,
        }
    }

    /// A new family of series begins: the first container is expected next.
    pub(super) const fn rewind(&mut self) {
        self.next = 0;
    }

    /// The container expected next, if `labels` begins with its label text; and what follows that.
    pub(super) fn expected(&self, labels: &'a [u8]) -> Option<(At, &'a [u8])> {
        let place = self.places.get(self.next)?;
        Some((At(self.next), labels.strip_prefix(place.labels)?))
    }

    /// Adds what a line says of a container already met.
    pub(super) fn add(&mut self, at: At, measurement: Measurement) -> Result<(), Full> {
        let At(index) = at;
        self.next = index + 1;
        let Some(reading) = self.readings.get_mut(index) else {
            return Ok(());
        };
        if set_if_new(reading, measurement) {
            return Ok(());
        }
        match self.places.get(index) {
            Some(&Place { key, labels, .. }) => self.find_or_add(key, labels, measurement),
            None => Ok(()),
        }
    }

    /// Adds what a line says of the container `key`, whose label text with the closing
    /// brace is `labels`.
    pub(super) fn find_or_add(
        &mut self,
        key: Key<'a>,
        labels: &'a [u8],
        measurement: Measurement,
    ) -> Result<(), Full> {
        let in_order = self.places.last().is_none_or(|last| last.key < key);
        if self.first.is_none() && in_order {
            return self.push(key, labels, measurement).map(drop);
        }
        let places = &self.places;
        let first = self.first.get_or_insert_with(|| {
            let numbered = places.iter().enumerate();
            numbered.map(|(index, place)| (place.key, index)).collect()
        });
        let Some(&known) = first.get(&key) else {
            let index = self.push(key, labels, measurement)?;
            if let Some(first) = &mut self.first {
                first.insert(key, index);
            }
            return Ok(());
        };
        self.add_to_life(known, key, labels, measurement)
    }

    /// All containers in the order in which they were met; of several lives the one that began
    /// last.
    pub(super) fn finish(self) -> Vec<ContainerReading<'a>> {
        if !self.repeated {
            return self.readings;
        }
        let Self {
            readings, places, ..
        } = self;
        let mut later = vec![false; readings.len()];
        for next in places.iter().filter_map(|place| place.next_life) {
            if let Some(is_later) = later.get_mut(next) {
                *is_later = true;
            }
        }
        let firsts = (0..readings.len()).filter(|&index| later.get(index) == Some(&false));
        firsts
            .filter_map(|index| merged(&readings, &places, index))
            .collect()
    }

    /// Adds to the first life that does not have this measurement yet.
    fn add_to_life(
        &mut self,
        first: usize,
        key: Key<'a>,
        labels: &'a [u8],
        measurement: Measurement,
    ) -> Result<(), Full> {
        let mut index = first;
        for life in 1..=MAX_LIVES {
            let (Some(reading), Some(place)) = (
                self.readings.get_mut(index),
                self.places.get(index).copied(),
            ) else {
                return Ok(());
            };
            self.next = index + 1;
            if set_if_new(reading, measurement) {
                return Ok(());
            }
            match place.next_life {
                Some(next) => index = next,
                None if life == MAX_LIVES => set(reading, measurement),
                None => {
                    let new = self.push(key, labels, measurement)?;
                    self.repeated = true;
                    if let Some(place) = self.places.get_mut(index) {
                        place.next_life = Some(new);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        key: Key<'a>,
        labels: &'a [u8],
        measurement: Measurement,
    ) -> Result<usize, Full> {
        let index = self.readings.len();
        if index >= self.limit {
            return Err(Full);
        }
        let mut reading = ContainerReading {
            namespace: Cow::Borrowed(key.namespace),
            pod: Cow::Borrowed(key.pod),
            container: Cow::Borrowed(key.container),
            cpu: None,
            memory: None,
            swap: None,
            started: None,
        };
        set(&mut reading, measurement);
        self.readings.push(reading);
        self.places.push(Place {
            key,
            labels,
            next_life: None,
        });
        self.next = index + 1;
        Ok(index)
    }
}

/// The life that began last (of equals the one met last), with what only another life says filled
/// in: a kubelet that repeats one family but not the others speaks of the running container in
/// them.
fn merged<'a>(
    readings: &[ContainerReading<'a>],
    places: &[Place<'a>],
    first: usize,
) -> Option<ContainerReading<'a>> {
    let lives = || {
        let mut index = Some(first);
        std::iter::from_fn(move || {
            let this = index?;
            index = places.get(this)?.next_life;
            readings.get(this)
        })
    };
    let mut chosen = lives().max_by_key(|life| life.started)?.clone();
    for life in lives() {
        chosen.cpu = chosen.cpu.or(life.cpu);
        chosen.memory = chosen.memory.or(life.memory);
        chosen.swap = chosen.swap.or(life.swap);
    }
    Some(chosen)
}

fn set(reading: &mut ContainerReading<'_>, measurement: Measurement) {
    match measurement {
        Measurement::Cpu(sample) => reading.cpu = Some(sample),
        Measurement::Memory(sample) => reading.memory = Some(sample),
        Measurement::Swap(sample) => reading.swap = Some(sample),
        Measurement::Started(at) => reading.started = Some(at),
        Measurement::Nothing => {}
    }
}

fn set_if_new(reading: &mut ContainerReading<'_>, measurement: Measurement) -> bool {
    let taken = match measurement {
        Measurement::Cpu(_) => reading.cpu.is_some(),
        Measurement::Memory(_) => reading.memory.is_some(),
        Measurement::Swap(_) => reading.swap.is_some(),
        Measurement::Started(_) => reading.started.is_some(),
        Measurement::Nothing => false,
    };
    if !taken {
        set(reading, measurement);
    }
    !taken
}
