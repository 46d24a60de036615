//! Puts the parts together, says where they are, and runs them to the end.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use tokio::sync::watch;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{
    admin::Admin,
    args::Args,
    dial,
    drain::{Drained, Signals, drain},
    forward::Forward,
    link::Link,
    listen::Inlet,
    log,
    origin::Origin,
    serve::{Handler, Limits, Server},
    stats::{Endpoint, Stats},
    target::Target,
    tls::{self, Tls},
    upstream::Upstream,
};

/// Runs the proxy until it is told to end.
pub(crate) async fn run(args: Args) -> Result<(), String> {
    let certificates = (!args.h2c).then(|| tls::certificates(&args)).transpose()?;
    // Not before: what is wrong with a certificate is in the error already.
    log::install();
    let secret = args.ticket_secret.as_deref();
    let tls = certificates.map(|certificates| Tls::new(certificates, secret));
    let tls = tls.transpose()?;
    let stats = Arc::new(Stats::new(&args, tls.clone()));
    let upstream = args
        .upstream
        .as_deref()
        .map(|url| given(&args, url, &stats));
    let upstream = upstream.transpose()?;
    let (inlet, listening) = Inlet::bind("--listen", &args.listen, tls.as_ref(), &args).await?;
    let link = args.slow.map(|rate| slow_link(rate, listening));
    let link = link.transpose()?;
    let listening = link.as_ref().map_or(listening, |link| link.address);
    let (admin, admin_at) = Inlet::bind("--admin", &args.admin, None, &args).await?;
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

    let admin_server = server(Admin(Arc::clone(&stats)), &args, &Arc::default());
    tokio::spawn(admin_server.run(admin, to_the_end));

    let name = format!("framewright-{:08x}", RandomState::new().hash_one(0) as u32);
    let forward = Forward::new(
        upstream,
        args.upstream_timeout,
        args.trust_forwarded,
        name,
        Arc::clone(&stats),
    );
    let proxy = server(forward, &args, &stats.clients);
    let scheme = if args.h2c { "http" } else { "https" };
    let (draining, drained) = watch::channel(false);
    tokio::spawn(proxy.run(inlet, drained));

    say(&format!(
        "listening {scheme}://{listening}\nadmin http://{admin_at}/stats\nupstream {where_to}\n"
    ));
    if embedded {
        say(&suggestions(scheme, listening, admin_at, link.is_some()));
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

/// A link of so many Mbit/s to the proxy, which lasts as long as this is kept.
fn slow_link(rate: u32, to: SocketAddr) -> Result<Link, String> {
    let link = Link::builder().rate(u64::from(rate) * 1_000_000).to(to);
    link.start().map_err(|e| format!("--slow: {e}"))
}

/// The upstream of the command line.
fn given(args: &Args, url: &str, stats: &Arc<Stats>) -> Result<Upstream, String> {
    let wrong = |why: String| format!("--upstream {url:?}: {why}");
    let target: Target = url.parse().map_err(wrong)?;
    if target.is_tls() && args.upstream_h2c {
        return Err(wrong(
            "--upstream-h2c is for http://; with TLS the upstream chooses".into(),
        ));
    }
    let connector = if target.is_tls() {
        // Or each request would find out.
        ServerName::try_from(target.host())
            .map_err(|_| wrong("this host cannot be in a certificate".into()))?;
        dial::with_tls(args)?
    } else {
        dial::clear(args)?
    };
    Upstream::new(target, connector, args.upstream_h2c, args, stats)
}

/// Starts the origin of this process, and makes it the upstream.
async fn embed(
    args: &Args,
    stats: &Arc<Stats>,
    until: watch::Receiver<bool>,
) -> Result<Upstream, String> {
    let (inlet, address) = Inlet::bind("the embedded origin", "127.0.0.1:0", None, args).await?;
    let target = format!("http://{address}").parse()?;
    let origin = server(Origin, args, &stats.origin);
    tokio::spawn(origin.run(inlet, until));
    Upstream::new(target, dial::clear(args)?, true, args, stats)
}

fn server<H: Handler>(handler: H, args: &Args, endpoint: &Arc<Endpoint>) -> Server<H> {
    Server {
        handler,
        limits: Limits {
            connections: args.max_connections,
            handshake: args.handshake_timeout,
            idle: args.idle_timeout,
        },
        endpoint: Arc::clone(endpoint),
        prioritizes: args.prioritizes(),
        flow: args.flow_control(),
    }
}

fn suggestions(scheme: &str, proxy: SocketAddr, admin: SocketAddr, slow: bool) -> String {
    let (curl, h2load) = match scheme {
        "https" => ("curl -k", "h2load"),
        _ => ("curl --http2-prior-knowledge", "h2load -p h2c"),
    };
    let at = format!("{scheme}://{proxy}");
    // With TLS 1.3 s_client reconnects before it has read a ticket.
    let resumption = match scheme {
        "https" => format!(
            "\n  openssl s_client -connect {proxy} -tls1_2 -reconnect </dev/null 2>/dev/null | grep Reused"
        ),
        _ => String::new(),
    };
    // How many of 24 pictures come in three seconds beside downloads that are less
    // urgent, and beside such as are more. curl shares a connection from its start
    // with TLS alone.
    let beside = |urgency| match (scheme, slow) {
        ("https", true) => format!(
            "\n  curl -kZm3 -o /dev/null '{at}/download?u={urgency}#[1-4]' -o /dev/null \
             '{at}/page/[1-24].bmp' -w '%{{size_download}}\\n' 2>/dev/null | grep -c ^18486"
        ),
        _ => String::new(),
    };
    let (after, before) = (beside(7), beside(0));
    format!(
        "
To try:
  {curl} {at}/
  {curl} {at}/bytes/10000000 -o /dev/null -w '%{{http_version}} %{{speed_download}} octets/s\\n'
  {curl} {at}/echo --data-binary @Cargo.lock | cmp - Cargo.lock
  {curl} {at}/files/notes/alphabet.txt -r 0-4{after}{before}
  h2load -n 20000 -c 4 -m 64 {at}/{resumption}
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
