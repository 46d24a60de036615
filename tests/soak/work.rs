//! Requests of all kinds, and what is to come of each.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use framewright::{ConnectionHandle, FlowHint, HandleError, StreamHandle};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::body::{Chunks, Pace, Seen, priority, read};
use crate::clients::Client;
use crate::common::{BoxError, ServiceBody, full};
use crate::random::Random;
use crate::tally::{Counted, Fate};
use crate::world::{HANG, World, is_reset, is_violation, whole};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 100 octets, many at a time.
    Small,
    Download,
    Upload,
    Echo,
    /// The client drops the response's body.
    Abandon,
    /// The client does not wait for the response.
    Cancel,
    /// The client's body fails.
    GiveUp,
    /// The server's body fails.
    BrokenOff,
    Ping,
    /// The server's PING.
    PingBack,
}

pub(crate) const KINDS: [(u64, Kind); 10] = [
    (10, Kind::Small),
    (24, Kind::Download),
    (16, Kind::Upload),
    (8, Kind::Echo),
    (6, Kind::Abandon),
    (4, Kind::Cancel),
    (4, Kind::GiveUp),
    (4, Kind::BrokenOff),
    (3, Kind::Ping),
    (3, Kind::PingBack),
];

/// From here on a body is large.
const LARGE: u64 = 500_000;

/// What requests need of their connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) world: Arc<World>,
    pub(crate) client: Client,
    pub(crate) fate: Arc<Fate>,
    /// For reports.
    pub(crate) name: Arc<str>,
}

/// What was not to come.
enum Trouble {
    /// Nothing explains it.
    Wrong(String),
    /// What was done to the connection may.
    Broken { error: BoxError, answered: bool },
}

use Trouble::{Broken, Wrong};

fn broken(answered: bool) -> impl Fn(BoxError) -> Trouble {
    move |error| Broken { error, answered }
}

/// One request, all its octets and choices.
struct Work<'a> {
    connection: &'a Connection,
    kind: Kind,
    number: u64,
    seed: u64,
    len: u64,
    random: Random,
}

/// Makes a request, and judges what comes of it.
pub(crate) async fn request(connection: Connection, kind: Kind, mut random: Random) {
    let world = &connection.world;
    let len = match kind {
        Kind::Small => 100,
        _ => {
            let most =
                random.weigh(&[(40, 2_000), (35, 100_000), (17, 1_000_000), (8, 10_000_000)]);
            random.below(most)
        }
    };
    let _large = match len >= LARGE {
        true => Some(world.large.acquire().await.expect("never closed")),
        false => None,
    };
    if world.resting.load(SeqCst) {
        return;
    }
    let _in_flight = Counted::new(&world.tally.in_flight);
    let mut work = Work {
        connection: &connection,
        kind,
        number: world.tally.number(),
        seed: random.next() >> 32,
        len,
        random,
    };
    let begun = Instant::now();
    let ended = timeout(HANG, work.perform()).await;
    let handled = world.tally.over(work.number);
    let Work { number, .. } = work;
    let what = || {
        let took = begun.elapsed().as_secs_f64();
        let Connection { name, fate, .. } = &connection;
        format!("{kind:?} {number} of {len} octets on {name}, {fate}, after {took:.1} s")
    };
    match ended {
        Ok(Ok(octets)) => {
            world.tally.requests.fetch_add(1, SeqCst);
            world.tally.octets.fetch_add(octets, SeqCst);
            world.tally.count(format_args!("request: {kind:?}"));
            if octets >= LARGE {
                world.tally.count("large bodies, whole");
            }
        }
        Ok(Err(Wrong(why))) => world.tally.fail(format_args!("{}: {why}", what())),
        Ok(Err(Broken { error, answered })) => {
            let fate = &connection.fate;
            // A server that shuts down gracefully answers what it has got. But it
            // closes when it has sent the last octet, which resets the connection
            // if something of the client's is on its way: a WINDOW_UPDATE does.
            let is_explained = match fate.is_graceful() {
                true => !answered && !handled || is_reset(error.as_ref()),
                false => fate.is_any(),
            };
            if is_explained && !is_violation(error.as_ref()) {
                world.tally.count("requests that a fault ended");
            } else {
                let error = whole(error.as_ref());
                let seen = if handled { "handled" } else { "not handled" };
                world
                    .tally
                    .fail(format_args!("{}: {error} ({seen})", what()));
            }
        }
        Err(_) => {
            let handle = connection.client.handle.as_ref();
            let stats = handle.map(ConnectionHandle::stats);
            let what = what();
            world.tally.fail(format_args!(
                "{what}: hangs (handled: {handled}), {stats:?}"
            ));
        }
    }
}

impl Work<'_> {
    /// The octets that have come as they should.
    async fn perform(&mut self) -> Result<u64, Trouble> {
        match self.kind {
            Kind::Small | Kind::Download | Kind::Abandon | Kind::BrokenOff => self.download().await,
            Kind::Upload | Kind::GiveUp => self.upload().await,
            Kind::Echo => self.echo().await,
            Kind::Cancel => self.cancel().await,
            Kind::Ping => self.ping().await,
            Kind::PingBack => {
                let text = text(self.get("/ping", "").await?).await?;
                match &*text {
                    "Ok(())" | "Err(Full)" => Ok(0),
                    "Err(Closed)" => Err(broken(false)(text.into())),
                    _ => Err(Wrong(text)),
                }
            }
        }
    }

    async fn download(&mut self) -> Result<u64, Trouble> {
        let trailer = self.kind != Kind::Small;
        let mut query = format!("&largest={}", self.largest());
        if trailer {
            query += "&trailer=1";
        }
        if self.random.percent(10) {
            query += "&pauses=8";
        }
        let fails = self.kind == Kind::BrokenOff;
        if fails {
            query += &format!("&fail={}", self.random.below(self.len + 1));
        }
        let response = self.get("/bytes", &query).await;
        let response = match response {
            // The reset may overtake a response that nobody has looked at yet.
            Err(Broken { .. }) if fails => return Ok(0),
            response => response?,
        };
        let stop_at = (self.kind == Kind::Abandon).then(|| self.random.below(self.len + 1));
        let seen = self.read(response, stop_at).await?;
        if let Some(stop_at) = stop_at
            && seen.octets >= stop_at
        {
            return Ok(seen.octets);
        }
        match seen.error {
            Some(_) if fails => Ok(seen.octets),
            Some(error) => Err(broken(true)(error)),
            None if fails => Err(Wrong("a reset stream looks complete".into())),
            None if (seen.octets, seen.trailers) == (self.len, trailer) => Ok(seen.octets),
            None => Err(Wrong(format!("{} octets came: {seen:?}", seen.octets))),
        }
    }

    async fn upload(&mut self) -> Result<u64, Trouble> {
        let fails = self.kind == Kind::GiveUp;
        let fail_at = fails.then(|| self.random.below(self.len + 1));
        let answer = match self.post("/sink", fail_at).await {
            Err(Broken { .. }) if fails => return Ok(0),
            answer => text(answer?).await,
        };
        match answer {
            Err(Broken { .. }) if fails => Ok(0),
            answer => {
                let answer = answer?;
                let is_right = match fails {
                    // The answer may overtake the reset.
                    true => answer.ends_with("false false"),
                    false => answer == format!("{} true true", self.len),
                };
                match is_right {
                    true => Ok(self.len),
                    false => Err(Wrong(format!("the server says: {answer}"))),
                }
            }
        }
    }

    async fn echo(&mut self) -> Result<u64, Trouble> {
        let response = self.post("/echo", None).await?;
        let seen = self.read(response, None).await?;
        match seen.error {
            Some(error) => Err(broken(true)(error)),
            None if (seen.octets, seen.trailers) == (self.len, true) => Ok(2 * self.len),
            None => Err(Wrong(format!("{} octets came: {seen:?}", seen.octets))),
        }
    }

    async fn cancel(&mut self) -> Result<u64, Trouble> {
        let patience = Duration::from_millis(self.random.below(20));
        let ended = match self.random.percent(50) {
            true => timeout(patience, self.get("/bytes", "&trailer=1")).await,
            false => timeout(patience, self.post("/sink", None)).await,
        };
        match ended {
            Ok(Err(trouble)) => Err(trouble),
            _ => Ok(0),
        }
    }

    async fn ping(&mut self) -> Result<u64, Trouble> {
        let Some(handle) = &self.connection.client.handle else {
            return Ok(0);
        };
        match handle.ping().await {
            Ok(_) | Err(HandleError::Full) => Ok(0),
            Err(error) => Err(broken(false)(error.into())),
        }
    }

    /// The largest chunk.
    fn largest(&mut self) -> u64 {
        match self.len {
            0..5_000 => self.random.between(256, 5_000),
            5_000..200_000 => self.random.between(500, 100_000),
            _ => self.random.between(16_000, 300_000),
        }
    }

    async fn get(&mut self, path: &str, query: &str) -> Result<Response<ServiceBody>, Trouble> {
        self.send(Method::GET, path, query, full(String::new()))
            .await
    }

    async fn post(
        &mut self,
        path: &str,
        fail_at: Option<u64>,
    ) -> Result<Response<ServiceBody>, Trouble> {
        let body = Chunks::new(self.seed, self.len, self.largest())
            .trailer(true)
            .fail_at(fail_at)
            .pauses(if self.random.percent(10) { 8 } else { 0 });
        self.send(Method::POST, path, "", body.boxed()).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        query: &str,
        body: ServiceBody,
    ) -> Result<Response<ServiceBody>, Trouble> {
        let Self {
            number, seed, len, ..
        } = self;
        let uri = format!("http://test{path}?number={number}&seed={seed}&len={len}{query}");
        let mut request = Request::builder().method(method).uri(uri);
        if self.random.percent(50) {
            request = request.extension(priority(&mut self.random));
        }
        if self.random.percent(20) {
            let hint = self.random.pick(&[FlowHint::Bulk, FlowHint::Interactive]);
            request = request.extension(hint);
        }
        let request = request.body(body).expect("a request");
        let sent = self.connection.client.send(request).await;
        let response = sent.map_err(|error| broken(false)(error.into()))?;
        match response.status().as_u16() {
            200 => Ok(response),
            status => Err(Wrong(format!("status {status}"))),
        }
    }

    async fn read(
        &mut self,
        response: Response<ServiceBody>,
        stop_at: Option<u64>,
    ) -> Result<Seen, Trouble> {
        let stream = response.extensions().get::<StreamHandle>().cloned();
        let pace = match self.kind {
            Kind::Small => Pace::AsItComes,
            _ => Pace::choose(&mut self.random),
        };
        let body = response.into_body();
        let seen = read(body, self.seed, pace, stop_at, stream, &mut self.random).await;
        match seen.wrong_at {
            Some(at) => Err(Wrong(format!("the octet at {at} came wrong"))),
            None => Ok(seen),
        }
    }
}

/// The whole body of a response as text.
async fn text(response: Response<ServiceBody>) -> Result<String, Trouble> {
    let body = response.into_body().collect().await.map_err(broken(true))?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
