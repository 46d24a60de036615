//! Puts the parts together, says where they are, and runs them to the end.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use tokio::{net::TcpListener, sync::watch};

use crate::{
    admin::Admin,
    args::Args,
    drain::{Drained, Signals, drain},
    forward::Forward,
    origin::Origin,
    serve::{Handler, Limits, Server},
    stats::{Endpoint, Stats},
    target::Target,
    tls,
    upstream::Upstream,
    wire::Wiring,
};

/// Runs the proxy until it is told to end.
pub(crate) async fn run(args: Args) -> Result<(), String> {
    let stats = Arc::new(Stats::new(args.stock));
    let files = args.cert.as_deref().zip(args.key.as_deref());
    let tls = if args.h2c {
        None
    } else {
        Some(tls::acceptor(files)?)
    };
    let upstream = args
        .upstream
        .as_deref()
        .map(|url| given(&args, url, &stats));
    let upstream = upstream.transpose()?;
    let (listener, listening) = bind("--listen", &args.listen).await?;
    let (admin, admin_at) = bind("--admin", &args.admin).await?;
    let mut signals = Signals::new().map_err(|e| format!("cannot catch signals: {e}"))?;

    // The origin and the admin server go on while the clients are drained.
    let (_lasting, to_the_end) = watch::channel(false);
    let embedded = upstream.is_none();
    let upstream = match upstream {
        Some(upstream) => upstream,
        None => embed(&args, &stats, to_the_end.clone()).await?,
    };
    let where_to = format!(
        "{}{}",
        upstream.target(),
        if embedded { " (embedded)" } else { "" }
    );

    let admin_stats = Arc::default();
    let admin_server = server(Admin(Arc::clone(&stats)), true, &args, &admin_stats);
    tokio::spawn(admin_server.run(admin, to_the_end));

    let name = format!("framewright-{:08x}", RandomState::new().hash_one(0) as u32);
    let forward = Forward::new(
        upstream,
        args.upstream_timeout,
        args.trust_forwarded,
        name,
        Arc::clone(&stats),
    );
    let mut proxy = server(forward, args.stock, &args, &stats.clients);
    proxy.tls = tls;
    let scheme = if args.h2c { "http" } else { "https" };
    let (draining, drained) = watch::channel(false);
    tokio::spawn(proxy.run(listener, drained));

    say(&format!(
        "listening {scheme}://{listening}\nadmin http://{admin_at}/stats\nupstream {where_to}\n"
    ));
    if embedded {
        say(&suggestions(scheme, listening, admin_at));
    }

    signals.next().await;
    say("draining\n");
    say(
        match drain(&draining, &mut signals, args.drain_timeout).await {
            Drained::Whole => "drained\n",
            Drained::TimedOut => "drain timed out\n",
            Drained::Interrupted => "drain interrupted\n",
        },
    );
    Ok(())
}

/// The upstream of the command line.
fn given(args: &Args, url: &str, stats: &Stats) -> Result<Upstream, String> {
    let wrong = |why: String| format!("--upstream {url:?}: {why}");
    let target: Target = url.parse().map_err(wrong)?;
    let tls = if target.is_tls() {
        Some(tls::connector(args.upstream_ca.as_deref())?)
    } else {
        None
    };
    if target.is_tls() && args.upstream_h2c {
        return Err(wrong(
            "--upstream-h2c is for http://; with TLS the upstream chooses".into(),
        ));
    }
    let wiring = Wiring::new(args.stock, Arc::clone(&stats.upstream));
    Upstream::new(target, wiring, tls, args.upstream_h2c).map_err(wrong)
}

/// Starts the origin of this process, and makes it the upstream.
async fn embed(
    args: &Args,
    stats: &Stats,
    until: watch::Receiver<bool>,
) -> Result<Upstream, String> {
    let (listener, address) = bind("the embedded origin", "127.0.0.1:0").await?;
    let target = format!("http://{address}").parse()?;
    let origin = server(Origin, args.stock, args, &stats.origin);
    tokio::spawn(origin.run(listener, until));
    let wiring = Wiring::new(args.stock, Arc::clone(&stats.upstream));
    Upstream::new(target, wiring, None, true)
}

fn server<H: Handler>(handler: H, stock: bool, args: &Args, endpoint: &Arc<Endpoint>) -> Server<H> {
    Server {
        handler,
        tls: None,
        wiring: Wiring::new(stock, Arc::clone(&endpoint.transports)),
        limits: Limits {
            connections: args.max_connections,
            handshake: args.handshake_timeout,
            idle: args.idle_timeout,
        },
        endpoint: Arc::clone(endpoint),
    }
}

async fn bind(what: &str, address: &str) -> Result<(TcpListener, SocketAddr), String> {
    let cannot = |e: io::Error| format!("{what}: cannot listen on {address}: {e}");
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, address))
}

fn suggestions(scheme: &str, proxy: SocketAddr, admin: SocketAddr) -> String {
    let (curl, h2load) = match scheme {
        "https" => ("curl -k", "h2load"),
        _ => ("curl --http2-prior-knowledge", "h2load -p h2c"),
    };
    let at = format!("{scheme}://{proxy}");
    format!(
        "
To try:
  {curl} {at}/
  {curl} {at}/bytes/10000000 -o /dev/null -w '%{{http_version}} %{{speed_download}} octets/s\\n'
  {curl} {at}/echo --data-binary @Cargo.lock | cmp - Cargo.lock
  {curl} {at}/files/notes/alphabet.txt -r 0-4
  h2load -n 20000 -c 4 -m 64 {at}/
  curl http://{admin}/stats

Ctrl-C ends it when the requests in flight are done.
"
    )
    .replace("h2load ", &format!("{h2load} "))
}

/// Writes to standard output, which may have been closed: no reason to end.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
