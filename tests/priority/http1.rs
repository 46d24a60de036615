//! HTTP/1.1 over the same transport: nothing of the scheduling reaches it.

use framewright::{Config, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bounded;
use crate::common::{pattern, serve};
use crate::server::{Server, slow};

/// Pipelined, the urgent one last, and one that looks like a tag of framewright's.
const REQUESTS: &str = "\
GET /bytes?seed=1&len=300000 HTTP/1.1\r\nhost: a\r\npriority: u=7\r\n\r\n\
GET /bytes?seed=2&len=100000 HTTP/1.1\r\nhost: a\r\npriority: u=0\r\n\r\n\
POST /echo HTTP/1.1\r\nhost: a\r\nframewright-stream: 1\r\ncontent-length: 6\r\n\r\nhello\n\
GET /bytes?seed=3&len=5 HTTP/1.1\r\nhost: a\r\nconnection: close\r\npriority: u=0\r\n\r\n";

/// What comes back, without the lines that tell the time.
async fn exchange(config: Config, slowly: bool) -> Vec<u8> {
    let link = slowly.then(slow);
    let server = Server::accept(link, move |tcp| {
        let io = Transport::server(tcp, config.clone());
        async move { drop(serve(io).await) }
    })
    .await;
    let mut tcp = TcpStream::connect(server.address).await.expect("connect");
    tcp.write_all(REQUESTS.as_bytes()).await.expect("send");
    let mut received = Vec::new();
    tcp.read_to_end(&mut received).await.expect("a clean end");
    while let Some(at) = received.windows(7).position(|part| part == b"\ndate: ") {
        let line = received[at + 1..].iter().position(|octet| *octet == b'\n');
        received.drain(at + 1..at + 2 + line.expect("its end"));
    }
    received
}

#[tokio::test]
async fn http_1_1_has_the_same_octets_in_the_same_order() {
    bounded(async {
        let config = Config::default;
        let plain = exchange(config().schedule(false), false).await;
        let bodies = [
            pattern(1, 300_000),
            pattern(2, 100_000),
            b"hello\n".to_vec(),
        ];
        let mut from = 0;
        for body in bodies {
            let at = plain[from..]
                .windows(body.len())
                .position(|part| part == body);
            from += at.expect("the body, in its turn") + body.len();
        }
        for slowly in [false, true] {
            assert!(exchange(config(), slowly).await == plain);
            let with_handles = config().stream_handles(true);
            assert!(exchange(with_handles, slowly).await == plain);
        }
    })
    .await;
}
