//! The points of one node as a part of the stream.
//!
//! The node's name, a time, its own points if there are any, then each container: its pod where that
//! is another than the last one's, its name, its start and its points. Times are distances to the
//! first one.

use std::time::Duration;

use crate::domain::{Bytes, ContainerName, CpuTime, NodeName, Timestamp};
use crate::history::{FormatError, FormatReader, FormatWriter};
use crate::live::{ContainerPoints, LifePoints, NodePoints, OlderPoint};

const OTHER_POD: u8 = 1;
const STARTED: u8 = 2;
const SWAP: u8 = 4;
const PAIR: u8 = 8;
const ALL: u8 = OTHER_POD | STARTED | SWAP | PAIR;

/// Writes the points of a node.
pub(super) fn write(writer: &mut FormatWriter, node: &NodePoints) {
    let first = node.containers.first().map(|c| c.points.at);
    let base = node.own.map(|own| own.at).or(first).unwrap_or_default();
    writer.text(node.node.as_str());
    writer.signed(base.as_millis());
    writer.byte(u8::from(node.own.is_some()));
    if let Some(own) = &node.own {
        writer.byte(flags(own));
        write_life(writer, own, base);
    }
    let mut last = None;
    for container in &node.containers {
        let other = last != Some(&container.pod);
        let started = container.started.map_or(0, |_| STARTED);
        let pod = if other { OTHER_POD } else { 0 };
        writer.byte(flags(&container.points) | started | pod);
        if other {
            writer.text(container.pod.namespace.as_str());
            writer.text(container.pod.name.as_str());
        }
        writer.text(container.name.as_str());
        if let Some(started) = container.started {
            writer.time(started, base);
        }
        write_life(writer, &container.points, base);
        last = Some(&container.pod);
    }
}

fn flags(life: &LifePoints) -> u8 {
    let swap = life.swap.map_or(0, |_| SWAP);
    life.pair.map_or(0, |_| PAIR) | swap
}

fn write_life(writer: &mut FormatWriter, life: &LifePoints, base: Timestamp) {
    writer.number(life.cpu.as_nanos());
    writer.number(life.memory.get());
    if let Some(swap) = life.swap {
        writer.number(swap.get());
    }
    writer.time(life.at, base);
    writer.number(millis(life.age));
    if let Some(pair) = life.pair {
        let grown = life.cpu.as_nanos().saturating_sub(pair.cpu.as_nanos());
        writer.number(grown);
        writer.number(millis(pair.window));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the points of a node.
pub(super) fn read(part: &[u8]) -> Result<NodePoints, FormatError> {
    let mut reader = FormatReader::new(part);
    let node = NodeName::new(reader.text()?).map_err(|_| FormatError::Malformed)?;
    let base = Timestamp::from_millis(reader.signed()?);
    let own = match reader.byte()? {
        0 => None,
        1 => {
            let flags = read_flags(&mut reader)?;
            Some(read_life(&mut reader, flags, base)?)
        }
        _ => return Err(FormatError::Malformed),
    };
    let mut containers: Vec<ContainerPoints> = Vec::new();
    while !reader.is_empty() {
        let flags = read_flags(&mut reader)?;
        let pod = match containers.last() {
            _ if flags & OTHER_POD != 0 => reader.pod()?,
            Some(last) => last.pod.clone(),
            None => return Err(FormatError::Malformed),
        };
        let name = ContainerName::new(reader.text()?).map_err(|_| FormatError::Malformed)?;
        let started = (flags & STARTED != 0).then(|| reader.time(base));
        let started = started.transpose()?;
        let points = read_life(&mut reader, flags, base)?;
        containers.push(ContainerPoints {
            pod,
            name,
            started,
            points,
        });
    }
    Ok(NodePoints {
        node,
        own,
        containers,
    })
}

fn read_flags(reader: &mut FormatReader<'_>) -> Result<u8, FormatError> {
    let flags = reader.byte()?;
    if flags & !ALL != 0 {
        return Err(FormatError::Malformed);
    }
    Ok(flags)
}

fn read_life(
    reader: &mut FormatReader<'_>,
    flags: u8,
    base: Timestamp,
) -> Result<LifePoints, FormatError> {
    let cpu = reader.number()?;
    let memory = Bytes::new(reader.number()?);
    let swap = (flags & SWAP != 0).then(|| reader.number());
    let swap = swap.transpose()?.map(Bytes::new);
    let at = reader.time(base)?;
    let age = Duration::from_millis(reader.number()?);
    let pair = if flags & PAIR == 0 {
        None
    } else {
        let older = cpu.checked_sub(reader.number()?);
        Some(OlderPoint {
            cpu: CpuTime::from_nanos(older.ok_or(FormatError::Malformed)?),
            window: Duration::from_millis(reader.number()?),
        })
    };
    Ok(LifePoints {
        cpu: CpuTime::from_nanos(cpu),
        memory,
        swap,
        at,
        age,
        pair,
    })
}
