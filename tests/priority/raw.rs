//! A client that writes its own frames, and sees every octet that comes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use framewright::{FrameType, Head};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

/// Parameters of SETTINGS.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;
pub(crate) const MAX_FRAME_SIZE: u16 = 0x5;
pub(crate) const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// More credit than anything here takes.
const PLENTY: u32 = 1 << 30;

/// A frame with whatever is in it, right or wrong.
pub(crate) fn frame(kind: FrameType, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut octets = length[1..].to_vec();
    octets.extend([kind.0, flags]);
    octets.extend(stream.to_be_bytes());
    octets.extend(payload);
    octets
}

pub(crate) fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (parameter, value) in parameters {
        payload.extend(parameter.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(FrameType::SETTINGS, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(
        FrameType::WINDOW_UPDATE,
        0,
        stream,
        &increment.to_be_bytes(),
    )
}

/// `PRIORITY_UPDATE` (RFC 9218, section 7.1).
pub(crate) fn update(stream: u32, field: &str) -> Vec<u8> {
    let payload = [&stream.to_be_bytes(), field.as_bytes()].concat();
    frame(FrameType::PRIORITY_UPDATE, 0, 0, &payload)
}

/// A GET with no body, whose fields are literals without indexing and without
/// Huffman coding (RFC 7541, section 6.2.2).
pub(crate) fn get(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    block.push(0x04);
    string(&mut block, path);
    block.push(0x01);
    string(&mut block, "test");
    for (name, value) in fields {
        block.push(0x00);
        string(&mut block, name);
        string(&mut block, value);
    }
    frame(FrameType::HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

pub(crate) fn string(block: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 127, "one octet of length");
    block.push(text.len() as u8);
    block.extend(text.as_bytes());
}

/// A frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: Head,
    pub(crate) payload: Bytes,
}

impl Received {
    pub(crate) fn stream(&self) -> u32 {
        self.head.stream.get()
    }

    pub(crate) fn is(&self, kind: FrameType) -> bool {
        self.head.kind == kind
    }

    pub(crate) fn is_ack(&self) -> bool {
        (self.is(FrameType::SETTINGS) || self.is(FrameType::PING)) && self.head.flags.0 & ACK != 0
    }

    pub(crate) fn ends_stream(&self) -> bool {
        let has_flag = self.is(FrameType::DATA) || self.is(FrameType::HEADERS);
        has_flag && self.head.flags.0 & END_STREAM != 0
    }
}

/// The connection of such a client.
pub(crate) struct Peer {
    io: TcpStream,
    input: BytesMut,
    /// All that came, if it is kept.
    pub(crate) sniffed: Option<Vec<u8>>,
}

impl Peer {
    /// Connects, and says these SETTINGS.
    pub(crate) async fn connect(address: SocketAddr, parameters: &[(u16, u32)]) -> Self {
        let io = TcpStream::connect(address).await.expect("connect");
        let mut peer = Self::on(io);
        peer.send(&[PREFACE, &settings(parameters)].concat()).await;
        peer
    }

    /// The same end of a connection that is open, before anything was said.
    pub(crate) fn on(io: TcpStream) -> Self {
        io.set_nodelay(true).expect("open");
        Self {
            io,
            input: BytesMut::new(),
            sniffed: None,
        }
    }

    /// Connects, and grants so much credit that it is never waited for.
    pub(crate) async fn generous(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address, &[(INITIAL_WINDOW_SIZE, PLENTY)]).await;
        peer.send(&window_update(0, PLENTY)).await;
        peer
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.io.write_all(octets).await.expect("send");
    }

    /// The next frame, once SETTINGS and PING have been answered; `None` at the
    /// end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Received> {
        let received = self.frame().await?;
        if !received.is_ack() {
            if received.is(FrameType::SETTINGS) {
                self.send(&frame(FrameType::SETTINGS, ACK, 0, &[])).await;
            } else if received.is(FrameType::PING) {
                self.send(&frame(FrameType::PING, ACK, 0, &received.payload))
                    .await;
            }
        }
        Some(received)
    }

    /// The next frame. Cancelling this loses nothing.
    pub(crate) async fn frame(&mut self) -> Option<Received> {
        loop {
            if let Some(octets) = self.input.first_chunk() {
                let head = Head::decode(octets);
                let whole = Head::LEN + head.length as usize;
                if self.input.len() >= whole {
                    self.input.advance(Head::LEN);
                    let payload = self.input.split_to(head.length as usize).freeze();
                    return Some(Received { head, payload });
                }
            }
            let before = self.input.len();
            // A reset is an end too.
            let read = self.io.read_buf(&mut self.input).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
            if let Some(sniffed) = &mut self.sniffed {
                sniffed.extend(&self.input[before..]);
            }
        }
    }

    /// Sends a PING and waits until it is answered: everything before it has been
    /// read by then.
    pub(crate) async fn round_trip(&mut self, log: &mut Log) {
        let sent = frame(FrameType::PING, 0, 0, b"roundtri");
        self.send(&sent).await;
        loop {
            let received = self.next().await.expect("an answer");
            if received.is(FrameType::PING) && received.is_ack() {
                return;
            }
            log.add(&received);
        }
    }

    /// Receives until these streams have ended.
    pub(crate) async fn finish(&mut self, log: &mut Log, streams: &[u32]) {
        self.until(log, |log| streams.iter().all(|id| log.has_ended(*id)))
            .await;
    }

    /// Receives until what has come is `enough`.
    pub(crate) async fn until(&mut self, log: &mut Log, enough: impl Fn(&Log) -> bool) {
        while !enough(log) {
            let received = self.next().await.expect("more");
            log.add(&received);
        }
    }
}

/// What came of DATA, in its order.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Stream and octets of each frame.
    pub(crate) frames: Vec<(u32, usize)>,
    /// Streams that have ended, and how many of `frames` came before.
    pub(crate) ended: Vec<(u32, usize)>,
    pub(crate) bodies: BTreeMap<u32, BytesMut>,
}

impl Log {
    pub(crate) fn add(&mut self, received: &Received) {
        let stream = received.stream();
        assert!(!received.is(FrameType::GOAWAY), "{received:?}");
        assert!(!received.is(FrameType::RST_STREAM), "{received:?}");
        if received.is(FrameType::DATA) {
            self.frames.push((stream, received.payload.len()));
            let body = self.bodies.entry(stream).or_default();
            body.extend_from_slice(&received.payload);
        }
        if received.ends_stream() {
            self.ended.push((stream, self.frames.len()));
        }
    }

    pub(crate) fn has_ended(&self, stream: u32) -> bool {
        self.ended.iter().any(|(ended, _)| *ended == stream)
    }

    /// Those of `streams` that have ended, the first first.
    pub(crate) fn order(&self, streams: &[u32]) -> Vec<u32> {
        let ended = self.ended.iter().map(|(ended, _)| *ended);
        ended.filter(|ended| streams.contains(ended)).collect()
    }

    /// `streams`, by when half of their octets had come. A stream whose handler is
    /// late at the end leaves its turn to the next one, which may end before it then.
    pub(crate) fn order_of_halves(&self, streams: &[u32]) -> Vec<u32> {
        let mut came = BTreeMap::<u32, usize>::new();
        let mut order = Vec::new();
        for (id, octets) in &self.frames {
            let came = came.entry(*id).or_default();
            *came += octets;
            if *came * 2 >= self.octets(*id) && streams.contains(id) && !order.contains(id) {
                order.push(*id);
            }
        }
        order
    }

    pub(crate) fn octets(&self, stream: u32) -> usize {
        self.bodies.get(&stream).map_or(0, BytesMut::len)
    }

    /// Octets of `stream` that came before the last of `ended`.
    pub(crate) fn octets_at_end_of(&self, stream: u32, ended: u32) -> usize {
        let (_, frames) = self.ended.iter().find(|(id, _)| *id == ended).expect("it");
        self.frames[..*frames]
            .iter()
            .filter(|(id, _)| *id == stream)
            .map(|(_, octets)| octets)
            .sum()
    }
}
