//! The words of a label selector.

use super::InvalidLabelSelector;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    GreaterThan,
    Identifier,
    In,
    LessThan,
    NotEquals,
    NotIn,
    Open,
}

/// The words of one selector, with the position of the next.
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: Vec<(Token, &'a str)>,
    position: usize,
}

impl<'a> Words<'a> {
    pub(super) fn scan(mut rest: &'a str) -> Self {
        let mut words = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            let (token, text, after) = next_word(rest);
            words.push((token, text));
            if token == Token::End {
                return Self { words, position: 0 };
            }
            // Go takes a NUL that ends a word along with the word.
            rest = after.strip_prefix('\0').unwrap_or(after);
        }
    }

    /// The next word, where `in` and `notin` are values.
    pub(super) fn peek_value(&self) -> (Token, &'a str) {
        let (token, text) = self.peek();
        if matches!(token, Token::In | Token::NotIn) {
            return (Token::Identifier, text);
        }
        (token, text)
    }

    /// Takes the next word, where `in` and `notin` are values.
    pub(super) fn take_value(&mut self) -> (Token, &'a str) {
        let word = self.peek_value();
        self.position += 1;
        word
    }

    /// Takes the next word, where `in` and `notin` are operators.
    pub(super) fn take_operator(&mut self) -> (Token, &'a str) {
        let word = self.peek();
        self.position += 1;
        word
    }

    fn peek(&self) -> (Token, &'a str) {
        let end = (Token::End, "");
        self.words.get(self.position).copied().unwrap_or(end)
    }
}

/// The word at the start of `text` and what follows it. A NUL where a word would begin ends the
/// selector, as it does in Go.
fn next_word(text: &str) -> (Token, &str, &str) {
    match text.bytes().next() {
        None | Some(0) => (Token::End, "", ""),
        Some(first) if is_special(first) => operator(text),
        Some(_) => {
            let len = text
                .bytes()
                .take_while(|b| *b != 0 && !is_special(*b) && !b" \t\r\n".contains(b))
                .count();
            let (word, after) = text.split_at(len);
            let token = match word {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Identifier,
            };
            (token, word, after)
        }
    }
}

/// The longest operator at the start of `text`. Every special symbol is one by itself.
fn operator(text: &str) -> (Token, &str, &str) {
    let (token, len) = match text.as_bytes() {
        [b'=', b'=', ..] => (Token::DoubleEquals, 2),
        [b'!', b'=', ..] => (Token::NotEquals, 2),
        [b')', ..] => (Token::Close, 1),
        [b',', ..] => (Token::Comma, 1),
        [b'!', ..] => (Token::Not, 1),
        [b'>', ..] => (Token::GreaterThan, 1),
        [b'<', ..] => (Token::LessThan, 1),
        [b'(', ..] => (Token::Open, 1),
        _ => (Token::Equals, 1),
    };
    let (word, after) = text.split_at(len);
    (token, word, after)
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

impl InvalidLabelSelector {
    /// "found … expected …", as Go writes it.
    pub(super) fn found(text: &str, expected: &str) -> Self {
        Self::new(format!("found '{text}', expected: {expected}"))
    }
}
