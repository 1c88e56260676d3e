//! `/stats/summary`: what a kubelet knows of its node, pods and containers beyond CPU and memory.

mod before;
mod json;
mod points;
mod reading;
mod sets;

#[cfg(test)]
mod tests;

use json::{Json, Stop};

use super::{DecodeError, Limits};

pub use reading::{
    Consumed, ContainerSummary, Filesystem, Network, NodeSummary, PodSummary, Pressure,
    SummaryReading,
};
pub use sets::SourceSets;

/// Reads the JSON a kubelet answers on `/stats/summary` (`stats/v1alpha1.Summary`).
///
/// Every field may be missing or `null`, and one of another kind than expected is as if missing:
/// so is a number that is negative, no whole one, or too large. Of a field written twice the later
/// counts, as in Go. What nobody needs is passed over, `runtime` (the image filesystem) among it:
/// Heapster has no metric for it, and as one filesystem more of the node it would be added twice.
///
/// # Errors
/// [`DecodeError::Malformed`] when it is no JSON to its end, [`DecodeError::NoSummary`] when it is no
/// summary, [`DecodeError::TooManyContainers`] when it names more pods, containers and volumes than
/// a node with [`Limits::max_containers`] could have: nothing of such an answer may be kept.
pub fn decode_summary(body: &[u8], limits: Limits) -> Result<SummaryReading<'_>, DecodeError> {
    let limit = limits.max_containers;
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::Malformed)?;
    // A pod for each container, and two volumes.
    let mut json = Json::new(text, limit.saturating_mul(4));
    let mut reading = SummaryReading::default();
    let read = root(&mut json, &mut reading);
    match read {
        Ok(true) if json.is_at_end() => Ok(reading),
        Ok(false) if json.is_at_end() => Err(DecodeError::NoSummary),
        Err(Stop::Full) => Err(DecodeError::TooManyContainers { limit }),
        Ok(_) | Err(Stop::Malformed) => Err(DecodeError::Malformed),
    }
}

/// How long the part of a pod with a container is at least, where it says all it can.
const OF_A_POD: usize = 4096;

/// Tells whether a node or pods were there at all.
fn root<'a>(json: &mut Json<'a>, reading: &mut SummaryReading<'a>) -> Result<bool, Stop> {
    let SummaryReading {
        node: into,
        pods,
        skipped_entities: skipped,
    } = reading;
    let mut is_summary = false;
    json.object(|json, key| match key {
        "node" => {
            is_summary |= node(json, into, skipped)?;
            Ok(())
        }
        "pods" => {
            is_summary = true;
            pods.reserve_exact(json.left() / OF_A_POD);
            entities(json, pods, skipped, pod)
        }
        _ => json.skip(),
    })?;
    Ok(is_summary)
}

/// Reads one entity; tells whether it was an object.
type Read<'a, T> = fn(&mut Json<'a>, &mut T, &mut usize) -> Result<bool, Stop>;

/// Reads a list of entities; what is no object is counted and left out.
fn entities<'a, T: Default>(
    json: &mut Json<'a>,
    all: &mut Vec<T>,
    skipped: &mut usize,
    read: Read<'a, T>,
) -> Result<(), Stop> {
    all.clear();
    json.list(|json| {
        let mut entity = T::default();
        if read(json, &mut entity, skipped)? {
            json.take_room()?;
            if all.is_empty() {
                // Most pods have one container and one volume; a list begins with room for four.
                all.reserve_exact(1);
            }
            all.push(entity);
        } else {
            *skipped += 1;
        }
        Ok(())
    })
}

fn node<'a>(
    json: &mut Json<'a>,
    node: &mut NodeSummary<'a>,
    skipped: &mut usize,
) -> Result<bool, Stop> {
    json.object(|json, key| match key {
        "startTime" => json.time().map(|at| node.started = at),
        "systemContainers" => entities(json, &mut node.system_containers, skipped, container),
        "network" => network(json, &mut node.network),
        "fs" => filesystem(json, &mut node.filesystem),
        "rlimit" => only_number(json, "curproc", &mut node.processes),
        key => consumed(json, key, &mut node.consumed),
    })
}

fn pod<'a>(
    json: &mut Json<'a>,
    pod: &mut PodSummary<'a>,
    skipped: &mut usize,
) -> Result<bool, Stop> {
    json.object(|json, key| match key {
        "podRef" => pod_ref(json, pod),
        "startTime" => json.time().map(|at| pod.started = at),
        "containers" => entities(json, &mut pod.containers, skipped, container),
        "network" => network(json, &mut pod.network),
        "volume" => entities(json, &mut pod.volumes, skipped, volume),
        "ephemeral-storage" => filesystem(json, &mut pod.ephemeral_storage),
        "process_stats" => only_number(json, "process_count", &mut pod.processes),
        key => consumed(json, key, &mut pod.consumed),
    })
}

fn pod_ref<'a>(json: &mut Json<'a>, pod: &mut PodSummary<'a>) -> Result<(), Stop> {
    let object = json.object(|json, key| {
        let field = match key {
            "name" => &mut pod.name,
            "namespace" => &mut pod.namespace,
            "uid" => &mut pod.uid,
            _ => return json.skip(),
        };
        *field = json.text()?.unwrap_or_default();
        Ok(())
    });
    object.map(|_| ())
}

fn container<'a>(
    json: &mut Json<'a>,
    container: &mut ContainerSummary<'a>,
    _skipped: &mut usize,
) -> Result<bool, Stop> {
    json.object(|json, key| match key {
        "name" => json
            .text()
            .map(|name| container.name = name.unwrap_or_default()),
        "startTime" => json.time().map(|at| container.started = at),
        "rootfs" => filesystem(json, &mut container.rootfs),
        "logs" => filesystem(json, &mut container.logs),
        key => consumed(json, key, &mut container.consumed),
    })
}

fn volume<'a>(
    json: &mut Json<'a>,
    (name, into): &mut (std::borrow::Cow<'a, str>, Filesystem),
    _skipped: &mut usize,
) -> Result<bool, Stop> {
    json.object(|json, key| match key {
        "name" => json.text().map(|text| *name = text.unwrap_or_default()),
        key => filesystem_field(json, key, into),
    })
}

/// Reads the value of a field that nodes, pods and containers have in common, or skips it.
fn consumed(json: &mut Json<'_>, key: &str, consumed: &mut Consumed) -> Result<(), Stop> {
    let object = match key {
        "cpu" => json.object(|json, key| match key {
            "time" => json.time().map(|at| consumed.cpu_at = at),
            "usageCoreNanoSeconds" => json.number().map(|usage| consumed.cpu = usage),
            "psi" => pressure(json, &mut consumed.cpu_pressure),
            _ => json.skip(),
        }),
        "memory" => json.object(|json, key| memory_field(json, key, consumed)),
        "io" => json.object(|json, key| match key {
            "psi" => pressure(json, &mut consumed.io_pressure),
            _ => json.skip(),
        }),
        "swap" => json.object(|json, key| match key {
            "swapUsageBytes" => json.number().map(|bytes| consumed.swap = bytes),
            "swapAvailableBytes" => json.number().map(|bytes| consumed.swap_available = bytes),
            _ => json.skip(),
        }),
        _ => return json.skip(),
    };
    object.map(|_| ())
}

fn memory_field(json: &mut Json<'_>, key: &str, consumed: &mut Consumed) -> Result<(), Stop> {
    let field = match key {
        "time" => return json.time().map(|at| consumed.memory_at = at),
        "psi" => return pressure(json, &mut consumed.memory_pressure),
        "usageBytes" => &mut consumed.memory,
        "workingSetBytes" => &mut consumed.working_set,
        "rssBytes" => &mut consumed.rss,
        "pageFaults" => &mut consumed.page_faults,
        "majorPageFaults" => &mut consumed.major_page_faults,
        _ => return json.skip(),
    };
    *field = json.number()?;
    Ok(())
}

fn pressure(json: &mut Json<'_>, pressure: &mut Pressure) -> Result<(), Stop> {
    let object = json.object(|json, key| match key {
        "some" => only_number(json, "total", &mut pressure.some),
        "full" => only_number(json, "total", &mut pressure.full),
        _ => json.skip(),
    });
    object.map(|_| ())
}

fn network(json: &mut Json<'_>, network: &mut Network) -> Result<(), Stop> {
    let object = json.object(|json, key| {
        let field = match key {
            "time" => return json.time().map(|at| network.at = at),
            "rxBytes" => &mut network.rx,
            "rxErrors" => &mut network.rx_errors,
            "txBytes" => &mut network.tx,
            "txErrors" => &mut network.tx_errors,
            _ => return json.skip(),
        };
        *field = json.number()?;
        Ok(())
    });
    object.map(|_| ())
}

fn filesystem(json: &mut Json<'_>, into: &mut Filesystem) -> Result<(), Stop> {
    let object = json.object(|json, key| filesystem_field(json, key, into));
    object.map(|_| ())
}

fn filesystem_field(json: &mut Json<'_>, key: &str, into: &mut Filesystem) -> Result<(), Stop> {
    let field = match key {
        "usedBytes" => &mut into.used,
        "capacityBytes" => &mut into.capacity,
        "availableBytes" => &mut into.available,
        "inodes" => &mut into.inodes,
        "inodesFree" => &mut into.inodes_free,
        _ => return json.skip(),
    };
    *field = json.number()?;
    Ok(())
}

/// Reads the one number of an object that is of use.
fn only_number(json: &mut Json<'_>, name: &str, number: &mut Option<u64>) -> Result<(), Stop> {
    let object = json.object(|json, key| {
        if key == name {
            *number = json.number()?;
            return Ok(());
        }
        json.skip()
    });
    object.map(|_| ())
}
