//! Connecting again and again: what resumption and remembered verifications
//! save. Stock is hyper-rustls as it comes, in the timeout that anyone would put
//! round it and that framewright's connector has built in; the server
//! is bare rustls for both, with a chain of three certificates. A connect is over
//! when the server's first octet is there, and so are its tickets.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use framewright::{Connector, tls::CachingVerifier};
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{
    HandshakeKind,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::UnixTime,
};
use tower_service::Service;

use super::{Scenario, load, slices, spec};
use crate::{
    Error, Result,
    child::{Control, reply},
    message::{Command, Identity, Measured, Reconnects, Reply, Role, Side, Spec},
    pair::{Bench, Outcome, Pair},
    report::{self, Metric, Observations},
    server, tls,
    usage::Usage,
};

pub(super) const FULL: &str = "full connects/s";
pub(super) const RESUMED: &str = "resumed connects/s";
/// To so many servers in turn: stock remembers 32.
const MANY: &str = "64 servers connects/s";
/// In percent, of the same.
const SHARE: &str = "share resumed";
/// Microseconds of both ends' cores a connect, of framewright: a server's first
/// (as `stock`), whose certificates are verified, and one that is resumed.
const COST: &str = "resumed CPU over full";
/// Microseconds: uncached (as `stock`) and cached.
const VERIFICATION: &str = "verification";

const NAMES: usize = 64;

/// For a connect of stock, as in framewright's connector.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Handshake;

/// The pairs of one side.
struct Pairs<'a> {
    /// Every connect is the first to its server.
    first: Pair<'a>,
    full: Pair<'a>,
    resumed: Pair<'a>,
    many: Pair<'a>,
}

impl Scenario for Handshake {
    fn name(&self) -> &'static str {
        "handshake"
    }

    fn about(&self) -> &'static str {
        "sequential TLS reconnects, beside hyper-rustls"
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::higher(FULL),
                Metric::higher(RESUMED),
                Metric::higher(MANY),
                Metric::higher(SHARE),
                Metric::lower(COST),
                Metric::lower(VERIFICATION),
            ]
        }
    }

    fn round(&self, bench: &Bench, observations: &mut Observations) -> Result<()> {
        let stock = Pairs::start(bench, Side::Stock)?;
        let framewright = Pairs::start(bench, Side::Framewright)?;
        let mut sides = [(Side::Stock, stock), (Side::Framewright, framewright)];
        for _ in 0..slices(bench) {
            let [(_, stock), (_, framewright)] = &mut sides;
            // The two sides of each kind stand next to each other in time.
            let full = [measure(&mut stock.full)?, measure(&mut framewright.full)?];
            let resumed = [
                measure(&mut stock.resumed)?,
                measure(&mut framewright.resumed)?,
            ];
            let first = measure(&mut framewright.first)?;
            let many = [measure(&mut stock.many)?, measure(&mut framewright.many)?];
            for (n, side) in Side::BOTH.into_iter().enumerate() {
                observations.add(FULL, side, rate(&full[n]));
                observations.add(RESUMED, side, rate(&resumed[n]));
                observations.add(MANY, side, rate(&many[n]));
                observations.add(SHARE, side, share(&many[n]));
            }
            observations.add(COST, Side::Stock, cost(&first));
            observations.add(COST, Side::Framewright, cost(&resumed[1]));
            let [uncached, cached] = verification(bench)?;
            observations.add(VERIFICATION, Side::Stock, uncached);
            observations.add(VERIFICATION, Side::Framewright, cached);
            observations.end_slice(bench.disturbance.take());
        }
        Ok(())
    }

    fn pair(&self, bench: &Bench, side: Side) -> Option<(Role, Role, Spec)> {
        Some((
            Role::Greeter,
            Role::Reconnector,
            spec_of(bench, side, RESUMABLE),
        ))
    }
}

impl<'a> Pairs<'a> {
    fn start(bench: &'a Bench, side: Side) -> Result<Self> {
        let start = |reconnects| {
            let spec = spec_of(bench, side, reconnects);
            Pair::start(bench, Role::Greeter, Role::Reconnector, spec)
        };
        Ok(Self {
            first: start(Reconnects {
                remembers: false,
                ..FRESH
            })?,
            full: start(FRESH)?,
            resumed: start(RESUMABLE)?,
            many: start(Reconnects {
                names: NAMES,
                ..RESUMABLE
            })?,
        })
    }
}

pub(super) const FRESH: Reconnects = Reconnects {
    names: 1,
    tickets: false,
    remembers: true,
};

pub(super) const RESUMABLE: Reconnects = Reconnects {
    tickets: true,
    ..FRESH
};

fn measure(pair: &mut Pair<'_>) -> Result<Outcome> {
    pair.measure(Duration::ZERO)
}

pub(super) fn spec_of(bench: &Bench, side: Side, reconnects: Reconnects) -> Spec {
    Spec {
        reconnects: Some(reconnects),
        ..spec(bench, side, true, load(bench))
    }
}

pub(super) fn rate(outcome: &Outcome) -> f64 {
    outcome.client.requests as f64 / outcome.client.seconds
}

fn share(outcome: &Outcome) -> f64 {
    100.0 * outcome.client.resumed as f64 / outcome.client.requests as f64
}

/// Microseconds of both ends' cores a connect.
fn cost(outcome: &Outcome) -> f64 {
    let cpu = outcome.client.used.cpu + outcome.server.cpu;
    cpu as f64 / 1e3 / outcome.client.requests as f64
}

/// Microseconds that it takes to verify the chain: afresh, and from the cache.
fn verification(bench: &Bench) -> Result<[f64; 2]> {
    let roots = Arc::new(tls::roots(&bench.identity)?);
    let provider = tls::provider(bench.identity.provider);
    let webpki =
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let caching = CachingVerifier::new(webpki.clone(), &provider)?;
    let chain = tls::chain(&bench.identity)?;
    let times = if bench.smoke { 3 } else { 500 };
    let time = |verifier: &dyn ServerCertVerifier| -> Result<f64> {
        let mut taken = Vec::new();
        for _ in 0..times {
            let start = Instant::now();
            verifier.verify_server_cert(
                &chain[0],
                &chain[1..],
                &tls::name(),
                &[],
                UnixTime::now(),
            )?;
            taken.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(report::percentile(&mut taken, 0.5))
    };
    let uncached = time(&*webpki)?;
    time(&caching)?;
    Ok([uncached, time(&caching)?])
}

/// The server: greets everyone until they leave.
pub(crate) async fn greet(control: Control, spec: Spec) -> Result<()> {
    let reconnects = spec.reconnects.ok_or("nobody to greet")?;
    let identity = spec.tls.as_ref().ok_or("no TLS to shake hands with")?;
    let acceptor = TlsAcceptor::from(tls::server(identity, reconnects.tickets)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    reply(&Reply::Listening(listener.local_addr()?));
    tokio::spawn(async move {
        loop {
            let Ok((tcp, _)) = listener.accept().await else {
                return reply(&Reply::Failed("accept failed".into()));
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                tcp.set_nodelay(true)?;
                let mut tls = acceptor.accept(tcp).await?;
                tls.write_all(b"!").await?;
                // Clients leave without a goodbye.
                let _ = tls.read(&mut [0]).await;
                Ok::<_, Error>(())
            });
        }
    });
    server::account(control).await
}

/// The client: connects, hears the greeting, and closes, again and again.
pub(crate) async fn reconnect(mut control: Control, spec: Spec) -> Result<()> {
    let reconnects = spec.reconnects.ok_or("nothing to reconnect to")?;
    let server = spec.server.ok_or("no server to connect to")?;
    let identity = spec.tls.as_ref().ok_or("no TLS to shake hands with")?;
    let mut client = Client::new(spec.side, server, identity, reconnects.remembers)?;
    let names: Vec<Uri> = (0..reconnects.names)
        .map(|n| format!("https://{}/", tls::numbered(n)).parse())
        .collect::<std::result::Result<_, _>>()?;
    let mut names = names.iter().cycle();
    for _ in 0..reconnects.names {
        client.connect(names.next().ok_or("no names")?).await?;
    }
    client.run(&mut names, spec.load.warm_up).await?;
    reply(&Reply::Ready);
    loop {
        match control.next().await? {
            Command::Measure => {
                let measured = client.run(&mut names, spec.load.measured).await?;
                reply(&Reply::Measured(measured));
            }
            other => return Err(format!("a reconnector does not take {other:?}").into()),
        }
    }
}

/// The connector of either side, over the same dialer.
enum Client {
    Stock(HttpsConnector<Dialer>),
    Framewright(Connector<Dialer>),
}

type Dialer = HttpConnector<ToServer>;

impl Client {
    fn new(side: Side, server: SocketAddr, identity: &Identity, remembers: bool) -> Result<Self> {
        let mut dialer = HttpConnector::new_with_resolver(ToServer(server));
        dialer.enforce_http(false);
        dialer.set_nodelay(true);
        Ok(match side {
            Side::Stock => Self::Stock(
                HttpsConnectorBuilder::new()
                    .with_tls_config({
                        // The builder offers h2 itself.
                        let mut config = (*tls::client(identity)?).clone();
                        config.alpn_protocols.clear();
                        config
                    })
                    .https_only()
                    .enable_http2()
                    .wrap_connector(dialer),
            ),
            Side::Framewright => {
                let mut builder = Connector::builder()
                    .provider(tls::provider(identity.provider))
                    .with_roots(tls::roots(identity)?)
                    .http2_only()
                    .dialer(dialer);
                if !remembers {
                    builder = builder.verification_lifetime(Duration::ZERO);
                }
                Self::Framewright(builder.build()?)
            }
        })
    }

    async fn run(
        &mut self,
        names: &mut impl Iterator<Item = &Uri>,
        milliseconds: u64,
    ) -> Result<Measured> {
        let mark = Usage::now()?;
        let start = Instant::now();
        let end = start + Duration::from_millis(milliseconds);
        let mut measured = Measured::default();
        let mut times = Vec::new();
        let mut now = start;
        while times.is_empty() || now < end {
            let resumed = self.connect(names.next().ok_or("no names")?).await?;
            let done = Instant::now();
            times.push((done - now).as_secs_f64() * 1e6);
            now = done;
            measured.resumed += u64::from(resumed);
        }
        measured.requests = times.len() as u64;
        measured.seconds = start.elapsed().as_secs_f64();
        measured.p50 = report::percentile(&mut times, 0.50);
        measured.p95 = report::percentile(&mut times, 0.95);
        measured.p99 = report::percentile(&mut times, 0.99);
        measured.used = Usage::now()?.since(mark);
        Ok(measured)
    }

    /// One connection. Whether the session was resumed.
    async fn connect(&mut self, uri: &Uri) -> Result<bool> {
        Ok(match self {
            Self::Stock(connector) => {
                let io = timeout(LIMIT, connector.call(uri.clone())).await??;
                let resumed = match &io {
                    MaybeHttpsStream::Https(tls) => {
                        let kind = tls.inner().get_ref().1.handshake_kind();
                        kind == Some(HandshakeKind::Resumed)
                    }
                    MaybeHttpsStream::Http(_) => return Err("no TLS".into()),
                };
                TokioIo::new(io).read_u8().await?;
                resumed
            }
            Self::Framewright(connector) => {
                let mut io = connector.call(uri.clone()).await?;
                let resumed = io.handshake().ok_or("no TLS")?.resumed;
                io.read_u8().await?;
                resumed
            }
        })
    }
}

/// Finds every name at the server.
#[derive(Clone)]
struct ToServer(SocketAddr);

impl Service<Name> for ToServer {
    type Response = std::iter::Once<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(std::iter::once(self.0)))
    }
}
