//! The environment's variables within a URI.

use std::borrow::Cow;

use super::flaw::{Blank, Flaw, Place};
use super::uri::InvalidUri;
use crate::apimachinery::percent_encode;

/// A URI with its variables put in.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub uri: String,
    /// The variables that are not set, hold a control character, or whose names are malformed; nothing
    /// stands in their places.
    pub flaws: Vec<Flaw>,
    /// Those that are empty.
    pub blanks: Vec<Blank>,
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A scheme, a host, a port, or more of them.
    Address,
    /// The user's name or the password; `alone` it may be both.
    Login {
        alone: bool,
    },
    Path,
    /// The name of an option, or several options.
    Options,
    /// The value of an option, or a part of it.
    Value,
}

/// Where a variable stands.
#[derive(Clone, Copy, Debug)]
struct Spot<'t> {
    option: Option<&'t str>,
    /// The option's value is a URI of its own, and the part is one of that.
    within: bool,
    part: Part,
}

/// Puts in the variables that stand as `$NAME` or `${NAME}`; a dollar sign no name follows stays.
///
/// What a variable holds is percent-encoded where it is the value of an option, in the path (but
/// for `/`) or before `@`, so that it is read as it is there, whatever it holds. A variable that
/// alone stands before `@` may hold the user's name and the password with a colon between them.
/// Elsewhere, as for a host or a whole URI, it stands as it is.
pub(super) fn put_in(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Filled {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.uri.push_str(before);
        rest = match variable(after) {
            Ok((Some(name), after)) => {
                filled.put(name, env(name), after);
                after
            }
            Ok((None, after)) => {
                filled.uri.push('$');
                after
            }
            Err(error) => {
                let place = spot(&filled.uri, after).place();
                filled.flaws.push(Flaw::new(place, error));
                after
            }
        };
    }
    filled.uri.push_str(rest);
    filled
}

impl Filled {
    /// Puts in one variable, behind which `after` stands.
    fn put(&mut self, name: &str, value: Option<String>, after: &str) {
        let spot = spot(&self.uri, after);
        let whole = |value: &String| !value.bytes().any(|byte| byte.is_ascii_control());
        let error = match &value {
            None => InvalidUri::Unset(name.to_owned()),
            Some(value) if !whole(value) => InvalidUri::Control(name.to_owned()),
            Some(value) if value.is_empty() => {
                let needed = matches!(spot.part, Part::Address | Part::Login { .. });
                if needed || spot.part == Part::Value {
                    self.blanks.push(Blank {
                        place: spot.place(),
                        needed,
                        variable: name.to_owned(),
                    });
                }
                return;
            }
            Some(value) => {
                let value = spot.encoded(value).into_owned();
                self.uri.push_str(&value);
                return;
            }
        };
        self.flaws.push(Flaw::new(spot.place(), error));
    }
}

/// Where what stands between these parts of a URI is.
fn spot<'t>(before: &'t str, after: &'t str) -> Spot<'t> {
    let of_uri = |part| Spot {
        option: None,
        within: false,
        part,
    };
    if let Some((_, query)) = before.split_once('?') {
        let pair = query.rsplit_once('&').map_or(query, |(_, pair)| pair);
        let Some((option, value)) = pair.split_once('=') else {
            return of_uri(Part::Options);
        };
        // Such an option is read as a URI of its own once it is decoded.
        let scheme = value.split_once("://").map(|(scheme, _)| scheme);
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let within = scheme.is_some_and(word);
        let part = match within {
            true => spot(value, until(after, "&#")).part,
            false => Part::Value,
        };
        return Spot {
            option: Some(option),
            within,
            part,
        };
    }
    let authority = match before.split_once("://") {
        Some((_, authority)) => authority,
        None => before.strip_prefix("//").unwrap_or(before),
    };
    if authority.contains('/') {
        return of_uri(Part::Path);
    }
    let Some((behind, _)) = until(after, "/?#").rsplit_once('@') else {
        return of_uri(Part::Address);
    };
    // No user's name holds a colon.
    let alone = !authority.contains(':') && !behind.contains(':');
    of_uri(Part::Login { alone })
}

impl Spot<'_> {
    /// A value as it has to stand here.
    fn encoded<'v>(&self, value: &'v str) -> Cow<'v, str> {
        let whole = |text: &str| percent_encode(text, "");
        let stands: Cow<'v, str> = match self.part {
            Part::Address | Part::Options => Cow::Borrowed(value),
            Part::Path => percent_encode(value, "/").into(),
            Part::Value => whole(value).into(),
            Part::Login { alone } => match value.split_once(':').filter(|_| alone) {
                Some((name, password)) => format!("{}:{}", whole(name), whole(password)).into(),
                None => whole(value).into(),
            },
        };
        match self.within {
            true => whole(&stands).into(),
            false => stands,
        }
    }

    fn place(&self) -> Place {
        match (self.option, self.part) {
            (Some(option), _) => Place::Option(option.to_owned()),
            (None, Part::Options | Part::Value) => Place::Options,
            (None, Part::Address | Part::Login { .. } | Part::Path) => Place::Address,
        }
    }
}

fn until<'t>(text: &'t str, ends: &str) -> &'t str {
    let end = text.find(|c| ends.contains(c)).unwrap_or(text.len());
    text.split_at(end).0
}

/// The name behind a dollar sign, `None` when there is none, and what follows it; names are those of
/// Go's `os.Expand`.
fn variable(text: &str) -> Result<(Option<&str>, &str), InvalidUri> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let special = |byte: u8| b"*#$@!?-".contains(&byte) || byte.is_ascii_digit();
    if let Some(inside) = text.strip_prefix('{') {
        let (name, after) = inside.split_once('}').ok_or(InvalidUri::Variable)?;
        let is_name = !name.is_empty() && name.bytes().all(word)
            || name.len() == 1 && name.bytes().all(special);
        return match is_name {
            true => Ok((Some(name), after)),
            false => Err(InvalidUri::Variable),
        };
    }
    if text.bytes().next().is_some_and(special) {
        let (name, after) = text.split_at(1);
        return Ok((Some(name), after));
    }
    let end = text.bytes().position(|byte| !word(byte));
    Ok(match text.split_at(end.unwrap_or(text.len())) {
        ("", after) => (None, after),
        (name, after) => (Some(name), after),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::apimachinery::decode_path;
    use crate::sinks::uri::SinkUri;

    fn shouting(name: &str) -> Option<String> {
        (name != "gone").then(|| name.to_uppercase())
    }

    #[test]
    fn names_are_those_of_go() {
        for (text, expected) in [
            ("$host:$port", "HOST:PORT"),
            ("a${b}c", "aBc"),
            ("5$", "5$"),
            ("$/x", "$/x"),
            ("$1x", "1x"),
        ] {
            assert_eq!(filled(text, &shouting), expected, "{text}");
        }
    }

    /// The URI, if nothing is wrong with it.
    fn filled(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
        let filled = put_in(text, env);
        assert_eq!(filled.flaws, [], "{text}");
        filled.uri
    }

    #[test]
    fn every_variable_that_is_not_set_or_not_closed_is_told_with_its_place() {
        let gone = || InvalidUri::Unset("gone".to_owned());
        let option = |name: &str| Place::Option(name.to_owned());
        for (text, expected) in [
            ("x$gone", vec![(Place::Address, gone())]),
            (
                "http://me:$gone@$gone/$gone?a=b&pw=${gone}x&$gone",
                vec![
                    (Place::Address, gone()),
                    (Place::Address, gone()),
                    (Place::Address, gone()),
                    (option("pw"), gone()),
                    (Place::Options, gone()),
                ],
            ),
            ("h?n=http://a:$gone@b", vec![(option("n"), gone())]),
            ("${b", vec![(Place::Address, InvalidUri::Variable)]),
            ("?a=${}x", vec![(option("a"), InvalidUri::Variable)]),
            ("${a.b}", vec![(Place::Address, InvalidUri::Variable)]),
        ] {
            let flaws = put_in(text, &shouting).flaws.into_iter();
            let flaws: Vec<_> = flaws.map(|flaw| (flaw.place, flaw.error)).collect();
            assert_eq!(flaws, expected, "{text}");
        }
        let line = |_: &str| Some("s3cret\n".to_owned());
        let put = put_in("http://h?pw=$pw", &line);
        assert_eq!(put.flaws[0].error, InvalidUri::Control("pw".to_owned()));
        assert!(!format!("{put:?}").contains("s3cret"));
    }

    #[test]
    fn an_empty_variable_is_noted_where_something_is_missed() {
        let empty = |_: &str| Some(String::new());
        let option = |name: &str| Place::Option(name.to_owned());
        for (text, expected) in [
            ("$a", Some((Place::Address, true))),
            ("http://me:$a@h", Some((Place::Address, true))),
            ("http://$a:80/", Some((Place::Address, true))),
            ("http://h/$a", None),
            ("http://h?$a", None),
            ("http://h?pw=$a", Some((option("pw"), false))),
            ("http://h?pw=x$a", Some((option("pw"), false))),
            ("?nodes=http://me:$a@h", Some((option("nodes"), true))),
            ("?nodes=http://h/$a", None),
        ] {
            let blanks = put_in(text, &empty).blanks.pop();
            let blank = blanks.map(|blank| (blank.place, blank.needed));
            assert_eq!(blank, expected, "{text}");
        }
    }

    #[test]
    fn a_host_options_and_whole_uris_stand_as_they_are() {
        let env = |name: &str| {
            let value = match name {
                "URL" => "http://h:80/p?db=k%20s",
                "HOST" => "h:80",
                "SCHEME" => "https",
                "OPTIONS" => "a=1&b=2",
                "LOGIN" => "me:s:c@/t",
                _ => return None,
            };
            Some(value.to_owned())
        };
        for (text, expected) in [
            ("$URL", "http://h:80/p?db=k%20s"),
            (
                "$URL&pw=$LOGIN",
                "http://h:80/p?db=k%20s&pw=me%3As%3Ac%40%2Ft",
            ),
            ("$SCHEME://x@$HOST/", "https://x@h:80/"),
            ("http://$HOST?$OPTIONS&c=3", "http://h:80?a=1&b=2&c=3"),
            ("http://$LOGIN@$HOST", "http://me:s%3Ac%40%2Ft@h:80"),
        ] {
            assert_eq!(filled(text, &env), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_secret_arrives_as_it_is_wherever_it_stands(secret in "[ -~äß%+&#/@?:$]{1,20}") {
            let env = |_: &str| Some(secret.clone());
            let read = |value: &str| SinkUri::read(value, &env).unwrap();
            let uri = read("k:http://u:$S@h:80/a/$S?x=1&pw=$S&n=http://v:${S}@i:90&y=2");
            let password = |uri: &SinkUri| uri.user.as_ref().unwrap().1.expose().to_owned();
            prop_assert_eq!(&password(&uri), &secret);
            prop_assert_eq!((uri.host.as_deref(), uri.port), (Some("h"), Some(Some(80))));
            prop_assert_eq!(decode_path(&uri.path).unwrap(), format!("/a/{secret}"));
            let keys: Vec<_> = uri.options.keys().collect();
            prop_assert_eq!(keys, ["x", "pw", "n", "y"]);
            prop_assert_eq!(uri.options.first("pw"), Some(secret.as_str()));
            let inner = SinkUri::of("n", uri.options.first("n").unwrap()).unwrap();
            prop_assert_eq!(&password(&inner), &secret);
            prop_assert_eq!(inner.port, Some(Some(90)));
        }
    }
}
