//! Asking a kubelet through the API server, where there is no other way.

use std::fmt;
use std::io;

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;

use super::{Error, Target, said};
use crate::cluster::describe;

/// The API server as a way to kubelets: `/api/v1/nodes/NODE/proxy`.
///
/// It verifies kubelets as it sees fit, shows them its own certificate, and demands `nodes/proxy`
/// of us, with which one can do much more than read numbers.
#[derive(Clone)]
pub struct ApiServer(kube::Client);

/// How much of an error page is repeated.
const EXCERPT: usize = 300;
/// So much of an error page is read at most.
const MAX_PAGE: usize = 4 << 10;

impl ApiServer {
    /// The way this client leads.
    #[must_use]
    pub const fn new(client: kube::Client) -> Self {
        Self(client)
    }

    /// Gets the target's path into `buffer`, at most `most` bytes. The caller bounds the time.
    pub(super) async fn get(
        &self,
        target: &Target,
        most: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let path = format!("/api/v1/nodes/{}/proxy{}", target.node(), target.path());
        let request = Request::get(path).body(Body::empty());
        let request = request.map_err(|_| Error::BadAddress {
            address: target.node().to_string(),
        })?;
        let answer = self.0.send(request).await;
        let answer = answer.map_err(|error| Error::ApiServer {
            reason: describe(&error),
        })?;
        let code = answer.status().as_u16();
        let limit = if code == 200 { most } else { MAX_PAGE };
        buffer.clear();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Error::Broken {
                source: io::Error::other(describe(&error)),
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = limit.saturating_sub(buffer.len());
            match data.get(..room) {
                Some(_) if code == 200 && data.len() > room => {
                    return Err(Error::TooLarge { limit });
                }
                Some(begin) => buffer.extend_from_slice(begin),
                None => buffer.extend_from_slice(&data),
            }
        }
        if code == 200 {
            return Ok(());
        }
        let said = said(buffer, EXCERPT);
        Err(match code {
            // The API server's own words are a Status; a kubelet's are text.
            403 if said.starts_with('{') => Error::ProxyForbidden { said },
            404 => Error::NotFound {
                path: target.path().into(),
            },
            code => Error::Proxy { code, said },
        })
    }
}

/// Two ways through the API server are as good as each other.
impl PartialEq for ApiServer {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ApiServer {}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiServer")
    }
}
