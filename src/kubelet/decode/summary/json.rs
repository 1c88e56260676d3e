//! A JSON text read value by value, without copying anything but escaped strings.
//!
//! The caller asks for what it expects; a value of any other kind is passed over and is as if it
//! were not there. So one odd field costs that field, where a strict reader would lose the whole
//! answer. What is passed over is checked only as far as finding its end takes.

use std::borrow::Cow;

use crate::domain::Timestamp;

/// Why reading a text ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The text is no JSON from here on.
    Malformed,
    /// There are more entities than may be kept.
    Full,
}

/// A place in a JSON text.
pub(super) struct Json<'a> {
    text: &'a str,
    at: usize,
    /// How many more entities may be kept.
    room: usize,
    /// The stamp read last and what it means: most stamps of an answer are the same few.
    stamp: (&'a str, Option<Timestamp>),
}

impl<'a> Json<'a> {
    /// The begin of a text that may hold so many entities.
    pub(super) const fn new(text: &'a str, room: usize) -> Self {
        Self {
            text,
            at: 0,
            room,
            stamp: ("", None),
        }
    }

    /// Reads an object: `field` gets each key and must read or skip its value. Tells whether there
    /// was an object at all.
    pub(super) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a str) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        if !self.opens(b'{')? {
            return Ok(false);
        }
        let mut first = true;
        while self.more(b'}', &mut first)? {
            let key = self.raw_string()?;
            if self.next()? != b':' {
                return Err(Stop::Malformed);
            }
            field(self, key)?;
        }
        Ok(true)
    }

    /// Reads a list: `element` must read or skip the one that stands here.
    pub(super) fn list(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.opens(b'[')? {
            let mut first = true;
            while self.more(b']', &mut first)? {
                element(self)?;
            }
        }
        Ok(())
    }

    /// Takes room for one entity more.
    pub(super) fn take_room(&mut self) -> Result<(), Stop> {
        self.room = self.room.checked_sub(1).ok_or(Stop::Full)?;
        Ok(())
    }

    /// A whole number that is not negative and fits; any other value is `None`.
    pub(super) fn number(&mut self) -> Result<Option<u64>, Stop> {
        self.skip_blanks();
        let rest = self.rest();
        let (mut number, mut length) = (0_u64, 0);
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            length += 1;
        }
        if length == 0 || !rest.get(length).is_some_and(|byte| ends_literal(*byte)) {
            self.skip()?;
            return Ok(None);
        }
        let digits = self.text.get(self.at..self.at + length);
        self.at += length;
        if length <= DIGITS_THAT_FIT {
            return Ok(Some(number));
        }
        Ok(digits.and_then(|digits| digits.parse().ok()))
    }

    /// A string, unescaped; any other value, or one with an escape that is none, is `None`.
    pub(super) fn text(&mut self) -> Result<Option<Cow<'a, str>>, Stop> {
        if self.peek()? != b'"' {
            self.skip()?;
            return Ok(None);
        }
        let begin = self.at;
        let raw = self.raw_string()?;
        if !raw.contains('\\') {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        let quoted = self.text.get(begin..self.at).unwrap_or_default();
        Ok(serde_json::from_str(quoted).ok().map(Cow::Owned))
    }

    /// An RFC 3339 stamp. Go's zero time, and whatever else lies before the epoch, is `None`: no
    /// kubelet measured anything then.
    pub(super) fn time(&mut self) -> Result<Option<Timestamp>, Stop> {
        if self.peek()? != b'"' {
            self.skip()?;
            return Ok(None);
        }
        let raw = self.raw_string()?;
        if raw != self.stamp.0 {
            let stamp = raw.parse::<jiff::Timestamp>().ok();
            let stamp = stamp.map(|at| Timestamp::from_millis(at.as_millisecond()));
            self.stamp = (raw, stamp.filter(|at| at.as_millis() > 0));
        }
        Ok(self.stamp.1)
    }

    /// Passes over the value that stands here.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        match self.peek()? {
            b'"' => self.raw_string().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => {
                let rest = self.rest();
                let length = rest.iter().position(|b| ends_literal(*b));
                let length = length.unwrap_or(rest.len());
                self.at += length;
                if length == 0 {
                    return Err(Stop::Malformed);
                }
                Ok(())
            }
        }
    }

    /// How many bytes are not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest().len()
    }

    /// Tells whether nothing but blanks follows.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty()
    }

    fn skip_nested(&mut self) -> Result<(), Stop> {
        let mut depth = 0_usize;
        loop {
            let stands = |b: &u8| matches!(b, b'"' | b'{' | b'[' | b'}' | b']');
            self.at += self.rest().iter().position(stands).ok_or(Stop::Malformed)?;
            match self.peek()? {
                b'"' => {
                    self.raw_string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Steps into what `bracket` opens; what is nothing of that kind is passed over.
    fn opens(&mut self, bracket: u8) -> Result<bool, Stop> {
        if self.peek()? == bracket {
            self.at += 1;
            return Ok(true);
        }
        self.skip()?;
        Ok(false)
    }

    /// Steps to the next element, or behind the bracket that closes the list or object.
    fn more(&mut self, closing: u8, first: &mut bool) -> Result<bool, Stop> {
        let byte = self.peek()?;
        if byte == closing {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            if byte != b',' {
                return Err(Stop::Malformed);
            }
            self.at += 1;
        }
        Ok(true)
    }

    /// The text between the quotes that stand here, still escaped.
    fn raw_string(&mut self) -> Result<&'a str, Stop> {
        if self.next()? != b'"' {
            return Err(Stop::Malformed);
        }
        let begin = self.at;
        loop {
            self.at += quote_or_backslash(self.rest()).ok_or(Stop::Malformed)?;
            if self.rest().first() == Some(&b'"') {
                let raw = self.text.get(begin..self.at).ok_or(Stop::Malformed)?;
                self.at += 1;
                return Ok(raw);
            }
            // The escaped byte is part of the string, whatever it is.
            self.at += 2;
        }
    }

    /// The byte behind the blanks, taken.
    fn next(&mut self) -> Result<u8, Stop> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// The byte behind the blanks, left in place.
    fn peek(&mut self) -> Result<u8, Stop> {
        self.skip_blanks();
        self.rest().first().copied().ok_or(Stop::Malformed)
    }

    fn skip_blanks(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
            at += 1;
            // A kubelet indents its answer: half of it are spaces at the begin of lines.
            while let Some(word) = word(bytes, at) {
                let others = word ^ each(b' ');
                at += first_marked(others);
                if others != 0 {
                    break;
                }
            }
        }
        self.at = at;
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// How many digits a `u64` holds whichever they are.
const DIGITS_THAT_FIT: usize = 19;

/// Where the first quote or backslash stands. Eight bytes at a time: keys are so short that a search
/// made for long texts takes longer to begin than they take to read.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = word(bytes, at) {
        let marks = zeros(word ^ each(b'"')) | zeros(word ^ each(b'\\'));
        if marks != 0 {
            return Some(at + first_marked(marks));
        }
        at += 8;
    }
    let mut rest = bytes.get(at..)?.iter();
    let found = rest.position(|b| matches!(b, b'"' | b'\\'))?;
    Some(at + found)
}

/// The eight bytes that begin here, the first one lowest.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*chunk))
}

/// Eight times this byte.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks the lowest byte that is zero; bytes above it may be marked, too.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & each(0x80)
}

/// The place of the lowest byte that is not zero; eight when all are.
const fn first_marked(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Tells whether a number, `true`, `false` or `null` ends before this byte.
const fn ends_literal(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')
}
