//! A peer that means harm. It blocks, and writes whatever it likes.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use framewright::{FrameType, Head};

use crate::child::PATIENCE;
use crate::raw::{ACK, INITIAL_WINDOW_SIZE, PREFACE, frame, settings};

/// A victim that takes no octet for so long has stopped to read.
const STALL: Duration = Duration::from_millis(250);

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is still served.
    Served,
    /// By GOAWAY, with this code.
    Goaway(u32),
    /// With no word.
    Closed,
}

impl Ending {
    /// Whether both are the same. A victim that closes its socket with octets in it
    /// that it has not read resets the connection, and its last words may be lost.
    pub(crate) fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Goaway(_), Self::Closed) | (Self::Closed, Self::Goaway(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CODES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        match self {
            Self::Served => f.write_str("served on"),
            Self::Goaway(code) => f.write_str(CODES.get(*code as usize).unwrap_or(&"another")),
            Self::Closed => f.write_str("closed"),
        }
    }
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) frames: [u64; 10],
    pub(crate) acks: u64,
    pub(crate) octets: u64,
    /// Octets of DATA that the victim takes on the connection; on a stream, beyond
    /// what it has been sent, by [`Seen::stream_window`] and these.
    pub(crate) connection_credit: i64,
    pub(crate) stream_window: i64,
    pub(crate) stream_credit: std::collections::BTreeMap<u32, i64>,
    pub(crate) is_closed: bool,
    goaway: Option<u32>,
    /// The last PING is acknowledged.
    answered: bool,
}

impl Seen {
    pub(crate) fn count(&self, kind: FrameType) -> u64 {
        self.frames.get(usize::from(kind.0)).copied().unwrap_or(0)
    }
}

type Watched = Arc<(Mutex<Seen>, Condvar)>;

pub(crate) struct Attacker {
    address: Option<SocketAddr>,
    io: TcpStream,
    /// What was not taken of a frame that was begun.
    pending: Vec<u8>,
    /// What was read on this thread.
    early: Vec<u8>,
    seen: Watched,
    reads: bool,
    /// The victim has stopped to read, or is gone.
    pub(crate) stalled: bool,
    pub(crate) sent: u64,
    /// Connections beside this one, which end with it.
    pub(crate) others: Vec<Attacker>,
}

/// What a PING at the end holds.
const END: &[u8; 8] = b"all done";

impl Attacker {
    /// Connects to a server, says these SETTINGS, and reads nothing yet.
    pub(crate) fn connect(address: SocketAddr, parameters: &[(u16, u32)]) -> Self {
        let io = TcpStream::connect(address).expect("connect");
        let mut attacker = Self::on(io);
        attacker.address = Some(address);
        attacker.send(&[PREFACE, &settings(parameters)].concat());
        attacker
    }

    /// The server of a client that has just connected: says these SETTINGS.
    pub(crate) fn serving(mut io: TcpStream, parameters: &[(u16, u32)]) -> Self {
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).expect("a client");
        assert_eq!(preface, PREFACE);
        let mut attacker = Self::on(io);
        attacker.send(&settings(parameters));
        attacker
    }

    fn on(io: TcpStream) -> Self {
        io.set_nodelay(true).expect("open");
        io.set_write_timeout(Some(STALL)).expect("open");
        let seen = Seen {
            connection_credit: 65_535,
            stream_window: 65_535,
            ..Seen::default()
        };
        Self {
            address: None,
            io,
            pending: Vec::new(),
            early: Vec::new(),
            seen: Arc::new((Mutex::new(seen), Condvar::new())),
            reads: false,
            stalled: false,
            sent: 0,
            others: Vec::new(),
        }
    }

    /// Opens another connection.
    pub(crate) fn another(&mut self, parameters: &[(u16, u32)]) -> &mut Self {
        let address = self.address.expect("a server's");
        self.others.push(Self::connect(address, parameters));
        self.others.last_mut().expect("pushed")
    }

    /// From now on reads all that comes.
    pub(crate) fn reads(&mut self) -> &mut Self {
        if !std::mem::replace(&mut self.reads, true) {
            let (io, seen) = (self.io.try_clone().expect("open"), Arc::clone(&self.seen));
            let early = std::mem::take(&mut self.early);
            thread::spawn(move || watch(io, early, &seen));
        }
        self
    }

    /// Acknowledges the victim's SETTINGS.
    pub(crate) fn acknowledge(&mut self) {
        self.round_trip();
        self.send(&frame(FrameType::SETTINGS, ACK, 0, &[]));
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().expect("no panic")
    }

    /// Waits until what came is enough, or there is no more. Whether it is.
    pub(crate) fn wait(&self, enough: impl Fn(&Seen) -> bool) -> bool {
        let by = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        while !enough(&seen) && !seen.is_closed {
            let left = by.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the victim hangs: {seen:?}");
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic").0;
        }
        enough(&seen)
    }

    /// Lets the victim work on what it has got.
    pub(crate) fn rest(&self) {
        thread::sleep(Duration::from_millis(30));
    }

    /// Writes. Whether the victim takes it.
    pub(crate) fn send(&mut self, octets: &[u8]) -> bool {
        if self.stalled {
            return false;
        }
        let mut left = octets;
        while !left.is_empty() {
            match self.io.write(left) {
                Ok(n) => {
                    self.sent += n as u64;
                    left = &left[n..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let is_full =
                        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    self.stalled = true;
                    if is_full {
                        self.pending = left.to_vec();
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Writes the same again and again.
    pub(crate) fn repeat(&mut self, times: usize, octets: &[u8]) -> bool {
        const BATCH: usize = 64 << 10;
        let batch = (BATCH / octets.len()).clamp(1, times);
        let batched = octets.repeat(batch);
        for _ in 0..times / batch {
            if !self.send(&batched) {
                return false;
            }
        }
        self.send(&octets.repeat(times % batch))
    }

    /// Writes what `frames` gives for each number, a batch at a time.
    pub(crate) fn each(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        frames: impl Fn(u32) -> Vec<u8>,
    ) -> bool {
        let mut batch = Vec::new();
        for number in numbers {
            batch.extend(frames(number));
            if batch.len() >= 16 << 10 && !self.send(&std::mem::take(&mut batch)) {
                return false;
            }
        }
        self.send(&batch)
    }

    /// Reads so many octets at most, one at a time, on this thread.
    pub(crate) fn nibble(&mut self, octets: usize) {
        assert!(!self.reads, "somebody else reads");
        let mut octet = [0];
        for _ in 0..octets {
            if !matches!(self.io.read(&mut octet), Ok(1)) {
                return;
            }
            self.early.extend(octet);
        }
    }

    /// Sends no more, but may read on.
    pub(crate) fn shut(&mut self) {
        let _ = self.io.shutdown(Shutdown::Write);
        self.stalled = true;
    }

    /// Waits until the victim has answered what was sent so far, or is gone.
    pub(crate) fn round_trip(&mut self) -> bool {
        self.reads();
        self.seen().answered = false;
        self.send(&frame(FrameType::PING, 0, 0, END)) && self.wait(|seen| seen.answered)
    }

    /// Reads what there is, and sees whether the victim would go on.
    pub(crate) fn end(&mut self) -> Ending {
        self.reads();
        if self.stalled && !self.pending.is_empty() {
            self.stalled = false;
            self.io.set_write_timeout(Some(PATIENCE)).expect("open");
            let pending = std::mem::take(&mut self.pending);
            self.send(&pending);
        }
        if !self.stalled {
            self.round_trip();
        } else if !self.seen().is_closed {
            // Nothing more can be asked: it ends, or it hangs.
            self.wait(|_| false);
        }
        let seen = self.seen();
        match seen.goaway {
            Some(code) => Ending::Goaway(code),
            None if seen.answered && !self.stalled => Ending::Served,
            None => Ending::Closed,
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // The thread that reads has the socket too.
        let _ = self.io.shutdown(Shutdown::Both);
    }
}

fn watch(mut io: TcpStream, early: Vec<u8>, seen: &Watched) {
    let mut filled = early.len();
    let mut octets = early;
    octets.resize(256 << 10, 0);
    loop {
        let read = match io.read(&mut octets[filled..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // A reset is an end too.
            read => read.unwrap_or(0),
        };
        let mut seen_now = seen.0.lock().expect("no panic");
        filled += read;
        seen_now.octets += read as u64;
        let mut at = 0;
        while let Some(head) = octets[at..filled].first_chunk().map(Head::decode) {
            let whole = Head::LEN + head.length as usize;
            if filled - at < whole {
                break;
            }
            note(&mut seen_now, head, &octets[at + Head::LEN..at + whole]);
            at += whole;
        }
        octets.copy_within(at..filled, 0);
        filled -= at;
        seen_now.is_closed = read == 0;
        seen.1.notify_all();
        if read == 0 {
            return;
        }
    }
}

fn note(seen: &mut Seen, head: Head, payload: &[u8]) {
    let stream = head.stream.get();
    if let Some(count) = seen.frames.get_mut(usize::from(head.kind.0)) {
        *count += 1;
    }
    let is_ack = head.flags.0 & ACK != 0;
    let number = |at: usize| {
        let octets = payload.get(at..).and_then(|rest| rest.first_chunk());
        octets.copied().map_or(0, u32::from_be_bytes)
    };
    match head.kind {
        FrameType::SETTINGS if is_ack => seen.acks += 1,
        FrameType::SETTINGS => {
            for at in (0..payload.len()).step_by(6) {
                if payload[at..at + 2] == INITIAL_WINDOW_SIZE.to_be_bytes() {
                    seen.stream_window = number(at + 2).into();
                }
            }
        }
        FrameType::PING if is_ack => {
            seen.acks += 1;
            seen.answered |= payload == END;
        }
        FrameType::WINDOW_UPDATE if stream == 0 => {
            seen.connection_credit += i64::from(number(0));
        }
        FrameType::WINDOW_UPDATE => {
            *seen.stream_credit.entry(stream).or_default() += i64::from(number(0));
        }
        FrameType::GOAWAY => seen.goaway = Some(number(4)),
        _ => {}
    }
}
