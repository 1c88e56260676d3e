//! The ring as parts of the stream: first the columns, then the families, several in a part.
//!
//! Rows stand as the history packs them. The series of a track are written once and numbered, since
//! thousands of containers have the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::format::{FormatError, FormatReader, FormatWriter};
use super::{HandedFamily, HandedLife, HandedMember, HandedTrack, RingColumns, Series};
use crate::domain::{ContainerName, EntityKey, Namespace, NodeName, Timestamp};

/// Writes a ring, part by part.
#[derive(Debug, Default)]
pub struct RingWriter {
    columns: RingColumns,
    known: HashMap<Vec<Series>, usize>,
}

/// Reads a ring, part by part.
#[derive(Debug, Default)]
pub struct RingReader {
    columns: Option<RingColumns>,
    known: Vec<Arc<[Series]>>,
}

/// What a part of a ring holds.
#[derive(Debug)]
pub enum RingPart {
    /// Its columns, which come first.
    Columns(RingColumns),
    /// Some of its entities.
    Families(Vec<HandedFamily>),
}

const CLUSTER: u8 = 0;
const NODE: u8 = 1;
const NAMESPACE: u8 = 2;
const POD: u8 = 3;

const UID: u8 = 1;
const ON_NODE: u8 = 2;
const OWN: u8 = 4;

/// More columns, series and lists of them than a ring has.
const MOST: usize = 100_000;

impl RingWriter {
    /// Writes entities of a ring with these columns, beginning with none that is known.
    #[must_use]
    pub fn of(columns: RingColumns) -> Self {
        let known = HashMap::new();
        Self { columns, known }
    }

    /// Writes the columns, which come first.
    pub fn columns(&mut self, writer: &mut FormatWriter, columns: RingColumns) {
        let (number, tick) = columns.begun;
        writer.number(number.into());
        writer.signed(tick.as_millis());
        for (finished, at) in &columns.finished {
            writer.number(number.wrapping_sub(*finished).into());
            writer.time(*at, tick);
        }
        self.columns = columns;
    }

    /// Writes an entity.
    pub fn family(&mut self, writer: &mut FormatWriter, family: &HandedFamily) {
        write_key(writer, &family.key);
        writer.count(family.lives.len());
        for life in &family.lives {
            self.life(writer, life);
        }
    }
    fn life(&mut self, writer: &mut FormatWriter, life: &HandedLife) {
        let flag = |has: bool, flag: u8| if has { flag } else { 0 };
        let (uid, node) = (life.uid.is_some(), life.node.is_some());
        let own = flag(life.own.is_some(), OWN);
        writer.byte(flag(uid, UID) | flag(node, ON_NODE) | own);
        if let Some(uid) = &life.uid {
            writer.text(uid);
        }
        if let Some(node) = &life.node {
            writer.text(node.as_str());
        }
        if let Some(own) = &life.own {
            self.track(writer, own);
        }
        writer.count(life.members.len());
        for (member, track) in &life.members {
            match member {
                HandedMember::Container(name) => writer.text(name.as_str()),
                HandedMember::System(name) => writer.text(name),
            }
            self.track(writer, track);
        }
    }

    fn track(&mut self, writer: &mut FormatWriter, track: &HandedTrack) {
        let (number, tick) = self.columns.begun;
        writer.number(number.wrapping_sub(track.newest).into());
        for stamp in track.stamps.iter().flat_map(|(a, b)| [a, b]) {
            writer.byte(u8::from(stamp.is_some()));
            if let Some(stamp) = stamp {
                writer.time(*stamp, tick);
            }
        }
        self.series(writer, &track.series);
        writer.bytes(&track.rows);
    }

    /// The number of a list of series; the list itself follows a number nothing has yet.
    fn series(&mut self, writer: &mut FormatWriter, series: &[Series]) {
        if let Some(known) = self.known.get(series) {
            return writer.count(*known);
        }
        let number = self.known.len();
        self.known.insert(series.to_vec(), number);
        writer.count(number);
        writer.count(series.len());
        for one in series {
            writer.text(&one.name());
            let label = one.by.as_ref().filter(|_| one.metric.is_labelled());
            writer.byte(u8::from(label.is_some()));
            if let Some(label) = label {
                writer.text(label);
            }
        }
    }
}

impl RingReader {
    /// Reads entities of a ring with these columns, as [`RingWriter::of`] writes them.
    #[must_use]
    pub fn of(columns: RingColumns) -> Self {
        Self {
            columns: Some(columns),
            known: Vec::new(),
        }
    }

    /// Reads the next part.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn read(&mut self, part: &[u8]) -> Result<RingPart, FormatError> {
        let mut reader = FormatReader::new(part);
        let Some(columns) = &self.columns else {
            let columns = read_columns(&mut reader)?;
            self.columns = Some(columns.clone());
            return Ok(RingPart::Columns(columns));
        };
        let begun = columns.begun;
        let mut families = Vec::new();
        while !reader.is_empty() {
            families.push(self.family(&mut reader, begun)?);
        }
        Ok(RingPart::Families(families))
    }

    fn family(
        &mut self,
        reader: &mut FormatReader<'_>,
        begun: (u32, Timestamp),
    ) -> Result<HandedFamily, FormatError> {
        let key = read_key(reader)?;
        let mut lives = Vec::new();
        // What is not there cannot be read: a count of any size ends with the part.
        for _ in 0..reader.number()? {
            lives.push(self.life(reader, &key, begun)?);
        }
        Ok(HandedFamily { key, lives })
    }

    fn life(
        &mut self,
        reader: &mut FormatReader<'_>,
        key: &EntityKey,
        begun: (u32, Timestamp),
    ) -> Result<HandedLife, FormatError> {
        let flags = reader.byte()?;
        if flags & !(UID | ON_NODE | OWN) != 0 {
            return Err(FormatError::Malformed);
        }
        let uid = (flags & UID != 0).then(|| reader.text()).transpose()?;
        let node = (flags & ON_NODE != 0).then(|| reader.text()).transpose()?;
        let node = node.map(NodeName::new).transpose();
        let own = (flags & OWN != 0).then(|| self.track(reader, begun));
        let own = own.transpose()?;
        let mut members = Vec::new();
        for _ in 0..reader.number()? {
            let name = reader.text()?;
            let member = if matches!(key, EntityKey::Pod(_)) {
                HandedMember::Container(
                    ContainerName::new(name).map_err(|_| FormatError::Malformed)?,
                )
            } else {
                HandedMember::System(name)
            };
            members.push((member, self.track(reader, begun)?));
        }
        Ok(HandedLife {
            uid,
            node: node.map_err(|_| FormatError::Malformed)?,
            own,
            members,
        })
    }

    fn track(
        &mut self,
        reader: &mut FormatReader<'_>,
        (number, tick): (u32, Timestamp),
    ) -> Result<HandedTrack, FormatError> {
        let newest = number.checked_sub(reader.small()?);
        let mut stamps = [None; 4];
        for stamp in &mut stamps {
            *stamp = match reader.byte()? {
                0 => None,
                1 => Some(reader.time(tick)?),
                _ => return Err(FormatError::Malformed),
            };
        }
        let [a, b, c, d] = stamps;
        Ok(HandedTrack {
            newest: newest.ok_or(FormatError::Malformed)?,
            stamps: [(a, b), (c, d)],
            series: self.series(reader)?.to_vec(),
            rows: reader.bytes()?.into(),
        })
    }

    fn series(&mut self, reader: &mut FormatReader<'_>) -> Result<&[Series], FormatError> {
        let at = usize::try_from(reader.number()?).map_err(|_| FormatError::Malformed)?;
        if at == self.known.len() && at < MOST {
            let mut series = Vec::new();
            for _ in 0..reader.number()? {
                let name = reader.text()?;
                let label = match reader.byte()? {
                    0 => None,
                    1 => Some(reader.text()?),
                    _ => return Err(FormatError::Malformed),
                };
                let known = Series::named(&name, label.as_deref());
                series.push(known.ok_or(FormatError::Malformed)?);
            }
            self.known.push(series.into());
        }
        let known = self.known.get(at).map(AsRef::as_ref);
        known.ok_or(FormatError::Malformed)
    }
}

/// Writes the name of an entity that is no part of another.
pub fn write_key(writer: &mut FormatWriter, key: &EntityKey) {
    match key {
        EntityKey::Node(node) => {
            writer.byte(NODE);
            writer.text(node.as_str());
        }
        EntityKey::Namespace(namespace) => {
            writer.byte(NAMESPACE);
            writer.text(namespace.as_str());
        }
        EntityKey::Pod(pod) => {
            writer.byte(POD);
            writer.text(pod.namespace.as_str());
            writer.text(pod.name.as_str());
        }
        // Parts of others stand with those.
        EntityKey::Cluster | EntityKey::SystemContainer(..) | EntityKey::Container(..) => {
            writer.byte(CLUSTER);
        }
    }
}

/// Reads what [`write_key`] wrote.
///
/// # Errors
/// [`FormatError::Malformed`].
pub fn read_key(reader: &mut FormatReader<'_>) -> Result<EntityKey, FormatError> {
    let malformed = FormatError::Malformed;
    Ok(match reader.byte()? {
        CLUSTER => EntityKey::Cluster,
        NODE => EntityKey::Node(NodeName::new(reader.text()?).map_err(|_| malformed)?),
        NAMESPACE => EntityKey::Namespace(Namespace::new(reader.text()?).map_err(|_| malformed)?),
        POD => EntityKey::Pod(reader.pod()?),
        _ => return Err(malformed),
    })
}

fn read_columns(reader: &mut FormatReader<'_>) -> Result<RingColumns, FormatError> {
    let number = reader.small()?;
    let tick = Timestamp::from_millis(reader.signed()?);
    let mut finished = Vec::new();
    while !reader.is_empty() && finished.len() < MOST {
        let before = number.checked_sub(reader.small()?);
        finished.push((before.ok_or(FormatError::Malformed)?, reader.time(tick)?));
    }
    Ok(RingColumns {
        finished,
        begun: (number, tick),
    })
}
