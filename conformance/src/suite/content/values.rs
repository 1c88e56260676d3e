//! How quantities, windows and times are written.

use serde_json::Value;

use crate::suite::check::{Check, Group};
use crate::suite::cluster;
use crate::suite::context::Context;
use crate::suite::values;
use crate::suite::verdict::{Stop, Verdict, at, ensure, equal, failed, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Content;
    vec![
        group
            .check(
                85,
                "quantities",
                "every quantity is canonical: cpu decimal down to nanocores, memory binary",
                |cx| Box::pin(quantities(cx)),
            )
            .each_version(),
        group
            .check(
                85,
                "quantities-known",
                "known numbers of bytes and cores are served as 1Mi, 12056Ki, 1k and 0",
                |cx| Box::pin(known(cx)),
            )
            .in_world()
            .each_version(),
        group
            .check(
                86,
                "times",
                "windows are Go durations, timestamps whole seconds in UTC",
                |cx| Box::pin(times(cx)),
            )
            .each_version(),
    ]
}

/// Every usage that is served, with whose it is.
async fn usages(cx: &Context<'_>) -> Result<Vec<(String, Value)>, Stop> {
    let mut usages = Vec::new();
    for node in cx.items("/nodes").await? {
        usages.push((
            text(&node, "/metadata/name").to_owned(),
            at(&node, "/usage").clone(),
        ));
    }
    for pod in cx.items("/pods").await? {
        for container in at(&pod, "/containers").as_array().into_iter().flatten() {
            let whose = format!(
                "{}/{}",
                text(&pod, "/metadata/name"),
                text(container, "/name")
            );
            usages.push((whose, at(container, "/usage").clone()));
        }
    }
    Ok(usages)
}

async fn quantities(cx: &Context<'_>) -> Verdict {
    for (whose, usage) in usages(cx).await? {
        let fields = usage.as_object().ok_or_else(|| failed("a usage", &whose))?;
        for needed in ["cpu", "memory"] {
            ensure(
                fields.contains_key(needed),
                format!("{needed} of {whose}"),
                &usage,
            )?;
        }
        for (key, value) in fields {
            let shown = value.as_str().unwrap_or_default();
            let nanos = values::parse_quantity(shown);
            let nanos = nanos.ok_or_else(|| failed("a quantity", format!("{whose} {value}")))?;
            let canonical = match key.as_str() {
                "cpu" => values::cpu(nanos),
                _ => values::memory(nanos / 1_000_000_000),
            };
            equal(&format!("{key} of {whose}"), shown, canonical.as_str())?;
            ensure(nanos >= 0, "nothing negative", format!("{whose} {value}"))?;
        }
    }
    Ok(())
}

async fn known(cx: &Context<'_>) -> Verdict {
    let (namespace, name) = cluster::KNOWN_POD;
    let path = cx.path(&format!("/namespaces/{namespace}/pods/{name}"));
    let pod = cx.reader().get(&path).await?.ok_json()?;
    let containers = at(&pod, "/containers")
        .as_array()
        .cloned()
        .unwrap_or_default();
    for (container, bytes, want) in cluster::KNOWN_MEMORY {
        let mut found = containers.iter();
        let found = found.find(|c| text(c, "/name") == container);
        let seen = found.map_or("", |c| text(c, "/usage/memory"));
        equal(&format!("{bytes} bytes"), seen, want)?;
    }
    let idle = containers
        .iter()
        .find(|c| text(c, "/name") == cluster::IDLE_CONTAINER);
    let seen = idle.map_or("", |c| text(c, "/usage/cpu"));
    equal("a container that used nothing in the window", seen, "0")
}

async fn times(cx: &Context<'_>) -> Verdict {
    let mut samples = cx.items("/nodes").await?;
    samples.extend(cx.items("/pods").await?);
    for sample in samples {
        let name = text(&sample, "/metadata/name");
        let window = text(&sample, "/window");
        let nanos = values::parse_duration(window);
        let nanos = nanos.ok_or_else(|| failed("a Go duration", format!("{name} {window}")))?;
        equal("window", window, values::duration(nanos).as_str())?;
        ensure(nanos > 0, "a window above zero", format!("{name} {window}"))?;
        let fields = ["/timestamp", "/metadata/creationTimestamp"];
        for field in fields {
            let shown = text(&sample, field);
            let time: Option<jiff::Timestamp> = shown.parse().ok();
            ensure(
                shown.len() == 20 && shown.ends_with('Z') && time.is_some(),
                format!("{field} of {name} in whole seconds of UTC"),
                shown,
            )?;
        }
    }
    Ok(())
}
