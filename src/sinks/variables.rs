//! The environment's variables within a URI.

use std::borrow::Cow;

use super::uri::InvalidUri;
use crate::apimachinery::percent_encode;

/// Puts in the variables that stand as `$NAME` or `${NAME}`; a dollar sign no name follows stays.
///
/// What a variable holds is percent-encoded where it is the value of an option, in the path (but
/// for `/`) or before `@`, so that it is read as it is there, whatever it holds. A variable that
/// alone stands before `@` may hold the user's name and the password with a colon between them.
/// Elsewhere, as for a host or a whole URI, it stands as it is.
///
/// # Errors
/// When a variable is not set, holds a control character, or its name is malformed.
pub(super) fn put_in(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, InvalidUri> {
    let mut uri = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        uri.push_str(before);
        let (name, after) = variable(after)?;
        match name {
            Some(name) => {
                let value = env(name).ok_or_else(|| InvalidUri::Unset(name.to_owned()))?;
                if value.bytes().any(|byte| byte.is_ascii_control()) {
                    return Err(InvalidUri::Control(name.to_owned()));
                }
                let value = encoded(&uri, after, &value).into_owned();
                uri.push_str(&value);
            }
            None => uri.push('$'),
        }
        rest = after;
    }
    uri.push_str(rest);
    Ok(uri)
}

/// A value as it has to stand between these parts of a URI.
fn encoded<'v>(before: &str, after: &str, value: &'v str) -> Cow<'v, str> {
    let whole = |text: &str| percent_encode(text, "");
    if let Some((_, query)) = before.split_once('?') {
        let pair = query.rsplit_once('&').map_or(query, |(_, pair)| pair);
        let Some((_, option)) = pair.split_once('=') else {
            return Cow::Borrowed(value);
        };
        // Such an option is read as a URI of its own once it is decoded.
        let scheme = option.split_once("://").map(|(scheme, _)| scheme);
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return match scheme.is_some_and(word) {
            true => whole(&encoded(option, until(after, "&#"), value)).into(),
            false => whole(value).into(),
        };
    }
    let authority = match before.split_once("://") {
        Some((_, authority)) => authority,
        None => before.strip_prefix("//").unwrap_or(before),
    };
    if authority.contains('/') {
        return percent_encode(value, "/").into();
    }
    let Some((behind, _)) = until(after, "/?#").rsplit_once('@') else {
        return Cow::Borrowed(value);
    };
    // No user's name holds a colon.
    let alone = !authority.contains(':') && !behind.contains(':');
    match value.split_once(':').filter(|_| alone) {
        Some((name, password)) => format!("{}:{}", whole(name), whole(password)).into(),
        None => whole(value).into(),
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
            assert_eq!(put_in(text, &shouting).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_or_not_closed_is_told() {
        let gone = InvalidUri::Unset("gone".to_owned());
        for (text, problem) in [
            ("x$gone", gone.clone()),
            ("http://h?pw=${gone}", gone),
            ("${b", InvalidUri::Variable),
            ("${}x", InvalidUri::Variable),
            ("${a.b}", InvalidUri::Variable),
        ] {
            assert_eq!(put_in(text, &shouting), Err(problem), "{text}");
        }
        let line = |_: &str| Some("s3cret\n".to_owned());
        let problem = put_in("http://h?pw=$pw", &line).unwrap_err();
        assert_eq!(problem, InvalidUri::Control("pw".to_owned()));
        assert!(!problem.to_string().contains("s3cret"));
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
            assert_eq!(put_in(text, &env).unwrap(), expected, "{text}");
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
