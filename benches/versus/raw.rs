//! The limit: the fastest plain way through the same socket on the same cores,
//! with blocking IO; for TLS the same with rustls on top.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use tokio_rustls::rustls::{ClientConnection, ServerConnection, Stream};

use crate::{
    Result,
    child::{Control, reply},
    message::{Command, Measured, Reply, Spec},
    tls,
    usage::Usage,
};

/// Octets a read or write call; larger ones gained nothing on any machine tried.
const CALL: usize = 256 << 10;

/// Writes until the reader is gone.
pub(crate) fn write(mut control: Control, spec: &Spec) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    reply(&Reply::Listening(listener.local_addr()?));
    let (mut tcp, _) = listener.accept()?;
    tcp.set_nodelay(true)?;
    let octets = vec![b'f'; CALL];
    // The reader's going away is how this ends.
    let _: Result<()> = match &spec.tls {
        None => loop {
            if let Err(error) = tcp.write_all(&octets) {
                break Err(error.into());
            }
        },
        Some(identity) => {
            let mut session = ServerConnection::new(tls::server(identity, false)?)?;
            session.set_buffer_limit(None);
            let mut stream = Stream::new(&mut session, &mut tcp);
            loop {
                if let Err(error) = stream.write_all(&octets) {
                    break Err(error.into());
                }
            }
        }
    };
    control.next_blocking().map(drop)
}

/// Reads for the time that its load says.
pub(crate) fn read(mut control: Control, spec: &Spec) -> Result<()> {
    let tcp = TcpStream::connect(spec.server.ok_or("no server to connect to")?)?;
    tcp.set_nodelay(true)?;
    match &spec.tls {
        None => drain(&mut control, spec, &mut &tcp),
        Some(identity) => {
            let mut session = ClientConnection::new(tls::client(identity)?, tls::name())?;
            let mut io = ReadAhead {
                read: BufReader::with_capacity(CALL, &tcp),
                write: &tcp,
            };
            drain(&mut control, spec, &mut Stream::new(&mut session, &mut io))
        }
    }
}

fn drain(control: &mut Control, spec: &Spec, from: &mut dyn Read) -> Result<()> {
    drain_for(from, spec.load.warm_up)?;
    reply(&Reply::Ready);
    loop {
        match control.next_blocking()? {
            Command::Measure => {
                let measured = drain_for(from, spec.load.measured)?;
                reply(&Reply::Measured(measured));
            }
            other => return Err(format!("a reader does not take {other:?}").into()),
        }
    }
}

fn drain_for(from: &mut dyn Read, milliseconds: u64) -> Result<Measured> {
    let mut buffer = vec![0; CALL];
    let mut octets = 0;
    let mark = Usage::now()?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(milliseconds) {
        match from.read(&mut buffer)? {
            0 => return Err("the writer went away".into()),
            n => octets += n as u64,
        }
    }
    Ok(Measured {
        octets,
        seconds: start.elapsed().as_secs_f64(),
        used: Usage::now()?.since(mark),
        ..Measured::default()
    })
}

/// rustls asks for 4096 octets at a time; the socket should not be.
struct ReadAhead<'a> {
    read: BufReader<&'a TcpStream>,
    write: &'a TcpStream,
}

impl Read for ReadAhead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.read.read(buffer)
    }
}

impl Write for ReadAhead<'_> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.write.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.write.flush()
    }
}
