//! Protobuf as it comes over a wire, field by field, without knowing the messages.

use anyhow::{Context, Result, bail};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
pub(super) fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Held<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let held = match key & 7 {
            0 => Held::Number(varint(&mut bytes)?),
            1 => {
                let fixed = taken(&mut bytes, 8)?.try_into()?;
                Held::Number(u64::from_le_bytes(fixed))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?)?;
                Held::Bytes(taken(&mut bytes, length)?)
            }
            5 => {
                let fixed: [u8; 4] = taken(&mut bytes, 4)?.try_into()?;
                Held::Number(u32::from_le_bytes(fixed).into())
            }
            other => bail!("wire type {other}"),
        };
        fields.push((key >> 3, held));
    }
    Ok(fields)
}

/// The messages at the end of a path of field numbers.
pub(super) fn messages<'a>(bytes: &'a [u8], path: &[u64]) -> Result<Vec<&'a [u8]>> {
    let mut messages = vec![bytes];
    for number in path {
        let mut below = Vec::new();
        for message in messages {
            for (field, held) in fields(message)? {
                if let (true, Held::Bytes(bytes)) = (field == *number, held) {
                    below.push(bytes);
                }
            }
        }
        messages = below;
    }
    Ok(messages)
}

/// The number a message holds.
pub(super) fn number(message: &[u8], wanted: u64) -> Result<u64> {
    let fields = fields(message)?;
    let mut numbers = fields.into_iter().filter_map(|(field, held)| match held {
        Held::Number(number) if field == wanted => Some(number),
        Held::Number(_) | Held::Bytes(_) => None,
    });
    numbers.next().with_context(|| format!("no field {wanted}"))
}

fn taken<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).context("it ends too soon")?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *taken(bytes, 1)?.first().context("no byte")?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number of more than 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_at_the_end_of_its_path() {
        let inner = [0x08, 0xac, 0x02, 0x11, 7, 0, 0, 0, 0, 0, 0, 0];
        let mut outer = vec![0x1a, 12];
        outer.extend(inner);
        let found = messages(&outer, &[3]).unwrap();
        assert_eq!(found, [inner]);
        assert_eq!(number(found[0], 1).unwrap(), 300);
        assert_eq!(number(found[0], 2).unwrap(), 7);
        assert!(number(found[0], 3).is_err() && fields(&[0x1a, 12, 1]).is_err());
    }
}
