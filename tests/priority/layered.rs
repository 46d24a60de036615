//! With the tower layers: priorities of requests and of responses (RFC 9218,
//! sections 5 and 8), and the field by which a layer finds its stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use framewright::layer::{ClientPriorityLayer, PriorityLayer};
use framewright::{Config, Priority, StreamHandle, Transport};
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tower_layer::Layer;
use tower_service::Service;

use crate::bounded;
use crate::common::{self, Dispatch, ServiceBody, full, pattern};
use crate::link::Builder;
use crate::order::{gated, give_way, ids, plugged};
use crate::raw::{Log, Peer, get, update};
use crate::server::{Server, slow, wait};

const TAG: &str = "framewright-stream";

/// The service of the other tests, told by the query what to answer with:
/// `field=VALUE` is the response's `priority`, `extension=URGENCY` one in its
/// extensions. `/fields` says what has come.
#[derive(Clone)]
struct Handler {
    gate: Arc<Barrier>,
    streams: Arc<Mutex<Vec<StreamHandle>>>,
}

impl Service<Request<Incoming>> for Handler {
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(stream) = request.extensions().get::<StreamHandle>() {
            self.streams.lock().expect("no panic").push(stream.clone());
        }
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let said = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
            let mut response = match request.uri().path() {
                "/fields" => fields(&request),
                _ => {
                    wait(&mut request, &gate).await;
                    common::service(request).await?
                }
            };
            if let Some(field) = said("field=") {
                let field = HeaderValue::from_str(field).expect("visible");
                response.headers_mut().insert("priority", field);
            }
            if let Some(urgency) = said("extension=") {
                let priority = Priority::new(urgency.parse().expect("a number"));
                response.extensions_mut().insert(priority);
            }
            Ok(response)
        })
    }
}

/// Says what the handler has got, and sends its fields back.
fn fields(request: &Request<Incoming>) -> Response<ServiceBody> {
    let stream = request.extensions().get::<StreamHandle>();
    let mut text = format!(
        "stream {:?}\npriority {:?}\n",
        stream.map(|stream| stream.id().get()),
        request
            .extensions()
            .get::<Priority>()
            .map(ToString::to_string),
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let mut response = Response::new(full(text));
    *response.headers_mut() = request.headers().clone();
    response
}

struct Layered {
    server: Server,
    streams: Arc<Mutex<Vec<StreamHandle>>>,
}

impl Handler {
    fn gated(gated: usize) -> Self {
        Self {
            gate: Arc::new(Barrier::new(gated.max(1))),
            streams: Arc::default(),
        }
    }

    async fn serve(
        self,
        layer: PriorityLayer,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let service = TowerToHyperService::new(layer.layer(self));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().max_concurrent_streams(1_000);
        let _ = builder.serve_connection(TokioIo::new(io), service).await;
    }
}

fn config() -> Config {
    Config::default().stream_handles(true)
}

async fn start(layer: PriorityLayer, link: Option<Builder>, gated: usize) -> Layered {
    let handler = Handler::gated(gated);
    let streams = Arc::clone(&handler.streams);
    let server = Server::accept(link, move |tcp| {
        let io = Transport::server(tcp, config());
        handler.clone().serve(layer.clone(), io)
    })
    .await;
    Layered { server, streams }
}

/// Streams with what stands before their request, their fields, and more of their
/// query: the order in which they come, over the slow link.
async fn order(layer: PriorityLayer, streams: &[(u32, Asks<'_>)]) -> Vec<u32> {
    let octets = 150_000;
    let layered = start(layer, Some(slow()), streams.len()).await;
    let (mut peer, mut log) = plugged(&layered.server).await;
    let mut requests = Vec::new();
    for (id, asks) in streams {
        requests.extend(&asks.before);
        let path = gated(*id, octets) + asks.query;
        requests.extend(get(*id, &path, asks.fields));
    }
    let before = log.frames.len();
    peer.send(&requests).await;
    peer.finish(&mut log, &ids(streams)).await;
    for (id, _) in streams {
        assert!(log.bodies[id] == pattern(u64::from(*id), octets as u64));
    }
    give_way(&log, before, &ids(streams));
    log.order_of_halves(&ids(streams))
}

#[derive(Clone, Default)]
struct Asks<'a> {
    before: Vec<u8>,
    fields: &'a [(&'a str, &'a str)],
    query: &'a str,
}

fn field<'a>(fields: &'a [(&'a str, &'a str)]) -> Asks<'a> {
    Asks {
        fields,
        ..Asks::default()
    }
}

#[tokio::test]
async fn rfc9218_5_requests_say_their_priority() {
    let streams = [
        (3, field(&[("priority", "u=6")])),
        (5, field(&[("priority", "u=1")])),
        (7, field(&[])),
        (9, field(&[("priority", "u=7"), ("priority", "u=0, i")])),
        (11, field(&[("priority", "u=5, unknown=?1;x")])),
    ];
    let order = bounded(order(PriorityLayer::new(), &streams)).await;
    assert_eq!(order, [9, 5, 7, 11, 3]);
}

#[tokio::test]
async fn rfc9218_4_a_bad_field_does_not_count() {
    let streams = [
        (3, field(&[("priority", "u=4")])),
        (5, field(&[("priority", "u=0, !")])),
        (7, field(&[("priority", "u=8")])),
        (9, field(&[("priority", "u=2")])),
        (11, field(&[("priority", "\"u=0\"")])),
    ];
    let order = bounded(order(PriorityLayer::new(), &streams)).await;
    assert_eq!(order, [9, 5, 7, 11, 3]);
}

#[tokio::test]
async fn rfc9218_7_an_update_that_came_first_goes_over_the_field() {
    let fields = [("priority", "u=4")];
    let updated = |id, to| Asks {
        before: update(id, to),
        ..field(&fields)
    };
    let streams = [
        (3, updated(3, "u=6")),
        (5, field(&fields)),
        (7, updated(7, "u=0")),
    ];
    let order = bounded(order(PriorityLayer::new(), &streams)).await;
    assert_eq!(order, [7, 5, 3]);
}

#[tokio::test]
async fn rfc9218_8_responses_are_merged() {
    let answered = |fields, query| Asks {
        query,
        ..field(fields)
    };
    let streams = [
        (3, answered(&[("priority", "u=0")], "&field=u=6")),
        (5, answered(&[("priority", "u=5")], "&field=i")),
        (7, answered(&[], "&field=u=1")),
        (9, answered(&[("priority", "u=2")], "&field=u=9")),
        // The extension goes over the field.
        (
            11,
            answered(&[("priority", "u=7")], "&field=u=7&extension=0"),
        ),
    ];
    let order = bounded(order(PriorityLayer::new(), &streams)).await;
    assert_eq!(order, [11, 7, 9, 5, 3]);
}

/// "An intermediary might combine requests" of several clients (RFC 9218, section
/// 13.1).
#[tokio::test]
async fn rfc9218_13_1_a_forwarded_request_has_the_default() {
    let streams = [
        (3, field(&[("priority", "u=4")])),
        (5, field(&[("priority", "u=6"), ("via", "1.1 before")])),
        (7, field(&[("priority", "u=0"), ("forwarded", "for=_a")])),
        (9, field(&[("priority", "u=0"), ("x-forwarded-for", "a")])),
        (11, field(&[("priority", "u=2")])),
    ];
    let distrusted = bounded(order(PriorityLayer::new(), &streams)).await;
    assert_eq!(distrusted, [11, 5, 7, 9, 3]);
    let trusted = PriorityLayer::new().trust_forwarded(true);
    let trusted = bounded(order(trusted, &streams)).await;
    assert_eq!(trusted, [7, 9, 11, 3, 5]);
}

#[tokio::test]
async fn a_handler_changes_the_priority_in_mid_transfer() {
    bounded(async {
        let layered = start(PriorityLayer::new(), Some(slow()), 2).await;
        let (mut peer, mut log) = plugged(&layered.server).await;
        let requests = [
            get(3, &gated(3, 600_000), &[("priority", "u=1")]),
            get(5, &gated(5, 600_000), &[("priority", "u=5")]),
        ];
        peer.send(&requests.concat()).await;
        peer.until(&mut log, |log| log.octets(3) > 100_000).await;
        assert!(log.octets(5) < 50_000, "5 has to wait");
        let streams = layered.streams.lock().expect("no panic").clone();
        let five = streams.iter().find(|stream| stream.id().get() == 5);
        five.expect("a handle")
            .set_priority(Priority::new(0))
            .expect("open");
        peer.finish(&mut log, &[3, 5]).await;
        assert_eq!(log.order(&[3, 5]), [5, 3]);
    })
    .await;
}

/// The Huffman code of lower-case text (RFC 7541, appendix B), its last octet
/// left out if it is not whole.
fn huffman(text: &str) -> Vec<u8> {
    const SHORT: &str = "a00011 b100011 c00100 d100100 e00101 f100101 g100110 h100111 \
        i00110 j1110100 k1110101 l101000 m101001 n101010 o00111 p101011 q1110110 r101100 \
        s01000 t01001 u101101 v1110111 w1111000 x1111001 y1111010 z1111011 -010110 .010111";
    let code = |letter| {
        let code = SHORT.split(' ').find_map(|code| code.strip_prefix(letter));
        code.expect("a letter").trim()
    };
    let bits: String = text.chars().map(code).collect();
    let octets = bits.as_bytes().chunks_exact(8);
    octets
        .map(|bits| bits.iter().fold(0, |octet, bit| octet << 1 | (bit & 1)))
        .collect()
}

#[test]
fn rfc7541_c_4_1_the_huffman_code_is_right() {
    let coded = b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    assert_eq!(huffman("www.example.com"), coded[..11]);
}

fn holds(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn the_field_of_the_transport_is_seen_by_nobody() {
    bounded(async {
        let layered = start(PriorityLayer::new(), None, 0).await;
        let mut peer = Peer::generous(layered.server.address).await;
        peer.sniffed = Some(Vec::new());
        let mut log = Log::default();
        // Whatever a client makes up, and at whatever place.
        let forgeries: [&[(&str, &str)]; 4] = [
            &[],
            &[(TAG, "1")],
            &[
                (TAG, ""),
                ("x-sentinel", "1"),
                (TAG, "ffffffffffffffff-1-1"),
            ],
            &[("priority", "u=1"), (TAG, "0000000000000000")],
        ];
        for (i, fields) in forgeries.into_iter().enumerate() {
            let id = 2 * i as u32 + 1;
            peer.send(&get(id, "/fields", fields)).await;
            peer.finish(&mut log, &[id]).await;
            let seen = String::from_utf8_lossy(&log.bodies[&id]).into_owned();
            assert!(!seen.contains(TAG), "{seen}");
            assert!(seen.contains(&format!("stream Some({id})")), "{seen}");
            let expected = if i == 3 { "u=1" } else { "u=3" };
            assert!(
                seen.contains(&format!("priority Some({expected:?})")),
                "{seen}"
            );
        }
        let sniffed = peer.sniffed.take().expect("kept");
        // The search finds what is there.
        assert!(holds(&sniffed, b"x-sentinel") && holds(&sniffed, &huffman("x-sentinel")));
        assert!(!holds(&sniffed, TAG.as_bytes()));
        assert!(!holds(&sniffed, &huffman(TAG)));
    })
    .await;
}

#[tokio::test]
async fn the_layer_over_http_1_1() {
    bounded(async {
        let layered = start(PriorityLayer::new(), None, 0).await;
        let mut tcp = TcpStream::connect(layered.server.address)
            .await
            .expect("connect");
        let request = format!(
            "GET /fields HTTP/1.1\r\nhost: a\r\npriority: u=1, i\r\n{TAG}: 1\r\n\
             connection: close\r\n\r\n"
        );
        tcp.write_all(request.as_bytes()).await.expect("send");
        let mut seen = String::new();
        tcp.read_to_string(&mut seen).await.expect("an end");
        assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
        assert!(
            seen.contains("stream None\npriority Some(\"u=1, i\")"),
            "{seen}"
        );
        assert!(!seen.contains(TAG), "{seen}");
    })
    .await;
}

/// hyper's client under the client's layer, over framewright at both ends.
#[tokio::test]
async fn a_client_asks_by_extension_and_changes_its_mind_by_handle() {
    bounded(async {
        let layered = start(PriorityLayer::new(), Some(slow()), 2).await;
        let tcp = TcpStream::connect(layered.server.address)
            .await
            .expect("connect");
        let (sender, _connection) = common::client(Transport::client(tcp, config())).await;
        let mut client = ClientPriorityLayer::new().layer(Dispatch(sender));
        let ask = |uri: &str, priority| {
            let request = Request::get(format!("http://test{uri}"));
            let request = request.extension(priority).body(full(String::new()));
            request.expect("good")
        };

        let urgent = Priority::new(1).incremental(true);
        let response = client.call(ask("/fields", urgent)).await.expect("answered");
        assert!(!response.headers().contains_key(TAG));
        let seen = response.into_body().collect().await.expect("whole");
        let seen = String::from_utf8_lossy(&seen.to_bytes()).into_owned();
        assert!(seen.contains("priority: u=1, i\n"), "{seen}");

        let (first, second) = tokio::join!(
            client.call(ask(&gated(3, 800_000), Priority::new(2))),
            client
                .clone()
                .call(ask(&gated(5, 800_000), Priority::new(4))),
        );
        let (first, second) = (first.expect("answered"), second.expect("answered"));
        let stream = second.extensions().get::<StreamHandle>().expect("a handle");
        stream.set_priority(Priority::new(0)).expect("open");
        let (first, second) = (first.into_body(), second.into_body());
        let mut ends = tokio::task::JoinSet::new();
        for (id, body) in [(3, first), (5, second)] {
            ends.spawn(async move {
                let (digest, _) = common::read(body).await.expect("whole");
                assert_eq!(digest, common::digest(&pattern(id, 800_000)));
                id
            });
        }
        let first = ends.join_next().await.expect("two").expect("no panic");
        assert_eq!(first, 5);
        ends.join_next().await.expect("one more").expect("no panic");
    })
    .await;
}

/// Runs `program`; `None` if it is not installed, which is said.
async fn outside(program: &str, args: &[&str]) -> Option<String> {
    let args: Vec<String> = args.iter().copied().map(String::from).collect();
    let program = program.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let output = std::process::Command::new(&program).args(args).output();
        match output {
            Ok(output) => {
                assert!(output.status.success(), "{program}: {output:?}");
                Some(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: {program} is not installed");
                None
            }
            Err(error) => panic!("{program}: {error}"),
        }
    });
    run.await.expect("no panic")
}

/// Over TLS: without it curl 7 takes a connection for shared before it is open.
#[cfg(feature = "tls")]
#[tokio::test]
async fn curl_says_its_priorities() {
    use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a key that fits");
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));

    bounded(async {
        let handler = Handler::gated(3);
        let server = Server::accept(Some(slow()), move |tcp| {
            let (handler, acceptor) = (handler.clone(), acceptor.clone());
            async move {
                let io = Transport::accept_tls(&acceptor, tcp, config()).await;
                let io = io.expect("a handshake");
                handler.serve(PriorityLayer::new(), io).await;
            }
        })
        .await;
        let url = format!("https://{}", server.address);
        let mut args = vec!["-sSk", "--http2", "--parallel", "--noproxy", "*"];
        // The first makes the connection that the others share, and fills it.
        let requests = [
            (1, 7, "/bytes?len=4000000".to_owned()),
            (3, 6, gated(3, 300_000)),
            (5, 0, gated(5, 300_000)),
            (7, 2, gated(7, 300_000)),
        ];
        let requests = requests.map(|(id, urgency, path)| {
            let says = format!("{id}:%{{size_download}}\n");
            let field = format!("priority: u={urgency}");
            [says, field, format!("{url}{path}")]
        });
        for (i, [says, field, url]) in requests.iter().enumerate() {
            if i > 0 {
                args.extend(["--next", "-k"]);
            }
            args.extend(["-o", "/dev/null", "-w", says, "-H", field, url]);
        }
        let Some(said) = outside("curl", &args).await else {
            return;
        };
        let ends: Vec<_> = said.lines().collect();
        assert_eq!(ends, ["5:300000", "7:300000", "3:300000", "1:4000000"]);
    })
    .await;
}

/// nghttp sends the same fields with each request, so the responses say more.
#[tokio::test]
async fn nghttp_gets_what_responses_say() {
    bounded(async {
        let layered = start(PriorityLayer::new(), Some(slow()), 3).await;
        let url = format!("http://{}", layered.server.address);
        let urls = [(3, 6), (5, 0), (7, 2)]
            .map(|(id, urgency)| format!("{url}{}&field=u={urgency}", gated(id, 300_000)));
        let mut args = vec!["-n", "-s", "--no-dep", "-H", "priority: u=5"];
        args.extend(["--window-bits=24", "--connection-window-bits=24"]);
        args.extend(urls.iter().map(String::as_str));
        let Some(said) = outside("nghttp", &args).await else {
            return;
        };
        // Sorted by when they were complete.
        let ends: Vec<_> = said.lines().filter(|line| line.contains("seed=")).collect();
        let seeds: Vec<_> = ends
            .iter()
            .filter_map(|line| line.split("seed=").nth(1)?.split('&').next())
            .collect();
        assert_eq!(seeds, ["5", "7", "3"], "{said}");
    })
    .await;
}
