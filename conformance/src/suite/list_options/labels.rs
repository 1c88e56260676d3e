//! Label selectors.

use serde_json::{Map, Value};

use super::selector::Requirement::{self, Above, Absent, Below, Exists, In, NotIn};
use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, query};
use crate::suite::verdict::{Stop, Verdict, array, at, ensure, equal, text};

type Case = (&'static str, &'static [Requirement]);

/// The labels are those of the suite's cluster; against others most of these select all or nothing, as they should.
const CASES: [Case; 17] = [
    ("", &[]),
    ("app", &[Exists("app")]),
    ("!app", &[Absent("app")]),
    ("app=web", &[In("app", &["web"])]),
    ("app==web", &[In("app", &["web"])]),
    ("app!=web", &[NotIn("app", &["web"])]),
    ("app in (web,db)", &[In("app", &["web", "db"])]),
    ("app in ( web , db )", &[In("app", &["web", "db"])]),
    ("app notin (web)", &[NotIn("app", &["web"])]),
    ("n>3", &[Above("n", 3)]),
    ("n<3", &[Below("n", 3)]),
    ("n>7", &[Above("n", 7)]),
    ("app=web,n>3", &[In("app", &["web"]), Above("n", 3)]),
    (
        "app,app!=db,!absent",
        &[Exists("app"), NotIn("app", &["db"]), Absent("absent")],
    ),
    ("empty=", &[In("empty", &[""])]),
    ("empty==", &[In("empty", &[""])]),
    (
        "example.com/team=core",
        &[In("example.com/team", &["core"])],
    ),
];

pub(super) fn checks() -> Vec<Check> {
    let group = Group::ListOptions;
    vec![
        group
            .check(
                91,
                "label-selectors",
                "every kind of label selector selects what the core API would",
                |cx| Box::pin(selectors(cx)),
            )
            .everywhere(),
        group
            .check(
                91,
                "label-selectors-of-nodes",
                "nodes are selected by their labels",
                |cx| Box::pin(nodes(cx)),
            )
            .each_version(),
        group
            .check(
                92,
                "label-selectors-wrong",
                "a label selector that is none is 400 and says where it went wrong",
                |cx| Box::pin(wrong(cx)),
            )
            .everywhere(),
    ]
}

fn labels(item: &Value) -> Map<String, Value> {
    let labels = at(item, "/metadata/labels").as_object();
    labels.cloned().unwrap_or_default()
}

fn key(item: &Value) -> String {
    let meta = at(item, "/metadata");
    format!("{}/{}", text(meta, "/namespace"), text(meta, "/name"))
}

/// Compares a selection with what its requirements say of the whole list; both may change between the two requests.
async fn selects(
    cx: &Context<'_>,
    rest: &str,
    selector: &str,
    holds: impl Fn(&Map<String, Value>) -> bool,
) -> Result<usize, Stop> {
    let (mut seen, mut want) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let all = cx.items(rest).await?;
        let matching = all.iter().filter(|item| holds(&labels(item)));
        want = matching.map(key).collect();
        let path = cx.path(&format!("{rest}{}", query("labelSelector", selector)));
        let list = cx.reader().get(&path).await?.ok_json()?;
        seen = array(&list, "/items")?.iter().map(key).collect();
        if seen == want {
            return Ok(seen.len());
        }
    }
    equal(selector, &seen, &want)?;
    Ok(seen.len())
}

async fn selectors(cx: &Context<'_>) -> Verdict {
    for (selector, requirements) in CASES {
        let count = selects(cx, "/pods", selector, |labels| {
            requirements.iter().all(|r| r.holds(labels))
        })
        .await?;
        let telling = cx.world.is_some() && selector != "n>7";
        ensure(
            !telling || count > 0,
            format!("a pod with {selector}"),
            "none",
        )?;
    }
    Ok(())
}

async fn nodes(cx: &Context<'_>) -> Verdict {
    let items = cx.items("/nodes").await?;
    let all = items.iter().map(labels);
    let Some((key, value)) = all.flatten().find(|(_, v)| v.as_str() != Some("")) else {
        return Err(crate::suite::verdict::skipped("no node has a label"));
    };
    let value = value.as_str().unwrap_or_default();
    for (selector, equals) in [
        (format!("{key}={value}"), true),
        (format!("{key}!={value}"), false),
    ] {
        selects(cx, "/nodes", &selector, |labels| {
            let seen = labels.get(&key).and_then(Value::as_str);
            (seen == Some(value)) == equals
        })
        .await?;
    }
    Ok(())
}

async fn wrong(cx: &Context<'_>) -> Verdict {
    let selectors = [
        "=x", "==x", "a b", "-a=b", "a=b=c", "a in b", "a in (b", "a in", "a,,b", "a>x", "a=!",
        "a/b/c=d", "a=-x", "!", "(a)",
    ];
    for selector in selectors {
        let path = cx.path(&format!("/pods{}", query("labelSelector", selector)));
        let reply = cx.reader().get(&path).await?;
        let status = reply.status(400, "BadRequest")?;
        ensure(
            !text(&status, "/message").is_empty(),
            "a message",
            reply.seen(),
        )?;
    }
    // Kubernetes' parser says what it found and what it looked for.
    let path = cx.path(&format!("/pods{}", query("labelSelector", "a b")));
    let status = cx.reader().get(&path).await?.json()?;
    ensure(
        text(&status, "/message").contains("found 'b', expected: "),
        "found 'b', expected: …",
        text(&status, "/message"),
    )
}
